#include <weft/service/drain.hpp>

#include <weft/base/assert.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <ranges>

namespace weft::service {

std::string_view to_string(drain_phase phase) noexcept {
  switch (phase) {
    case drain_phase::serving:
      return "serving";
    case drain_phase::deregistering:
      return "deregistering";
    case drain_phase::propagating:
      return "propagating";
    case drain_phase::finishing:
      return "finishing";
    case drain_phase::closing:
      return "closing";
    case drain_phase::ended:
      return "ended";
  }
  return "unknown";
}

drain_sequence::drain_sequence(loop& l, drain_settings settings, drain_observer observer)
    : loop_{l}, settings_{settings}, observer_{std::move(observer)} {}

void drain_sequence::on_deregister(std::string name, drain_hook hook) {
  deregister_.push_back({std::move(name), std::move(hook)});
}

void drain_sequence::on_close(std::string name, drain_hook hook) {
  close_.push_back({std::move(name), std::move(hook)});
}

void drain_sequence::add(http::server& server) {
  add({.start_draining = [&server] { server.start_draining(); },
       .drain = [&server](duration patience) { return server.drain(patience); }});
}

void drain_sequence::add(drain_listener listener) { listeners_.push_back(std::move(listener)); }

void drain_sequence::enter(drain_phase next) {
  phase_.store(next, std::memory_order_relaxed);
  if (observer_) observer_(next, "");
}

namespace {

constexpr auto cut_off_time = std::chrono::milliseconds{100};

task<void> call_hook(const drain_hook& hook, context ctx, std::string& problem, event& done) {
  try {
    co_await hook(std::move(ctx));
  } catch (const std::exception& e) {
    problem = e.what();
  }
  done.set();
}

task<void> drain_one(task<void> draining, std::size_t& left, event& done) {
  co_await std::move(draining);
  if (--left == 0) done.set();
}

}  // namespace

task<void> drain_sequence::call(const named_hook& h) {
  const auto ctx = context::background().with_timeout(loop_, settings_.hook_timeout);
  std::string problem;
  event done{loop_};
  {
    task_group running{loop_};  // a hook that does not end is destroyed with it
    running.spawn(call_hook(h.hook, ctx, problem, done));
    if (!co_await done.wait(ctx) && !done.is_set()) problem = "not done in time";
  }
  if (!problem.empty() && observer_) observer_(phase(), h.name + ": " + problem);
}

task<void> drain_sequence::finish_requests() {
  std::size_t left = listeners_.size();
  event done{loop_};
  if (left == 0) co_return;
  task_group draining{loop_};
  for (const auto& listener : listeners_)
    draining.spawn(drain_one(listener.drain(settings_.request_timeout), left, done));
  // Listeners cut off what is left at the timeout. A handler that does not even heed that is not waited for.
  const auto last = context::background().with_timeout(loop_, settings_.request_timeout + cut_off_time);
  if (!co_await done.wait(last) && left != 0 && observer_)
    observer_(phase(), "handlers that did not end were left behind");
}

task<void> drain_sequence::run() {
  WEFT_ASSERT(ready(), "a service drains once");
  // From the beginning: every response tells its client to come by another connection, or to another instance.
  for (const auto& listener : listeners_) listener.start_draining();
  enter(drain_phase::deregistering);
  for (const auto& h : deregister_) co_await call(h);

  enter(drain_phase::propagating);
  (void)co_await sleep(loop_, context::background(), settings_.propagation_delay);

  enter(drain_phase::finishing);
  co_await finish_requests();

  co_await close();
}

task<void> drain_sequence::close() {
  enter(drain_phase::closing);
  for (const auto& h : close_ | std::views::reverse) co_await call(h);
  enter(drain_phase::ended);
}

}  // namespace weft::service
