#pragma once
// One subscription of a router while it runs: fetches, keeps keys in order, runs handlers, settles.
#include <weft/messaging/router.hpp>
#include <weft/messaging/topic_pattern.hpp>
#include <weft/runtime/backoff.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <deque>
#include <map>
#include <optional>

namespace weft::messaging {

// One handler of a group, and what it is for.
struct router::route {
  std::string label;  // what on() was given
  std::vector<topic_pattern> patterns;
  std::optional<std::string> type;  // of events that it takes; empty text: any that no other one of the group names
  other_types others = other_types::ignore;
  router::terminal call;

  [[nodiscard]] bool takes_topic(std::string_view topic) const;
};

class router_subscription {
 public:
  router_subscription(router& owner, subscription what, std::uint32_t concurrency);

  [[nodiscard]] const subscription& what() const noexcept { return what_; }
  // One more handler, whose subscription is the same but for its patterns, prefetch and concurrency.
  void add(router::route r, const subscription& what, std::uint32_t concurrency);
  [[nodiscard]] task<result<>> open(context ctx);
  // Tasks that end once the consumer is stopped and what is in flight is done.
  void run(task_group& tasks, const context& ctx);
  [[nodiscard]] task<void> stop(context ctx);
  [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }
  [[nodiscard]] std::size_t held() const noexcept { return held_; }

 private:
  struct work {
    raw_delivery what;
    std::uint32_t local_attempts = 0;
  };
  // A message of a key on its way, and those behind it.
  using lanes = std::map<std::string, std::deque<work>, std::less<>>;

  task<void> fetch(context ctx);
  task<void> fetch_and_handle(context ctx);
  task<void> handle_waiting(context ctx);
  [[nodiscard]] task<bool> ask_again(const context& ctx, const error& why);
  void admit(raw_delivery d);
  void next_of_key(const std::string& key);
  [[nodiscard]] bool ordered(const message& m) const noexcept;

  task<void> process(const context& ctx, work& w);
  void read(incoming& in) const;
  // The handlers of a message, one after another.
  task<result<>> call_handlers(const context& ctx, incoming& in);
  [[nodiscard]] bool takes(const router::route& r, const incoming& in) const;
  [[nodiscard]] bool names(std::string_view type, std::string_view topic) const;
  [[nodiscard]] std::string_view label_of(const message& m) const;
  [[nodiscard]] settlement settlement_for(const context& ctx, outcome&& o) const;
  [[nodiscard]] bool retries_here(const settlement& s, const message& m) const noexcept;
  // Until the broker has taken it, the delivery is lost, or the router ends.
  task<void> settle(const context& ctx, const raw_delivery& d, settlement how);
  void could_not_settle(const raw_delivery& d, const error& why) const;
  [[nodiscard]] context context_for(const context& ctx, const incoming& in, observe::span& span) const;
  void count(const outcome& o, std::string_view label, duration took) const;

  router& owner_;
  loop& loop_;
  subscription what_;
  std::uint32_t concurrency_;
  std::vector<router::route> routes_;
  stage chain_;
  std::unique_ptr<consumer> consumer_;
  backoff fetch_pauses_{{.initial = std::chrono::milliseconds{500}, .max = std::chrono::seconds{10}}};
  std::deque<work> ready_;
  lanes lanes_;
  semaphore waiting_;
  bool fetched_all_ = false, stopping_ = false;
  std::size_t in_flight_ = 0, held_ = 0;
  observe::counter_family handled_;
  observe::histogram_family took_;
  observe::gauge gauge_;
};

struct router::running {
  explicit running(loop& l) : tasks{std::make_unique<task_group>(l)} {}
  std::unique_ptr<task_group> tasks;
};

}  // namespace weft::messaging
