#include "blocking_pool.hpp"

#include <weft/runtime/guarded.hpp>

#include <csignal>

namespace weft {

namespace {
// On a thread of the pool, and on a loop in the middle of something else, an exception has nobody to go to; whoever
// waits for `done` must hear of the end all the same.
void run(callback& work) noexcept {
  static_cast<void>(guarded_call([&] { work(); }));
}
}  // namespace

void blocking_pool::submit(callback work, callback done) {
  std::unique_lock lock{mutex_};
  if (jobs_.size() >= queue_limit_ || limit_ == 0) {  // the caller pays: back-pressure rather than growth
    lock.unlock();
    run(work);
    loop_.post(std::move(done));
    return;
  }
  jobs_.push_back({std::move(work), std::move(done)});
  if (idle_ < jobs_.size() && threads_.size() < limit_) {
    // Signals are for the thread that runs the loop.
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    threads_.emplace_back([this] { serve(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  lock.unlock();
  more_.notify_one();
}

void blocking_pool::serve() {
  std::unique_lock lock{mutex_};
  for (;;) {
    ++idle_;
    more_.wait(lock, [this] { return closing_ || !jobs_.empty(); });
    --idle_;
    if (closing_) return;
    auto next = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    run(next.work);
    loop_.post(std::move(next.done));
    lock.lock();
  }
}

void blocking_pool::close() {
  std::deque<job> dropped;
  std::vector<std::thread> ending;
  {
    const std::lock_guard lock{mutex_};
    closing_ = true;
    dropped.swap(jobs_);
    ending.swap(threads_);
  }
  more_.notify_all();
  for (auto& thread : ending) thread.join();
}

}  // namespace weft
