#include <weft/service/drain.hpp>

#include <weft/base/assert.hpp>
#include <weft/base/saturating.hpp>
#include <weft/runtime/guarded.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

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

constexpr duration cut_off_time = std::chrono::milliseconds{100};

std::string text_of(const error& problem) {
  return problem.message().empty() ? std::string{to_string(problem.code())} : std::string{problem.message()};
}

task<void> call_hook(const drain_hook& hook, context ctx, std::string& problem, event& done) {
  const auto called = co_await guarded_await(hook, std::move(ctx));
  if (!called) problem = text_of(called.error());
  done.set();
}

struct listeners_draining {
  std::size_t left;
  event done;
  std::string problem;
};
task<void> drain_one(const drain_listener& listener, duration timeout, listeners_draining& all) {
  const auto drained = co_await guarded_await(listener.drain, timeout);
  if (!drained) all.problem = text_of(drained.error());
  if (--all.left == 0) all.done.set();
}

}  // namespace

task<void> drain_sequence::call(const named_hook& h) {
  const auto ctx = context::background().with_deadline(later(loop_.now(), settings_.hook_timeout));
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
  if (listeners_.empty()) co_return;
  const auto timeout = saturating_cast<duration>(settings_.request_timeout);
  listeners_draining all{.left = listeners_.size(), .done = event{loop_}, .problem = {}};
  task_group draining{loop_};
  for (const auto& listener : listeners_) draining.spawn(drain_one(listener, timeout, all));
  // Listeners cut off what is left at the timeout. A handler that does not even heed that is not waited for.
  const auto last = context::background().with_deadline(later(loop_.now(), saturating_add(timeout, cut_off_time)));
  if (!co_await all.done.wait(last) && all.left != 0) all.problem = "handlers that did not end were left behind";
  if (!all.problem.empty() && observer_) observer_(phase(), all.problem);
}

task<void> drain_sequence::run() {
  WEFT_ASSERT(ready(), "a service drains once");
  // From the beginning: every response tells its client to come by another connection, or to another instance.
  for (const auto& listener : listeners_)
    if (const auto started = guarded_call(listener.start_draining); !started && observer_)
      observer_(phase(), text_of(started.error()));
  enter(drain_phase::deregistering);
  for (std::size_t i = 0; i < deregister_.size(); ++i) {  // which may grow meanwhile
    const auto h = deregister_[i];
    co_await call(h);
  }

  enter(drain_phase::propagating);
  (void)co_await sleep(loop_, context::background(), later(loop_.now(), settings_.propagation_delay));

  enter(drain_phase::finishing);
  co_await finish_requests();

  co_await close();
}

task<void> drain_sequence::close() {
  enter(drain_phase::closing);
  // The last one first, and what hooks add while they run before what is older.
  while (!close_.empty()) {
    const auto last = std::move(close_.back());
    close_.pop_back();
    co_await call(last);
  }
  enter(drain_phase::ended);
}

}  // namespace weft::service
