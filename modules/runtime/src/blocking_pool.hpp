#pragma once
// Threads for calls that block. Started one by one as they are needed, up to the limit.
#include <weft/runtime/loop.hpp>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace weft {

class blocking_pool {
 public:
  blocking_pool(loop& l, unsigned threads, std::size_t queue) : loop_{l}, limit_{threads}, queue_limit_{queue} {}
  ~blocking_pool() { close(); }

  void submit(callback work, callback done);
  void close();  // waits for the calls that run; those that wait are dropped

 private:
  struct job {
    callback work, done;
  };
  void serve();

  loop& loop_;
  unsigned limit_;
  std::size_t queue_limit_;
  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<job> jobs_;
  std::vector<std::thread> threads_;
  unsigned idle_ = 0;
  bool closing_ = false;
};

}  // namespace weft
