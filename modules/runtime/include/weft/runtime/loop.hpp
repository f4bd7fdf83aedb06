#pragma once
// The loop: time, order, randomness and the network, for one core. Two implementations: epoll_loop, and the simulator's
// host (testkit), under which the same program runs in virtual time. Code that uses weft reaches the outside world
// through a loop, and never directly.
//
//     task<result<>> heartbeat(loop& l, context ctx) {
//       for (;;) { WEFT_CO_TRY_VOID(co_await weft::sleep(l, ctx, 10s)); ... }
//     }
//
// A loop and all that was made from it belong to one thread; post() alone may be called from any.
#include <weft/base/error.hpp>
#include <weft/base/time.hpp>
#include <weft/runtime/address.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/ready.hpp>
#include <weft/runtime/rng.hpp>
#include <weft/runtime/stream.hpp>
#include <weft/runtime/task.hpp>
#include <weft/runtime/timer.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace weft {

class loop;

using callback = std::move_only_function<void()>;

struct listen_options {
  int backlog = 1024;
  // Several loops may listen on one port; the kernel spreads connections over them (SO_REUSEPORT).
  bool share_port = false;
  // Permissions of a Unix socket's file. A file that no server answers on is replaced.
  unsigned unix_mode = 0660;
};

struct connect_options {
  bool no_delay = true;   // send small writes at once (TCP_NODELAY)
  duration keep_alive{};  // TCP keep-alive probes after this idle time; zero: none
};

// Records of the domain name system.
enum class dns_type : std::uint16_t { a = 1, aaaa = 28, srv = 33 };
struct dns_record {
  dns_type type = dns_type::a;
  std::chrono::seconds ttl{0};
  address where;       // a and aaaa: the address, port 0
  std::string target;  // srv
  std::uint16_t port = 0, priority = 0, weight = 0;
  friend bool operator==(const dns_record&, const dns_record&) = default;
};

// A descriptor that is not a stream of ours (libpq, librdkafka): await its readiness.
class watched_descriptor {
 public:
  virtual ~watched_descriptor() = default;
  // Schedules the waiter when the direction is ready, at once if it is already.
  virtual void wait(io_direction direction, io_waiter& waiter) = 0;
  virtual void cancel(io_direction direction, errc reason) = 0;

  class readiness;
  [[nodiscard]] readiness ready(io_direction direction) noexcept;
};

// A turn that took long: whatever else the loop serves had to wait for it.
struct slow_turn {
  duration took{};
  bool explained = false;  // an observer has said what it was
};

// Is called after slow turns of a loop, in the order in which observers were made. For metrics and a line in the log.
class turn_observer {
 public:
  // After turns of `at_least`; duration::max() is never. The loop outlives it.
  turn_observer(loop& l, duration at_least) noexcept;
  turn_observer(const turn_observer&) = delete;
  turn_observer& operator=(const turn_observer&) = delete;
  virtual ~turn_observer();
  virtual void observe(slow_turn& turn) = 0;

 private:
  friend class loop;
  loop& loop_;
  duration at_least_;
  turn_observer* next_ = nullptr;
};

class loop {
 public:
  virtual ~loop() = default;
  loop(const loop&) = delete;
  loop& operator=(const loop&) = delete;

  // The time of this turn of the loop: cheap, and the same until the turn ends.
  [[nodiscard]] virtual steady_time now() const noexcept = 0;
  // The same clock, read now: it moves while a turn runs, and so measures what does not suspend. Costs a clock read; in
  // the simulator, where code takes no time, it is now().
  [[nodiscard]] virtual steady_time clock() const noexcept { return now(); }
  [[nodiscard]] virtual wall_time wall_now() const noexcept = 0;
  [[nodiscard]] virtual rng& random() noexcept = 0;

  // Runs the node later in this turn, after what is ready already.
  virtual void schedule(ready_node& node) noexcept = 0;
  // A time that is "never", steady_time::max(), disarms the node.
  virtual void arm(timer_node& node, steady_time due) = 0;
  // From any thread: runs `work` on the loop's thread, in order. Work that is left when the loop ends is dropped.
  virtual void post(callback work) = 0;
  // Runs `work` on a pool for blocking calls, then, whatever it threw, `done` on the loop; see also blocking().
  virtual void offload(callback work, callback done) = 0;

  virtual result<std::unique_ptr<listener>> listen(const address& at, listen_options options = {}) = 0;
  virtual task<result<std::unique_ptr<stream>>> connect(context ctx, address to, connect_options options = {}) = 0;
  // The addresses of a host: literals, the hosts file, then DNS; IPv6 and IPv4 interleaved, with the port given.
  // errc::not_found when the name does not exist, errc::unavailable when no server answers.
  virtual task<result<std::vector<address>>> resolve(context ctx, std::string host, std::uint16_t port) = 0;
  // One DNS question, with TTLs. No records: errc::not_found.
  virtual task<result<std::vector<dns_record>>> query_dns(context ctx, std::string name, dns_type type) = 0;
  // errc::unimplemented in the simulator, which has no descriptors. The caller keeps owning `descriptor`, and may close
  // it before what is given here is destroyed: it watches a duplicate.
  virtual result<std::unique_ptr<watched_descriptor>> watch(int descriptor) = 0;

 protected:
  loop() = default;
  // For implementations, when a turn has ended.
  [[nodiscard]] bool observed() const noexcept { return observers_ != nullptr; }
  void report_turn(duration took);

 private:
  friend class turn_observer;
  turn_observer* observers_ = nullptr;
};

class watched_descriptor::readiness final : public io_waiter {
 public:
  readiness(watched_descriptor& descriptor, io_direction direction) noexcept
      : descriptor_{descriptor}, direction_{direction} {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> frame) {
    frame_ = frame;
    descriptor_.wait(direction_, *this);
  }
  WEFT_NODISCARD_RESULT result<> await_resume() const {
    if (interrupted()) return fail(reason(), "the wait was interrupted");
    return {};
  }
  void run() override { frame_.resume(); }

 private:
  watched_descriptor& descriptor_;
  io_direction direction_;
  std::coroutine_handle<> frame_;
};

inline watched_descriptor::readiness watched_descriptor::ready(io_direction direction) noexcept {
  return {*this, direction};
}

}  // namespace weft
