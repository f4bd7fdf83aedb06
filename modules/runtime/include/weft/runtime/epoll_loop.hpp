#pragma once
// The loop of real programs: edge-triggered epoll, one thread.
//
//     epoll_loop loop;
//     int code = loop.run(serve(loop));     // runs until the task ends
//
// A whole core each: `cores` runs one in each of several threads. Inside another library's loop: wait until
// `descriptor()` is readable, then call `poll()`; runtime/asio.hpp does that for an io_context.
#include <weft/runtime/loop.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft {

struct epoll_loop_options {
  std::optional<std::uint64_t> seed;  // of random(); the kernel's randomness without one
  unsigned blocking_threads = 4;      // for calls of less than 50 ms; 60 longer ones at most run beside them
  std::size_t blocking_queue = 1024;  // beyond that many waiting calls, offload() runs the work at once, on the loop
  // Name servers as "127.0.0.1:53, [::1]:53", instead of those in /etc/resolv.conf.
  std::string dns_servers;
  duration dns_timeout = std::chrono::seconds{2};  // of one try
  int dns_tries = 2;
};

class epoll_loop final : public loop {
 public:
  explicit epoll_loop(epoll_loop_options options = {});  // throws std::system_error when the kernel refuses
  ~epoll_loop() override;

  // Until stop(), or until the task ends; its value or exception comes back.
  void run();
  template <class T>
  T run(task<T> work);
  void stop() noexcept;  // from any thread

  // One turn without waiting. True when there is more to do at once.
  bool poll();
  // Readable whenever poll() has something to do, timers included.
  [[nodiscard]] int descriptor() const noexcept;

  // Calls back on the loop for each arrival of the signal, which is then no longer handled by default in this thread
  // (call it before other threads start). `number` as in <csignal>.
  result<> on_signal(int number, std::move_only_function<void(int)> handler);

  [[nodiscard]] steady_time now() const noexcept override { return now_; }
  [[nodiscard]] steady_time clock() const noexcept override;
  [[nodiscard]] wall_time wall_now() const noexcept override;
  [[nodiscard]] rng& random() noexcept override { return random_; }
  void schedule(ready_node& node) noexcept override { ready_.push(node); }
  void arm(timer_node& node, steady_time due) override { timers_.arm(node, due); }
  void post(callback work) override;
  void offload(callback work, callback done) override;
  result<std::unique_ptr<listener>> listen(const address& at, listen_options options = {}) override;
  task<result<std::unique_ptr<stream>>> connect(context ctx, address to, connect_options options = {}) override;
  task<result<std::vector<address>>> resolve(context ctx, std::string host, std::uint16_t port) override;
  task<result<std::vector<dns_record>>> query_dns(context ctx, std::string name, dns_type type) override;
  result<std::unique_ptr<watched_descriptor>> watch(int descriptor) override;

 private:
  friend class epoll_registration;
  enum class waiting { no, yes };
  void turn(waiting w);
  void run_until(const bool& done);
  void wait_for_events(waiting w);
  void run_posted();
  void refresh_now() noexcept;
  struct impl;

  steady_time now_{};
  rng random_;
  timer_queue timers_;
  ready_queue ready_;
  std::unique_ptr<impl> impl_;
};

template <class T>
T epoll_loop::run(task<T> work) {
  struct runner {
    struct promise_type final : ready_node {
      runner get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
      std::suspend_always initial_suspend() const noexcept { return {}; }
      std::suspend_always final_suspend() const noexcept { return {}; }
      void return_void() const noexcept {}
      void unhandled_exception() const noexcept { std::terminate(); }
      void run() override { std::coroutine_handle<promise_type>::from_promise(*this).resume(); }
    };
    std::coroutine_handle<promise_type> frame;
    static runner start(task<T> awaited, std::optional<T>& value, std::exception_ptr& problem, bool& done)
      requires(!std::is_void_v<T>)
    {
      try {
        value.emplace(co_await std::move(awaited));
      } catch (...) {
        problem = std::current_exception();
      }
      done = true;
    }
    static runner start(task<T> awaited, std::exception_ptr& problem, bool& done)
      requires std::is_void_v<T>
    {
      try {
        co_await std::move(awaited);
      } catch (...) {
        problem = std::current_exception();
      }
      done = true;
    }
  };
  struct owner {
    runner r;
    ~owner() { r.frame.destroy(); }
  };
  bool done = false;
  std::exception_ptr problem;
  if constexpr (std::is_void_v<T>) {
    owner o{runner::start(std::move(work), problem, done)};
    schedule(o.r.frame.promise());
    run_until(done);
    if (problem) std::rethrow_exception(problem);
  } else {
    std::optional<T> value;
    owner o{runner::start(std::move(work), value, problem, done)};
    schedule(o.r.frame.promise());
    run_until(done);
    if (problem) std::rethrow_exception(problem);
    if (!value) throw std::runtime_error{"the loop was stopped before its task ended"};
    return *std::move(value);
  }
}

}  // namespace weft
