#include "epoll_impl.hpp"

#include <weft/base/saturating.hpp>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

namespace weft {

namespace {

constexpr int events_per_turn = 256;
constexpr int ready_per_turn = 1024;  // then I/O is looked at again, however much is ready

std::uint64_t kernel_seed() {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != sizeof seed)
    throw std::system_error{errno, std::generic_category(), "getrandom"};
  return seed;
}

int checked(int descriptor, const char* what) {
  if (descriptor < 0) throw std::system_error{errno, std::generic_category(), what};
  return descriptor;
}

timespec to_timespec(duration d) {
  const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
  return {.tv_sec = static_cast<time_t>(nanoseconds / 1'000'000'000), .tv_nsec = nanoseconds % 1'000'000'000};
}

}  // namespace

unique_descriptor::~unique_descriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

result<> epoll_registration::add() {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = this;
  if (::epoll_ctl(loop_.descriptor(), EPOLL_CTL_ADD, descriptor_, &event) != 0)
    return system_failure(errno, "watching a descriptor");
  added_ = true;
  return {};
}

void epoll_registration::rearm() noexcept {
  if (!added_) return;  // the descriptor may be closed by now, and its number somebody else's
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = this;
  ::epoll_ctl(loop_.descriptor(), EPOLL_CTL_MOD, descriptor_, &event);
}

void epoll_registration::remove() noexcept {
  if (!added_) return;
  added_ = false;
  ::epoll_ctl(loop_.descriptor(), EPOLL_CTL_DEL, descriptor_, nullptr);
}

void epoll_registration::wake(io_waiter*& slot) noexcept {
  if (slot == nullptr) return;
  auto* waiter = slot;
  waiter->detach();
  loop_.schedule(*waiter);
}

void epoll_registration::happened(std::uint32_t events) noexcept {
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    readable = true;
    wake(reader_);
  }
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
    writable = true;
    wake(writer_);
  }
}

void epoll_registration::wait(io_direction direction, io_waiter& waiter) noexcept {
  const bool reading = direction == io_direction::read;
  if (reading ? readable : writable) return loop_.schedule(waiter);  // it became ready since it was tried
  waiter.attach(reading ? reader_ : writer_);
}

void epoll_registration::cancel(io_direction direction, errc reason) noexcept {
  auto*& slot = direction == io_direction::read ? reader_ : writer_;
  if (slot == nullptr) return;
  slot->interrupt(reason);
  wake(slot);
}

epoll_loop::impl::impl(epoll_loop& l, epoll_loop_options o)
    : options{std::move(o)},
      epoll{checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")},
      wake{checked(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")},
      wake_registration{l, wake.get()} {}

epoll_loop::epoll_loop(epoll_loop_options options)
    : random_{options.seed ? *options.seed : kernel_seed()}, impl_{std::make_unique<impl>(*this, std::move(options))} {
  refresh_now();
  if (auto added = impl_->wake_registration.add(); !added) throw std::runtime_error{added.error().describe()};
  // A wrong list of name servers is reported here and not by the first request that needs one.
  if (!impl_->options.dns_servers.empty()) impl_->names = std::make_unique<resolver>(*this, impl_->options);
}

epoll_loop::~epoll_loop() {
  if (impl_->pool) impl_->pool->close();
  impl_->names.reset();
  impl_->signals.clear();
  std::vector<callback> left;
  {
    const std::lock_guard lock{impl_->posted_mutex};
    left.swap(impl_->posted);
  }
}

void epoll_loop::refresh_now() noexcept { now_ = std::chrono::steady_clock::now(); }
steady_time epoll_loop::clock() const noexcept { return std::chrono::steady_clock::now(); }
wall_time epoll_loop::wall_now() const noexcept { return std::chrono::system_clock::now(); }
int epoll_loop::descriptor() const noexcept { return impl_->epoll.get(); }

void epoll_loop::post(callback work) {
  {
    const std::lock_guard lock{impl_->posted_mutex};
    impl_->posted.push_back(std::move(work));
  }
  if (!impl_->woken.exchange(true)) {
    const std::uint64_t one = 1;
    static_cast<void>(::write(impl_->wake.get(), &one, sizeof one));
  }
}

void epoll_loop::stop() noexcept {
  impl_->stopping = true;
  const std::uint64_t one = 1;
  static_cast<void>(::write(impl_->wake.get(), &one, sizeof one));
}

void epoll_loop::run_posted() {
  if (!impl_->woken.load()) return;
  std::uint64_t count = 0;
  static_cast<void>(::read(impl_->wake.get(), &count, sizeof count));
  impl_->woken = false;
  std::vector<callback> batch;
  {
    const std::lock_guard lock{impl_->posted_mutex};
    batch.swap(impl_->posted);
  }
  for (auto& work : batch) work();
}

void epoll_loop::wait_for_events(waiting w) {
  epoll_event events[events_per_turn];
  const auto next = timers_.next();
  duration timeout = duration::zero();
  bool forever = false;
  if (w == waiting::yes && ready_.empty() && !impl_->woken.load()) {
    if (next)
      timeout = std::max(time_between(now_, *next), duration::zero());
    else
      forever = true;
  }
  const auto span = to_timespec(timeout);
  int count = ::epoll_pwait2(impl_->epoll.get(), events, events_per_turn, forever ? nullptr : &span, nullptr);
  if (count < 0 && errno == ENOSYS) {
    const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
    const int milliseconds = forever ? -1 : static_cast<int>(std::min<std::int64_t>(rounded, 3'600'000));
    count = ::epoll_wait(impl_->epoll.get(), events, events_per_turn, milliseconds);
  }
  refresh_now();
  for (int i = 0; i < count; ++i) static_cast<epoll_registration*>(events[i].data.ptr)->happened(events[i].events);
}

void epoll_loop::turn(waiting w) {
  wait_for_events(w);
  run_posted();
  while (auto* timer = timers_.pop_due(now_)) timer->expire();
  for (int i = 0; i < ready_per_turn; ++i) {
    auto* node = ready_.pop();
    if (node == nullptr) break;
    node->run();
  }
  if (observed()) report_turn(time_between(now_, clock()));
}

void epoll_loop::run() {
  const bool never = false;
  run_until(never);
}

void epoll_loop::run_until(const bool& done) {
  while (!done && !impl_->stopping) turn(waiting::yes);
  impl_->stopping = false;
}

bool epoll_loop::poll() {
  turn(waiting::no);
  if (!ready_.empty() || impl_->woken.load()) return true;
  const auto next = timers_.next();
  if (!next) return false;
  if (*next <= now_) return true;
  // A host that only watches our descriptor must learn of timers by it.
  if (!impl_->timer_registration) {
    impl_->timer = unique_descriptor{checked(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), "timerfd")};
    impl_->timer_registration = std::make_unique<epoll_registration>(*this, impl_->timer.get());
    if (auto added = impl_->timer_registration->add(); !added) throw std::runtime_error{added.error().describe()};
  }
  if (impl_->timer_set_for != *next) {
    impl_->timer_set_for = *next;
    const itimerspec at{.it_interval = {}, .it_value = to_timespec(next->time_since_epoch())};
    ::timerfd_settime(impl_->timer.get(), TFD_TIMER_ABSTIME, &at, nullptr);
  }
  return false;
}

void epoll_loop::offload(callback work, callback done) {
  if (!impl_->pool)
    impl_->pool =
        std::make_shared<blocking_pool>(*this, impl_->options.blocking_threads, impl_->options.blocking_queue);
  impl_->pool->submit(std::move(work), std::move(done));
}

namespace {
class watched_registration final : public watched_descriptor {
 public:
  watched_registration(epoll_loop& l, unique_descriptor descriptor)
      : descriptor_{std::move(descriptor)}, registration_{l, descriptor_.get()} {}
  result<> add() { return registration_.add(); }
  void wait(io_direction direction, io_waiter& waiter) override {
    // What uses the descriptor is not ours, so nobody told us how far it got: ask the kernel again.
    (direction == io_direction::read ? registration_.readable : registration_.writable) = false;
    registration_.wait(direction, waiter);
    registration_.rearm();
  }
  void cancel(io_direction direction, errc reason) override { registration_.cancel(direction, reason); }

 private:
  // A duplicate of its owner's: epoll knows descriptors by their number, and the owner may close its own at any time,
  // after which the number belongs to another stream.
  unique_descriptor descriptor_;
  epoll_registration registration_;
};
}  // namespace

result<std::unique_ptr<watched_descriptor>> epoll_loop::watch(int descriptor) {
  unique_descriptor own{::fcntl(descriptor, F_DUPFD_CLOEXEC, 0)};
  if (own.get() < 0) return system_failure(errno, "watching a descriptor");
  auto watched = std::make_unique<watched_registration>(*this, std::move(own));
  WEFT_TRY_VOID(watched->add());
  return watched;
}

task<result<std::vector<address>>> epoll_loop::resolve(context ctx, std::string host, std::uint16_t port) {
  if (auto literal = address::parse_host(host, port)) co_return std::vector<address>{*literal};
  if (!impl_->names) impl_->names = std::make_unique<resolver>(*this, impl_->options);
  co_return co_await impl_->names->resolve(std::move(ctx), std::move(host), port);
}

task<result<std::vector<dns_record>>> epoll_loop::query_dns(context ctx, std::string name, dns_type type) {
  if (!impl_->names) impl_->names = std::make_unique<resolver>(*this, impl_->options);
  co_return co_await impl_->names->query(std::move(ctx), std::move(name), type);
}

struct epoll_loop::impl::signal_source final : io_waiter {
  signal_source(epoll_loop& l, int descriptor_, std::move_only_function<void(int)> h)
      : descriptor{descriptor_}, registration{l, descriptor_} {
    replace(std::move(h));
  }
  signal_source(const signal_source&) = delete;
  signal_source& operator=(const signal_source&) = delete;
  ~signal_source() { detach(); }  // before the registration that points here is gone
  void replace(std::move_only_function<void(int)> h) {
    handler = std::make_shared<std::move_only_function<void(int)>>(std::move(h));
  }
  void run() override {
    signalfd_siginfo info{};
    while (::read(descriptor.get(), &info, sizeof info) == sizeof info) {
      const auto calling = handler;  // it may put another in its place
      (*calling)(static_cast<int>(info.ssi_signo));
    }
    registration.readable = false;
    registration.wait(io_direction::read, *this);
  }
  unique_descriptor descriptor;
  epoll_registration registration;
  std::shared_ptr<std::move_only_function<void(int)>> handler;
};

result<> epoll_loop::on_signal(int number, std::move_only_function<void(int)> handler) {
  if (const auto known = impl_->signals.find(number); known != impl_->signals.end()) {
    known->second->replace(std::move(handler));
    return {};
  }
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  if (const int problem = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); problem != 0)
    return system_failure(problem, "blocking a signal");
  const int descriptor = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (descriptor < 0) return system_failure(errno, "signalfd");
  auto source = std::make_unique<impl::signal_source>(*this, descriptor, std::move(handler));
  WEFT_TRY_VOID(source->registration.add());
  schedule(*source);
  impl_->signals[number] = std::move(source);
  return {};
}

}  // namespace weft
