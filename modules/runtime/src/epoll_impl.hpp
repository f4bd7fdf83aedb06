#pragma once
// What the parts of epoll_loop share.
#include <weft/runtime/epoll_loop.hpp>

#include "blocking_pool.hpp"
#include "resolver.hpp"

#include <sys/epoll.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

namespace weft {

// A descriptor in the epoll set, both directions, edge-triggered. Events only schedule waiters, so nothing is destroyed
// while a batch of events is worked through.
class epoll_registration {
 public:
  epoll_registration(epoll_loop& l, int descriptor) noexcept : loop_{l}, descriptor_{descriptor} {}
  epoll_registration(const epoll_registration&) = delete;
  epoll_registration& operator=(const epoll_registration&) = delete;
  ~epoll_registration() { remove(); }

  result<> add();
  void remove() noexcept;
  void rearm() noexcept;  // reports what is ready now once more
  void happened(std::uint32_t events) noexcept;
  void wait(io_direction direction, io_waiter& waiter) noexcept;
  void cancel(io_direction direction, errc reason) noexcept;

  // Whether the direction may be ready; cleared by who finds that it is not.
  bool readable = true, writable = true;
  bool hung_up = false;  // the peer closed: a short read no longer means that nothing is left

  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] epoll_loop& owner() const noexcept { return loop_; }

 private:
  void wake(io_waiter*& slot) noexcept;
  epoll_loop& loop_;
  int descriptor_;
  bool added_ = false;
  io_waiter *reader_ = nullptr, *writer_ = nullptr;
};

class unique_descriptor {
 public:
  explicit unique_descriptor(int descriptor = -1) noexcept : descriptor_{descriptor} {}
  unique_descriptor(unique_descriptor&& other) noexcept : descriptor_{std::exchange(other.descriptor_, -1)} {}
  unique_descriptor& operator=(unique_descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~unique_descriptor();
  [[nodiscard]] int get() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

struct epoll_loop::impl {
  explicit impl(epoll_loop& l, epoll_loop_options o);

  epoll_loop_options options;
  unique_descriptor epoll, wake, timer;
  std::atomic<bool> stopping{false};
  std::atomic<bool> woken{false};
  std::mutex posted_mutex;  // guards `posted` alone: the one place where threads meet
  std::vector<callback> posted;
  epoll_registration wake_registration;
  std::unique_ptr<epoll_registration> timer_registration;
  steady_time timer_set_for = context::no_deadline;
  struct signal_source;
  std::map<int, std::unique_ptr<signal_source>> signals;
  std::unique_ptr<resolver> names;  // made when first needed
  std::shared_ptr<blocking_pool> pool;
};

// The text of an errno for an error message, and the code it stands for.
[[nodiscard]] std::unexpected<error> system_failure(int number, std::string_view operation);
[[nodiscard]] errc code_of_errno(int number) noexcept;

}  // namespace weft
