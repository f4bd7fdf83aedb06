#pragma once
// Threads for calls that block. Started one by one as they are needed, up to the limit. A call that hangs (a disk that
// does not answer, a long query) must not hold up all others: after `long_call` it does not count in the limit any
// more, and another thread takes what waits.
#include <weft/runtime/loop.hpp>

#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <thread>

namespace weft {

class blocking_pool {
 public:
  static constexpr duration long_call = std::chrono::milliseconds{50};
  static constexpr unsigned most_long_calls = 60;

  blocking_pool(loop& l, unsigned threads, std::size_t queue) : loop_{l}, limit_{threads}, queue_limit_{queue} {}
  ~blocking_pool() { close(); }

  void submit(callback work, callback done);
  void close();  // waits for the calls that run; those that wait are dropped

 private:
  struct job {
    callback work, done;
  };
  void serve();
  void start_thread();
  [[nodiscard]] std::optional<steady_time> has_room_at() const;

  loop& loop_;
  unsigned limit_;
  std::size_t queue_limit_;
  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<job> jobs_;
  std::vector<std::thread> threads_;
  std::list<steady_time> running_;  // when each call began, in order
  std::size_t idle_ = 0;            // threads that wait, or are about to
  bool closing_ = false;
};

}  // namespace weft
