#pragma once
// Handles what arrives once, through the inbox: each message's effect is a row, written by the transaction that also
// notes how far its key has come. A row may stand twice and a key may go back: both would be counted, not refused.
//
//     effects(number)              one for each effect
//     progress(key, next)          the sequence that the key expects
//     disorder(number, expected)   effects that did not come in their key's order
//     tally(duplicates)            deliveries that the inbox absorbed
#include <weft/messaging/router.hpp>
#include <weft/outbox/inbox.hpp>
#include <weft/storage/database.hpp>

#include "numbering.hpp"

namespace weft::system_tests {

class consumer {
 public:
  static task<result<std::unique_ptr<consumer>>> open(loop& l, context ctx, std::string file, numbering what);

  // Until every message has had its effect, and no delivery has come for a second since.
  task<result<>> run(context ctx, messaging::broker& from);
  [[nodiscard]] std::int64_t effects() const noexcept { return effects_; }

  static constexpr std::uint32_t concurrency = 16;

 private:
  consumer(loop& l, std::unique_ptr<storage::database> book, numbering what)
      : loop_{l}, book_{std::move(book)}, what_{what} {}
  static task<result<>> handle(consumer& self, context ctx, messaging::message_ptr m);
  static task<result<>> have_effect(consumer& self, storage::transaction& tx, context ctx, std::int64_t number);
  task<void> report(context ctx);

  loop& loop_;
  std::unique_ptr<storage::database> book_;
  numbering what_;
  std::unique_ptr<messaging::inbox> inbox_;
  std::int64_t effects_ = 0, deliveries_ = 0;
};

}  // namespace weft::system_tests
