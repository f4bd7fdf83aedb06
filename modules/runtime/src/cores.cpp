#include <weft/runtime/cores.hpp>

#include <pthread.h>
#include <sched.h>

#include <csignal>
#include <mutex>
#include <system_error>
#include <thread>

namespace weft {

namespace {

// The processors that this process may use, which a container may have narrowed.
std::vector<int> usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> found;
  if (::sched_getaffinity(0, sizeof set, &set) == 0)
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET(i, &set)) found.push_back(i);
  if (found.empty()) found.push_back(0);
  return found;
}

// While it lives, this thread stays on one processor.
class pinned {
 public:
  explicit pinned(int processor) {
    ::pthread_getaffinity_np(::pthread_self(), sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(processor), &one);
    ::pthread_setaffinity_np(::pthread_self(), sizeof one, &one);
  }
  pinned(const pinned&) = delete;
  pinned& operator=(const pinned&) = delete;
  ~pinned() { ::pthread_setaffinity_np(::pthread_self(), sizeof before_, &before_); }

 private:
  cpu_set_t before_{};
};

// While it lives, threads that start have every signal blocked: signals are for the thread that runs core 0.
class signals_blocked {
 public:
  signals_blocked() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  signals_blocked(const signals_blocked&) = delete;
  signals_blocked& operator=(const signals_blocked&) = delete;
  ~signals_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace

struct cores::impl {
  struct core {
    explicit core(epoll_loop_options o) : loop{std::move(o)} {}
    cancel_source stop;  // before the loop: work that is destroyed with the loop may look at it
    epoll_loop loop;
  };
  std::vector<std::unique_ptr<core>> all;
  pinning pin = pinning::none;
  std::mutex mutex;  // guards `problem`
  std::exception_ptr problem;

  void run_core(cores& self, unsigned index, int processor,
                const std::function<task<void>(loop&, unsigned core)>& work) noexcept {
    std::optional<pinned> stay;
    if (pin == pinning::one_each) stay.emplace(processor);
    auto& l = all[index]->loop;
    try {
      l.run(work(l, index));
    } catch (...) {
      {
        const std::lock_guard lock{mutex};
        if (!problem) problem = std::current_exception();
      }
      self.stop();
    }
  }
};

cores::cores(cores_options options) : impl_{std::make_unique<impl>()} {
  impl_->pin = options.pin;
  const auto count = options.count != 0 ? options.count : static_cast<unsigned>(usable_processors().size());
  for (unsigned i = 0; i < count; ++i) {
    auto each = options.loop;
    if (each.seed) *each.seed += i;
    impl_->all.push_back(std::make_unique<impl::core>(std::move(each)));
  }
}
cores::~cores() = default;

unsigned cores::size() const noexcept { return static_cast<unsigned>(impl_->all.size()); }
epoll_loop& cores::at(unsigned core) noexcept { return impl_->all[core]->loop; }

void cores::run(const std::function<task<void>(loop&, unsigned core)>& work) {
  const auto processors = usable_processors();
  {
    std::vector<std::jthread> threads;
    {
      const signals_blocked quiet;
      try {
        for (unsigned i = 1; i < size(); ++i)
          threads.emplace_back([this, i, &work, processor = processors[i % processors.size()]] {
            impl_->run_core(*this, i, processor, work);
          });
      } catch (...) {  // no more threads to be had: those that run are stopped and joined
        stop_now();
        throw;
      }
    }
    impl_->run_core(*this, 0, processors.front(), work);
  }
  if (impl_->problem) std::rethrow_exception(std::exchange(impl_->problem, nullptr));
}

context cores::stopping(unsigned core) const { return context{}.with_cancellation(impl_->all[core]->stop.token()); }

void cores::stop() {
  for (auto& each : impl_->all) each->loop.post([&source = each->stop] { source.cancel(); });
}
void cores::stop_now() noexcept {
  for (auto& each : impl_->all) each->loop.stop();
}

}  // namespace weft
