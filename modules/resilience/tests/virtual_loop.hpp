#pragma once
// A loop in virtual time for tests of one task: timers and the ready queue, and no network.
#include <weft/runtime/loop.hpp>

#include <deque>
#include <memory>
#include <optional>

namespace weft::resilience {

class virtual_loop final : public loop {
 public:
  // Runs until the task ends; time jumps to the next timer whenever nothing is ready.
  template <class T>
  T run(task<T> work) {
    std::optional<T> value;
    auto d = driver::start(keep(std::move(work), value));
    schedule(d.frame.promise());
    for (drain(); !value && step();) {
    }
    WEFT_ASSERT(value, "the task waits for something that never comes");
    return *std::move(value);
  }
  // What is ready, and then the timers up to that moment.
  void advance(duration by) {
    const auto until = now_ + by;
    for (;;) {
      drain();
      const auto next = timers_.next();
      if (!next || *next > until) break;
      fire(*next);
    }
    now_ = until;
  }

  [[nodiscard]] steady_time now() const noexcept override { return now_; }
  [[nodiscard]] wall_time wall_now() const noexcept override { return wall_time{} + now_.time_since_epoch(); }
  [[nodiscard]] rng& random() noexcept override { return random_; }
  void schedule(ready_node& node) noexcept override { ready_.push(node); }
  void arm(timer_node& node, steady_time due) override { timers_.arm(node, due); }
  void post(callback work) override { posted_.push_back(std::move(work)); }
  void offload(callback work, callback done) override {
    work();
    post(std::move(done));
  }
  result<std::unique_ptr<weft::listener>> listen(const address&, listen_options) override { return none(); }
  task<result<std::unique_ptr<stream>>> connect(context, address, connect_options) override { co_return none(); }
  task<result<std::vector<address>>> resolve(context, std::string, std::uint16_t) override { co_return none(); }
  task<result<std::vector<dns_record>>> query_dns(context, std::string, dns_type) override { co_return none(); }
  result<std::unique_ptr<watched_descriptor>> watch(int) override { return none(); }

 private:
  struct driver {
    struct promise_type final : ready_node {
      driver get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
      std::suspend_always initial_suspend() const noexcept { return {}; }
      std::suspend_always final_suspend() const noexcept { return {}; }
      void return_void() const noexcept {}
      void unhandled_exception() const noexcept { std::terminate(); }
      void run() override { std::coroutine_handle<promise_type>::from_promise(*this).resume(); }
    };
    std::coroutine_handle<promise_type> frame;
    driver(std::coroutine_handle<promise_type> f) : frame{f} {}
    driver(const driver&) = delete;
    ~driver() { frame.destroy(); }
    static driver start(task<void> work) { co_await std::move(work); }
  };
  template <class T>
  static task<void> keep(task<T> work, std::optional<T>& value) {
    value.emplace(co_await std::move(work));
  }
  static std::unexpected<error> none() { return fail(errc::unimplemented, "no network here"); }

  void drain() {
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
  void fire(steady_time at) {
    now_ = std::max(now_, at);
    while (auto* timer = timers_.pop_due(now_)) timer->expire();
  }
  bool step() {
    const auto next = timers_.next();
    if (!next) return false;
    fire(*next);
    drain();
    return true;
  }

  steady_time now_{std::chrono::seconds{1000}};
  rng random_{42};
  timer_queue timers_;
  ready_queue ready_;
  std::deque<callback> posted_;
};

}  // namespace weft::resilience
