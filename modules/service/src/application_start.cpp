// What happens before anything listens, and the cores beyond the first.
#include "application_impl.hpp"

#include <weft/base/saturating.hpp>
#include <weft/resilience/policy_names.hpp>
#include <weft/runtime/guarded.hpp>

#include <algorithm>
#include <stdexcept>

namespace weft::service {

namespace {

// Until a hook that is waited for is mentioned, and again after it.
constexpr duration first_mention = std::chrono::seconds{5}, next_mention = std::chrono::seconds{15};

// Which application's other core runs on this thread.
thread_local const void* application_here = nullptr;
thread_local unsigned core_here = 0;

// What it was that could not be opened, before what went wrong on the way.
error of_hook(std::string_view name, const error& e) {
  return error{e.code(), std::string{name} + ": " + std::string{e.message()}}
      .with_operation(e.operation())
      .with_peer(e.peer())
      .with_remedy(e.remedy());
}

struct start_outcome {
  explicit start_outcome(loop& l) : ended{l} {}
  event ended;
  result<> how;
};
task<void> call_start_hook(const start_hook& hook, context ctx, start_outcome& outcome) {
  outcome.how = co_await guarded_await(hook, std::move(ctx));
  outcome.ended.set();
}

task<void> drain_and_report(core_host& host, duration timeout, callback_result<> done) {
  co_await host.drain(timeout);
  done();
}

task<void> close_and_report(loop& l, drain_hook hook, duration timeout, callback_result<result<>> done) {
  done(co_await guarded_await(hook, context::background().with_timeout(l, timeout)));
}

}  // namespace

application::impl::other_core* application::impl::calling_core() const noexcept {
  return application_here == this ? others[core_here - 1].get() : nullptr;
}

task<result<>> application::impl::run_start_hook(weft::loop& l, task_group& starting_here, const named_start& hook) {
  const auto ctx = starting_here.derive(context::background());
  start_outcome end{l};
  task_group running{l};  // a hook that does not end is destroyed with it
  running.spawn(call_start_hook(hook.hook, ctx, end));
  const auto began = l.now();
  auto mention_at = later(began, first_mention);
  while (!end.ended.is_set() && ctx.check(l.now())) {
    (void)co_await end.ended.wait(ctx.with_deadline(mention_at));
    if (end.ended.is_set() || l.now() < mention_at) continue;
    const auto waited = std::chrono::floor<std::chrono::seconds>(time_between(began, l.now()));
    log.on(l).info("still starting",
                   {{"waits_for", hook.name}, {"seconds", waited.count()}, {"stop", "Ctrl-C or SIGTERM"}});
    mention_at = later(l.now(), next_mention);
  }
  if (!end.ended.is_set())
    (void)co_await end.ended.wait(context::background().with_deadline(later(l.now(), settings.drain.hook_timeout)));
  if (!end.ended.is_set()) {
    log.on(l).warning("a start hook did not end when it was told to stop", {{"hook", hook.name}});
    co_return fail(errc::cancelled, hook.name + ": stopped before it was ready");
  }
  if (!end.how) co_return fail(of_hook(hook.name, end.how.error()));
  co_return result<>{};
}

task<result<>> application::impl::run_start_hooks(weft::loop& l, task_group& starting_here,
                                                  std::vector<named_start>& hooks) {
  for (const auto& hook : std::exchange(hooks, {})) WEFT_CO_TRY_VOID(co_await run_start_hook(l, starting_here, hook));
  co_return result<>{};
}

task<result<>> application::impl::run_core_hooks(core_host& host, task_group& starting_here) {
  auto& here = host.as_core();
  for (const auto& [name, hook] : core_start_hooks) {
    const named_start bound{name, [&here, &hook](context ctx) { return hook(here, std::move(ctx)); }};
    WEFT_CO_TRY_VOID(co_await run_start_hook(here.loop, starting_here, bound));
  }
  co_return result<>{};
}

result<std::unique_ptr<core_host>> application::impl::make_host(unsigned index) {
  auto& l = all.at(index);
  auto registry = discovery::open_registry(l, settings.discovery.registry.reveal(),
                                           {.memory = nullptr, .consul_token = settings.discovery.token.reveal()});
  if (!registry) return fail(std::move(registry).error().with_operation("discovery.registry"));
  WEFT_TRY(auto spans, guarded_call([&] { return make_spans(l); }));
  const core_host::environment process{log, metrics, policies, program.name, settings.tracing.sample_ratio, all.size()};
  return std::make_unique<core_host>(l, index, process, std::move(spans), *std::move(registry));
}

// The routes are made, so the names that they ask for are known. What is missing beside something similar that nobody
// asks for is misspelt; what else is odd may be meant.
result<> application::impl::check_policy_names() const {
  const auto asked = policies.asked();
  std::vector<std::string> configured;
  for (const auto& [name, policy] : settings.policies) configured.push_back(name);
  if (const auto differences = resilience::compare_names(asked, configured); !differences.misspelt.empty()) {
    const auto& [name, meant] = differences.misspelt.front();
    return fail(error{errc::invalid_argument, "there is no policy \"" + name + "\"; did you mean \"" + meant + "\"?"}
                    .with_operation("policies")
                    .with_remedy("correct the name in the program or under policies"));
  }
  for (const auto& odd : resilience::check_names(asked, {settings.policies}))
    log.warning("configuration", {{"problem", odd.describe()}});
  return {};
}

// Everything that must be there before the first request, then the listeners.
task<result<>> application::impl::open_first(core_host& host) {
  auto& l = all.at(0);
  WEFT_CO_TRY_VOID(co_await run_start_hooks(l, starting, start_hooks));
  WEFT_CO_TRY_VOID(co_await run_core_hooks(host, starting));
  WEFT_CO_TRY_VOID(host.make_routes(plans));
  WEFT_CO_TRY_VOID(co_await run_start_hooks(l, starting, start_hooks));
  WEFT_CO_TRY_VOID(check_policy_names());
  has_started = true;
  if (stopping.is_set()) co_return fail(errc::cancelled, "stopped before it was ready");
  WEFT_CO_TRY_VOID(host.listen(plans, own_endpoints.on(l)));
  co_return co_await start_others();
}

task<result<>> application::impl::open_other(core_host& host, unsigned index) {
  auto& l = all.at(index);
  auto& self = *others[index - 1];
  WEFT_CO_TRY_VOID(co_await run_core_hooks(host, self.starting));
  WEFT_CO_TRY_VOID(host.make_routes(plans));
  WEFT_CO_TRY_VOID(co_await run_start_hooks(l, self.starting, self.start_hooks));
  co_return host.listen(plans, own_endpoints.on(l));
}

task<result<>> application::impl::start_others() {
  for (unsigned i = 1; i < all.size(); ++i) {
    auto& other = *others[i - 1];
    // One after the other: the start is not where the time goes, and the first problem is the one to report.
    auto start = [this, i, &other](callback_result<result<>> done) {
      auto to = std::make_shared<callback_result<result<>>>(std::move(done));
      all.at(i).post([&other, to] {
        other.started = [to](result<> how) { (*to)(std::move(how)); };
        other.may_start.set();
      });
    };
    auto [how] = co_await from_callback<result<>>(all.at(0), std::move(start));
    // What the core wants closed, also when it did not get any further. Until then its hooks are its own.
    for (auto& [name, hook] : std::exchange(other.close_hooks, {})) add_close(i, std::move(name), std::move(hook));
    if (!how) co_return how;
  }
  co_return result<>{};
}

task<void> application::impl::run_other(unsigned index) {
  auto& self = *others[index - 1];
  const auto until = all.stopping(index);
  if (!co_await self.may_start.wait(until)) co_return;
  application_here = this;
  core_here = index;
  auto made = make_host(index);
  std::unique_ptr<core_host> host;
  result<> how;
  if (made) {
    host = *std::move(made);
    self.host = host.get();
    how = co_await open_other(*host, index);
  } else {
    how = fail(std::move(made).error());
  }
  self.has_started = true;
  self.started(std::move(how));
  // Also when it failed: what it opened is closed here.
  event never{all.at(index)};
  (void)co_await never.wait(until);
  self.host = nullptr;
  application_here = nullptr;
}

void application::impl::add_to_drain(unsigned index) {
  drain.add({.start_draining =
                 [this, index] { all.at(index).post([&self = *others[index - 1]] { self.host->start_draining(); }); },
             .drain = [this, index](duration timeout) { return drain_other(index, timeout); }});
}

task<void> application::impl::drain_other(unsigned index, duration timeout) {
  auto start = [this, index, timeout](callback_result<> done) {
    all.at(index).post([&self = *others[index - 1], timeout, to = std::move(done)]() mutable {
      self.host->tasks().spawn(drain_and_report(*self.host, timeout, std::move(to)));
    });
  };
  (void)co_await from_callback<>(all.at(0), std::move(start));
}

void application::impl::add_close(unsigned index, std::string name, drain_hook hook) {
  drain.on_close(std::move(name), [this, index, closing = std::move(hook)](context ctx) {
    return close_on(index, closing, std::move(ctx));
  });
}

void application::impl::close_later(std::string name, drain_hook hook) {
  all.at(0).post([this, index = core_here, n = std::move(name), h = std::move(hook)]() mutable {
    add_close(index, std::move(n), std::move(h));
  });
}

task<void> application::impl::close_on(unsigned index, const drain_hook& hook, context ctx) {
  auto start = [this, index, &hook, left = ctx.remaining(all.at(0).now())](callback_result<result<>> done) {
    all.at(index).post([&self = *others[index - 1], &l = all.at(index), hook, left, to = std::move(done)]() mutable {
      self.host->tasks().spawn(close_and_report(l, std::move(hook), left, std::move(to)));
    });
  };
  auto [closed] = co_await from_callback<result<>>(all.at(0), std::move(start));
  if (!closed) throw std::runtime_error{closed.error().describe()};  // the drain reports it, and goes on
}

}  // namespace weft::service
