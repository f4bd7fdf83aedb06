#pragma once
// A loop for tests: the time stands still until the test moves it, and nothing reaches the outside world.
#include <weft/runtime/loop.hpp>

#include <deque>

namespace weft::observe {

class manual_loop final : public loop {
 public:
  explicit manual_loop(std::uint64_t seed = 1) : random_{seed} {}

  // Moves the time on, running what falls due, in order.
  void advance(duration by) {
    const auto until = now_ + by;
    run_ready();
    while (timers_.next() && *timers_.next() <= until) {
      wall_ += *timers_.next() - now_;
      now_ = *timers_.next();
      while (auto* node = timers_.pop_due(now_)) node->expire();
      run_ready();
    }
    wall_ += until - now_;
    now_ = until;
  }
  void run_ready() {
    for (;;) {
      if (auto* node = ready_.pop()) {
        node->run();
      } else if (!posted_.empty()) {
        auto work = std::move(posted_.front());
        posted_.pop_front();
        work();
      } else {
        return;
      }
    }
  }
  void set_wall(wall_time at) { wall_ = at; }

  steady_time now() const noexcept override { return now_; }
  wall_time wall_now() const noexcept override { return wall_; }
  rng& random() noexcept override { return random_; }
  void schedule(ready_node& node) noexcept override { ready_.push(node); }
  void arm(timer_node& node, steady_time due) override { timers_.arm(node, due); }
  void post(callback work) override { posted_.push_back(std::move(work)); }
  void offload(callback work, callback done) override {
    work();
    post(std::move(done));
  }
  result<std::unique_ptr<listener>> listen(const address&, listen_options) override { return refuse(); }
  task<result<std::unique_ptr<stream>>> connect(context, address, connect_options) override { co_return refuse(); }
  task<result<std::vector<address>>> resolve(context, std::string, std::uint16_t) override { co_return refuse(); }
  task<result<std::vector<dns_record>>> query_dns(context, std::string, dns_type) override { co_return refuse(); }
  result<std::unique_ptr<watched_descriptor>> watch(int) override { return refuse(); }

 private:
  static std::unexpected<error> refuse() { return fail(errc::unimplemented, "a loop without network"); }

  steady_time now_{std::chrono::hours{1}};
  wall_time wall_{std::chrono::seconds{1'769'938'200}};  // 2026-02-01T09:30:00Z
  rng random_;
  timer_queue timers_;
  ready_queue ready_;
  std::deque<callback> posted_;
};

}  // namespace weft::observe
