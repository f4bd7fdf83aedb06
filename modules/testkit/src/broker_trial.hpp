#pragma once
// What the cases of the broker suite are written with. Whatever goes wrong is thrown, and ends the case.
#include <weft/messaging/broker_admin.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/when.hpp>
#include <weft/testkit/broker_conformance.hpp>

#include <stdexcept>

namespace weft::testkit {

class broker_trial {
 public:
  using broker_ptr = std::unique_ptr<messaging::broker>;
  using consumer_ptr = std::unique_ptr<messaging::consumer>;

  class failed : public std::runtime_error {
   public:
    using std::runtime_error::runtime_error;
  };

  broker_trial(broker_under_test& target, loop& l)
      : target{target}, l{l}, own_{l.random().make_uuid_v4().to_string()} {}

  broker_under_test& target;
  loop& l;

  // A name that no other case uses: a topic, the start of one, or a group.
  [[nodiscard]] std::string name(std::string_view part) const { return "weft-" + own_ + "." + std::string{part}; }
  [[nodiscard]] context within_patience() const { return context{}.with_timeout(l, target.patience()); }

  task<broker_ptr> open();
  task<consumer_ptr> subscribe(messaging::broker& b, messaging::subscription s);
  task<void> publish(messaging::broker& b, messaging::message m, duration delay = {});
  // Ids "0" to count - 1, key by number.
  task<void> publish_many(messaging::broker& b, std::string topic, std::size_t count,
                          std::function<std::string(std::size_t)> key = {});

  task<messaging::raw_delivery> receive(messaging::consumer& c);
  task<messaging::raw_delivery> receive_and_ack(messaging::consumer& c);
  task<std::vector<std::string>> receive_ids(messaging::consumer& c, std::size_t count);  // acknowledged
  task<void> settle(messaging::consumer& c, const messaging::raw_delivery& d, messaging::settlement how);
  task<void> expect_quiet(messaging::consumer& c, std::string_view what);
  task<void> wait(duration time);
  // Acknowledges until nothing is left; `take` sees every delivery and counts `left` down.
  task<void> consume(messaging::consumer& c, const std::size_t& left,
                     std::function<void(const messaging::raw_delivery&)> take);
  // Both, to the end of the longer; then what went wrong in either.
  task<void> beside(task<void> a, task<void> b);

  static void check(bool condition, std::string_view what) {
    if (!condition) throw failed{std::string{what}};
  }
  static void equal(std::string_view got, std::string_view wanted, std::string_view what) {
    if (got != wanted)
      throw failed{std::string{what} + ": '" + std::string{got} + "' instead of '" + std::string{wanted} + "'"};
  }
  static void equal(std::size_t got, std::size_t wanted, std::string_view what) {
    equal(std::to_string(got), std::to_string(wanted), what);
  }
  template <class T>
  static T value(result<T> r, std::string_view what) {
    if (!r) throw failed{std::string{what} + ": " + r.error().describe()};
    return *std::move(r);
  }
  static void ok(const result<>& r, std::string_view what) {
    if (!r) throw failed{std::string{what} + ": " + r.error().describe()};
  }

 private:
  std::string own_;
};

[[nodiscard]] messaging::message numbered(std::string id, std::string topic, std::string key = {});

std::span<const broker_case> delivery_cases();
std::span<const broker_case> order_cases();
std::span<const broker_case> option_cases();
std::span<const broker_case> fault_cases();

}  // namespace weft::testkit
