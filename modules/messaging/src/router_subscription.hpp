#pragma once
// One subscription of a router while it runs: fetches, keeps keys in order, runs handlers, settles.
#include <weft/messaging/router.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <deque>
#include <map>

namespace weft::messaging {

class router_subscription {
 public:
  router_subscription(router& owner, std::string label, subscription what, std::uint32_t concurrency, bool events,
                      router::terminal call);

  [[nodiscard]] const subscription& what() const noexcept { return what_; }
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
  [[nodiscard]] task<result<std::optional<raw_delivery>>> take(const context& ctx);
  void admit(raw_delivery d);
  void next_of_key(const std::string& key);
  [[nodiscard]] bool ordered(const message& m) const noexcept;

  task<void> process(const context& ctx, work& w);
  static void read(incoming& in);
  [[nodiscard]] settlement settlement_for(const context& ctx, outcome&& o) const;
  [[nodiscard]] bool retries_here(const settlement& s, const message& m) const noexcept;
  task<void> settle(const raw_delivery& d, settlement how);
  void could_not_settle(const raw_delivery& d, const error& why) const;
  [[nodiscard]] context context_for(const context& ctx, const incoming& in, observe::span& span) const;
  void count(const outcome& o, duration took) const;

  router& owner_;
  loop& loop_;
  std::string label_;
  subscription what_;
  std::uint32_t concurrency_;
  bool events_;
  router::terminal call_;
  stage chain_;
  std::unique_ptr<consumer> consumer_;
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
