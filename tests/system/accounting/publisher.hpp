#pragma once
// Publishes every message until it is confirmed, and goes on where it was after a kill: how far it came is in a file.
//
// Four workers have a quarter of the keys each. A batch holds one message of each of 64 keys, and the next message of a
// key is published only once this one is confirmed, so that a repetition never overtakes. What is not certain is
// published again under the same id.
#include <weft/messaging/broker.hpp>
#include <weft/storage/database.hpp>

#include "numbering.hpp"

namespace weft::system_tests {

class publisher {
 public:
  // errc::invalid_argument when the keys cannot be shared among the workers.
  static task<result<std::unique_ptr<publisher>>> open(loop& l, context ctx, std::string file, numbering what);

  // Until everything is confirmed; at most `rate` messages a second.
  task<result<>> run(context ctx, messaging::broker& to, double rate);
  // Of all runs.
  struct figures {
    std::int64_t confirmed = 0, attempts = 0;
  };
  task<result<figures>> counted(context ctx);

  static constexpr std::int64_t workers = 4, batch = 64;

 private:
  publisher(loop& l, std::unique_ptr<storage::database> book, numbering what)
      : loop_{l}, book_{std::move(book)}, what_{what} {}
  static task<void> work(publisher& self, context ctx, messaging::broker& to, std::int64_t worker, double rate,
                         result<>& outcome);
  static task<result<>> publish_all(publisher& self, context ctx, messaging::broker& to, std::int64_t worker,
                                    double rate);
  task<result<std::int64_t>> confirm(context ctx, messaging::broker& to, std::vector<std::int64_t> numbers);
  [[nodiscard]] std::int64_t share() const noexcept { return what_.count / workers; }
  [[nodiscard]] std::int64_t number_of(std::int64_t worker, std::int64_t position) const noexcept;

  loop& loop_;
  std::unique_ptr<storage::database> book_;
  numbering what_;
};

}  // namespace weft::system_tests
