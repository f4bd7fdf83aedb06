#pragma once
// How a pipeline runs a call; included by pipeline.hpp.
#include <weft/base/saturating.hpp>
#include <weft/resilience/lint.hpp>
#include <weft/resilience/pipeline.hpp>

namespace weft::resilience {

template <class T>
template <class... Policies>
pipeline<T>::pipeline(loop& l, std::string name, Policies... outermost_first) : loop_{l}, name_{std::move(name)} {
  std::vector<detail::stage> stages;
  (add(stages, std::move(outermost_first)), ...);
  engine_ = detail::engine_ref{new detail::engine{l, name_, std::move(stages), counts_, scope_}};
}

namespace detail {
// Throws for null: a policy that does not exist must not become a pipeline without policies.
[[nodiscard]] const policy_source& required(const std::shared_ptr<policy_source>& source);
}  // namespace detail

template <class T>
template <class... Typed>
pipeline<T>::pipeline(loop& l, std::shared_ptr<policy_source> source, Typed... typed)
    : loop_{l}, name_{detail::required(source).name()}, source_{std::move(source)} {
  counts_->owned = source_->listener();
  counts_->observer = counts_->owned.get();
  (add(typed_, std::move(typed)), ...);
  if (!can_cache && source_->cache())
    throw std::invalid_argument{"policy " + name_ +
                                ": cache: these values cannot be kept; put the cache around what is made of them"};
  follow_source();
}

template <class T>
void pipeline<T>::measure(observe::registry& metrics) {
  counts_->owned = std::make_shared<policy_metrics>(metrics);
  listen(*counts_->owned);
}

template <class T>
void pipeline<T>::listen(policy_listener& l) {
  counts_->observer = &l;
  engine_->introduce_breakers();
}

template <class T>
void pipeline<T>::set_breaker_scope(breaker_scope s) noexcept {
  scope_ = engine_->scope = s;
}

template <class T>
duration pipeline<T>::whole_timeout() {
  if (source_) follow_source();
  const auto& e = *engine_;
  return e.retry != nullptr ? e.whole_timeout : std::min(e.whole_timeout, e.attempt_timeout);
}

template <class T>
void pipeline<T>::follow_source() {
  const auto version = source_->version();
  if (version == version_) [[likely]]
    return;
  auto stages = typed_;
  if constexpr (can_cache) {
    if (const auto options = source_->cache()) {
      if (!cache_) {
        add(stages, cache<T>{*options, {}});
      } else {
        shared_->before->values.configure(*options);
        shared_->before->options.options = *options;
      }
    }
  }
  for (auto& s : source_->stages()) stages.push_back(std::move(s));
  engine_ = detail::engine_ref{new detail::engine{loop_, name_, std::move(stages), counts_, scope_}};
  version_ = version;
}

template <class T>
void pipeline<T>::add(std::vector<detail::stage>& stages, fallback<T> f) {
  stages.push_back({.kind = detail::policy_kind::fallback, .mode = f.mode, .core = nullptr});
  if (f.mode == policy_mode::off) return;
  if (!shared_) shared_ = std::make_shared<answers>();
  shared_->otherwise.emplace(std::move(f));
  fallback_ = true;
}

template <class T>
void pipeline<T>::add(std::vector<detail::stage>& stages, cache<T> c) {
  static_assert(std::is_copy_constructible_v<T>, "a cache gives out copies");
  require_sound(lint(c.options, "cache"));
  if (!weighable<T> && !c.weigh)
    throw std::invalid_argument{
        "cache: how much memory its values hold is not known; give cache::weigh, or specialise weigher for their type"};
  stages.push_back({.kind = detail::policy_kind::cache, .mode = c.options.mode, .core = nullptr});
  if (c.options.mode == policy_mode::off) return;
  if (!shared_) shared_ = std::make_shared<answers>();
  shared_->before.emplace(std::move(c));
  shared_->refreshes = std::make_unique<task_group>(loop_);
  cache_ = true;
}

namespace detail {

template <class T, class Operation>
task<result<T>> start_operation(Operation& operation, const context& ctx, attempt& a) {
  if constexpr (std::is_invocable_v<Operation&, const context&, attempt&>)
    return operation(ctx, a);
  else
    return operation(ctx);
}

// What is decided about an answer: T's view of it, with what the operation said.
template <class T>
outcome_view view_of(const result<T>& answer, const attempt& a) {
  auto o = outcome_traits<T>::view(answer);
  a.amend(o);
  return o;
}
inline outcome_view refused_view(const error& e) {
  return {.verdict = verdict::ignored, .code = e.code(), .local = true};
}

// One copy of a hedged attempt. The copies of an attempt share this; whoever wins first is the answer.
template <class T>
struct race {
  std::optional<result<T>> answer;
  outcome_view view;
  std::uint32_t number = 0;
  std::string peer;
  duration took{};
  std::uint32_t ended = 0;
  bool signalled = false;
  moment_or_signal* waiting = nullptr;

  void signal() {
    signalled = true;
    if (waiting != nullptr) waiting->signal();
  }
};

template <class T, class Operation>
task<void> run_copy(race<T>& all, call_state& call, context ctx, steady_time deadline, bool& decided,
                    Operation& operation) {
  attempt a{++call.attempts, call.tried, &call.committed};
  permits held{call, deadline, call.e.copy_begin, a.number()};
  auto step = held.enter(call.e.end);
  if (step == permits::step::wait) step = co_await held.enter_waiting(call.e.end);
  std::optional<result<T>> answer;
  outcome_view view;
  const auto began = call.now();
  if (step == permits::step::refused) {
    answer.emplace(fail(call.refusal_error()));
    view = refused_view(answer->error());
  } else {
    const context cut = held.deadline < ctx.deadline() ? ctx.with_deadline(held.deadline) : ctx;
    a.set_deadline(call.kind_of_deadline(began, std::min(held.deadline, ctx.deadline())));
    try {  // this runs in a group, where an exception has nobody to go to
      answer = co_await bounded_call<result<T>>{call.e.clock, held.deadline, start_operation<T>(operation, cut, a)};
    } catch (...) {
      answer.emplace(fail(current_exception_error(call.e.name)));
    }
    if (!answer) answer.emplace(fail(call.timeout_error(call.now() - began)));
    view = view_of<T>(*answer, a);
  }
  const auto took = call.now() - began;
  ++all.ended;
  if (decided) {  // a loser: it was cancelled, and says nothing
    held.settle({.verdict = verdict::ignored}, took);
    co_return;
  }
  held.settle(view, took);
  if (view.verdict != verdict::ignored) call.e.hedge->template as<hedge_core>().record(took);
  const bool won = view.verdict == verdict::success;
  if (won || !all.answer || all.view.local) {
    all.answer = std::move(answer);
    all.view = view;
    all.number = a.number();
    all.peer = a.peer();
    all.took = took;
  }
  decided = won;
  all.signal();
}

// Starts copies until one succeeds or all have failed; then ends the rest.
template <class T, class Operation>
task<void> run_hedged(race<T>& all, call_state& call, const context& ctx, steady_time deadline, Operation& operation) {
  auto& policy = call.e.hedge->template as<hedge_core>();
  auto pause = policy.request_started();
  bool decided = false;
  std::uint32_t started = 1;
  task_group copies{call.e.clock};
  copies.spawn(run_copy<T>(all, call, copies.derive(ctx), deadline, decided, operation));
  // A hedge is sent while the first may still take effect, so only what may be repeated has one.
  if (!may_send_again(call.options.repeat, prior_effect::possible)) pause.reset();
  auto next_hedge = pause ? later(call.now(), *pause) : steady_time::max();
  while (!decided && all.ended < started) {
    co_await moment_or_signal{call.e.clock, all.signalled, all.waiting, next_hedge};
    if (decided || all.ended == started || call.now() < next_hedge) continue;
    if (call.committed) {  // the first one's answer is being handed on
      next_hedge = steady_time::max();
      continue;
    }
    decision d;
    d.shadow = call.e.hedge->shadow();
    d.wait = *pause;
    d.why = policy.try_hedge() ? reason::hedged : reason::hedge_budget_exhausted;
    const bool go = d.why == reason::hedged && !d.shadow;
    call.note(std::move(d));
    if (go) {
      ++started;
      copies.spawn(run_copy<T>(all, call, copies.derive(ctx), deadline, decided, operation));
    }
    next_hedge = go && started <= policy.options().max_hedges ? later(call.now(), *pause) : steady_time::max();
  }
  decided = true;
  copies.cancel();
  // Losers end by their cancelled context; one that does not is destroyed with the group.
  constexpr int grace_rounds = 16;
  for (int round = 0; round < grace_rounds && !copies.empty(); ++round) co_await yield{call.e.clock};
}

}  // namespace detail

template <class T>
template <class Operation>
task<result<T>> pipeline<T>::attempts(detail::engine_ref e, context ctx, call_options options, Operation operation) {
  using detail::permits;
  detail::call_state call{*e, ctx, options};
  permits outer{call, ctx.deadline(), 0, 0};
  if (auto step = outer.enter(e->outer_end); step != permits::step::passed) [[unlikely]] {
    if (step == permits::step::wait) step = co_await outer.enter_waiting(e->outer_end);
    if (step == permits::step::refused) co_return fail(call.explain(call.refusal_error()));
  }
  call.deadline = outer.deadline;
  std::optional<result<T>> answer;
  outcome_view view;
  for (;;) {
    const auto began = call.now();
    if (auto alive = ctx.check(began); !alive) [[unlikely]] {
      if (!answer) answer.emplace(fail(std::move(alive).error()));
      view = {.verdict = verdict::ignored, .code = answer->has_value() ? errc::cancelled : answer->error().code()};
      break;
    }
    // With a hedge, the attempts are its copies, which number themselves.
    attempt a{e->hedge != nullptr ? call.attempts + 1 : ++call.attempts, call.tried, &call.committed};
    permits inner{call, call.deadline, e->inner_begin, a.number()};
    const auto own_end = e->hedge != nullptr ? e->copy_begin : e->end;
    auto step = inner.enter(own_end);
    if (step == permits::step::wait) [[unlikely]]
      step = co_await inner.enter_waiting(own_end);
    duration took{};
    if (step == permits::step::refused) [[unlikely]] {
      answer.emplace(fail(call.refusal_error()));
      view = detail::refused_view(answer->error());
    } else if (e->hedge != nullptr) [[unlikely]] {
      detail::race<T> race;
      const context cut = inner.deadline < ctx.deadline() ? ctx.with_deadline(inner.deadline) : ctx;
      co_await detail::run_hedged<T>(race, call, cut, inner.deadline, operation);
      answer = std::move(race.answer);
      view = race.view;
      took = race.took;
      a.answered_by(race.number, std::move(race.peer));
      call.ended(view, took);
      inner.settle(view, took);
    } else {
      const auto start = call.now();
      if (inner.deadline != context::no_deadline) a.set_deadline(call.kind_of_deadline(start, inner.deadline));
      answer.reset();
      try {
        if (inner.deadline == context::no_deadline) {
          answer.emplace(co_await detail::start_operation<T>(operation, ctx, a));
        } else if (inner.deadline < ctx.deadline()) {
          const context cut = ctx.with_deadline(inner.deadline);
          answer = co_await detail::bounded_call<result<T>>{call.e.clock, inner.deadline,
                                                            detail::start_operation<T>(operation, cut, a)};
        } else {
          answer = co_await detail::bounded_call<result<T>>{call.e.clock, inner.deadline,
                                                            detail::start_operation<T>(operation, ctx, a)};
        }
      } catch (...) {
        answer.emplace(fail(current_exception_error()));
      }
      took = call.now() - start;
      if (!answer) [[unlikely]]
        answer.emplace(fail(call.timeout_error(took)));
      view = detail::view_of<T>(*answer, a);
      call.ended(view, took);
      inner.settle(view, took);
    }
    if (view.verdict == verdict::success && !view.code && view.status < 400) [[likely]] {
      call.attempt_succeeded(a, took);
      break;
    }
    const auto next = call.after_attempt(view, a, took);
    if (!next.again) break;
    const auto wake = later(call.now(), next.delay);
    if (auto slept = co_await sleep(call.e.clock, ctx, wake); !slept) {  // the caller gave up
      view = {.verdict = verdict::ignored, .code = slept.error().code()};
      answer.emplace(fail(std::move(slept).error()));
      break;
    }
  }
  call.settle_breaker();
  outer.settle(view, call.now() - call.started);
  if (!*answer && call.eventful()) co_return fail(call.explain(std::move(*answer).error()));
  co_return *std::move(answer);
}

template <class T>
template <class Operation>
task<result<T>> pipeline<T>::with_answers(std::shared_ptr<answers> shared, detail::engine_ref e, context ctx,
                                          call_options options, Operation operation) {
  origin ignored{};
  auto& from = options.answered_from != nullptr ? *options.answered_from : ignored;
  from = origin::call;
  result<T> answer = fail(errc::internal);
  if constexpr (std::copy_constructible<T>) {  // what is moved only cannot be kept: add() refuses a cache for it
    answer = shared->before ? co_await through_cache(shared, e, ctx, options, std::move(operation))
                            : co_await attempts(e, ctx, options, std::move(operation));
  } else {
    answer = co_await attempts(e, ctx, options, std::move(operation));
  }
  if (!shared->otherwise) co_return answer;
  const auto view = outcome_traits<T>::view(answer);
  if (view.verdict == verdict::success || view.code == errc::cancelled) co_return answer;
  detail::call_state call{*e, ctx, options};
  decision d;
  d.shadow = shared->otherwise->mode == policy_mode::shadow;
  if (d.shadow) {
    d.why = reason::fallback_used;
    call.note(std::move(d));
    co_return answer;
  }
  const auto last = answer ? error{errc::unavailable, "answered " + std::to_string(view.status)} : answer.error();
  auto instead = co_await guarded_await(shared->otherwise->handle, ctx, last);
  d.why = instead ? reason::fallback_used : reason::fallback_failed;
  call.note(std::move(d));
  if (!instead) co_return answer;
  from = origin::fallback;
  co_return instead;
}

template <class T>
void pipeline<T>::keep(cached& c, const std::string& key, const result<T>& got, steady_time now) {
  if (!got || outcome_traits<T>::view(got).verdict != verdict::success || !outcome_traits<T>::cacheable(*got)) return;
  const auto weight = guarded_call([&]() -> std::uint64_t {
    if (c.options.weigh) return c.options.weigh(*got);
    if constexpr (weighable<T>) return weight_of(*got);
    return sizeof(T);  // add() has refused it
  });
  if (weight) c.values.store(key, *got, *weight, now);  // what cannot be weighed is not kept
}

// Whether a failure is the leader's own, so that it says nothing to those who wait for its answer: its time was shorter
// than theirs may be, or its priority lower.
template <class T>
bool pipeline<T>::failed_for_itself(const context& ctx, steady_time began, const detail::engine& e,
                                    const decision_record& record) {
  if (!ctx.check(e.clock.now())) return true;
  if (record.has(reason::shed) || record.has(reason::rate_limited)) return true;
  const auto whole = e.retry != nullptr ? e.whole_timeout : std::min(e.whole_timeout, e.attempt_timeout);
  return ctx.deadline() < later(began, whole) &&
         (record.has(reason::deadline_too_close) || record.has(reason::retry_after_too_long));
}

template <class T>
template <class Operation>
task<void> pipeline<T>::refresh(cached& c, detail::engine_ref e, context ctx, call_options options, Operation operation,
                                detail::flights::lead lead) {
  decision_record record;
  options.record = &record;
  options.answered_from = nullptr;
  const auto began = e->clock.now();
  const auto key = options.cache_key;
  const auto got = co_await attempts(e, ctx, std::move(options), std::move(operation));
  keep(c, key, got, e->clock.now());
  if (!got && failed_for_itself(ctx, began, *e, record)) co_return;  // another caller leads
  lead.conclude(got ? std::nullopt : std::optional{got.error()});
}

template <class T>
template <class Operation>
task<result<T>> pipeline<T>::through_cache(std::shared_ptr<answers> shared, detail::engine_ref e, context ctx,
                                           call_options options, Operation operation) {
  auto& c = *shared->before;
  const auto& key = options.cache_key;
  if (key.empty()) co_return co_await attempts(e, ctx, options, std::move(operation));
  const auto note = [&e, &ctx, &options, &c](reason why, duration age) {
    detail::call_state call{*e, ctx, options};
    decision d;
    d.why = why;
    d.wait = age;
    const bool counted_only = c.values.options().mode == policy_mode::shadow;
    d.shadow = counted_only;
    call.note(std::move(d));
    if (options.answered_from != nullptr && !counted_only)
      *options.answered_from = why == reason::served_stale ? origin::stale_cache : origin::cache;
  };
  const bool shadow = c.values.options().mode == policy_mode::shadow;
  for (;;) {
    const auto found = c.values.find(key, e->clock.now());
    const auto flight = c.flights.find(key);
    if (found.state == freshness::fresh) {
      if (!shadow) {
        result<T> copy{*found.value};
        note(reason::cache_hit, found.age);
        co_return copy;
      }
      note(reason::cache_hit, found.age);
    }
    if (shadow) {
      auto got = co_await attempts(e, ctx, options, std::move(operation));
      keep(c, key, got, e->clock.now());
      co_return got;
    }
    const bool in_background = options.lifetime == operation_lifetime::self_contained;
    if (found.state == freshness::revalidate && (flight || in_background)) {
      result<T> copy{*found.value};
      note(reason::served_stale, found.age);
      if (!flight)
        shared->refreshes->spawn(refresh(c, e, shared->refreshes->derive(ctx.detached()), options, std::move(operation),
                                         c.flights.begin(e->clock, key)));
      co_return copy;
    }
    if (!flight) break;
    WEFT_CO_TRY_VOID(co_await flight->done.wait(ctx));
    if (flight->ended && flight->failure) {
      const auto old = c.values.find(key, e->clock.now());
      if (old.value == nullptr) co_return fail(*flight->failure);
      result<T> copy{*old.value};
      note(reason::served_stale, old.age);
      co_return copy;
    }
  }
  auto lead = c.flights.begin(e->clock, key);
  decision_record own_record;
  const auto began = e->clock.now();
  auto leading = options;
  if (leading.record == nullptr) leading.record = &own_record;
  auto got = co_await attempts(e, ctx, leading, std::move(operation));
  keep(c, key, got, e->clock.now());
  const auto view = outcome_traits<T>::view(got);
  if (view.verdict == verdict::success) {
    lead.conclude(got ? std::nullopt : std::optional{got.error()});
    co_return got;
  }
  // Another caller leads then.
  if (view.code == errc::cancelled || failed_for_itself(ctx, began, *e, *leading.record)) {
    lead.abandon();
  } else {
    lead.conclude(got ? error{errc::unavailable, "answered " + std::to_string(view.status)} : got.error());
  }
  const auto old = c.values.find(key, e->clock.now());
  if (old.value == nullptr || c.values.options().stale_if_error <= duration::zero()) co_return got;
  result<T> copy{*old.value};
  note(reason::served_stale, old.age);
  co_return copy;
}

}  // namespace weft::resilience
