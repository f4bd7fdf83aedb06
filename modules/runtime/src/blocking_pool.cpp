#include "blocking_pool.hpp"

#include <weft/base/saturating.hpp>
#include <weft/runtime/guarded.hpp>

#include <csignal>
#include <system_error>

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
  // One beyond the limit waits for a call that turns out to be long.
  if (idle_ < jobs_.size() && (threads_.size() < limit_ || idle_ == 0)) start_thread();
  lock.unlock();
  more_.notify_one();
}

void blocking_pool::start_thread() {
  if (threads_.size() >= limit_ + most_long_calls) return;
  // Signals are for the thread that runs the loop.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  try {
    threads_.emplace_back([this] { serve(); });
    ++idle_;
  } catch (const std::system_error&) {  // the system has no more; those that there are go on
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (threads_.empty()) throw;
    return;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// When another call may begin if none ends before; nothing: now. At most `limit_` of those that run are not long.
std::optional<steady_time> blocking_pool::has_room_at() const {
  if (running_.size() < limit_) return std::nullopt;
  const auto since = *std::prev(running_.end(), static_cast<std::ptrdiff_t>(limit_));
  const auto at = later(since, long_call);
  if (at <= std::chrono::steady_clock::now()) return std::nullopt;
  return at;
}

void blocking_pool::serve() {
  std::unique_lock lock{mutex_};
  for (;;) {
    while (!closing_) {
      if (jobs_.empty())
        more_.wait(lock);
      else if (const auto at = has_room_at())
        more_.wait_until(lock, *at);
      else
        break;
    }
    --idle_;
    if (closing_) return;
    auto next = std::move(jobs_.front());
    jobs_.pop_front();
    if (!jobs_.empty() && idle_ == 0) start_thread();
    const auto began = running_.insert(running_.end(), std::chrono::steady_clock::now());
    lock.unlock();
    run(next.work);
    loop_.post(std::move(next.done));
    next = {};
    lock.lock();
    running_.erase(began);
    ++idle_;
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
