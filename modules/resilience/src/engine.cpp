#include <weft/base/saturating.hpp>
#include <weft/resilience/detail/bounded_call.hpp>
#include <weft/resilience/detail/engine.hpp>
#include <weft/resilience/lint.hpp>
#include <weft/runtime/guarded.hpp>

#include "text.hpp"

#include <boost/describe/enum_to_string.hpp>

namespace weft::resilience::detail {

void late_guard::run() {
  if (++rounds_ < grace_rounds)
    loop_.schedule(*this);
  else
    too_late();
}

engine::engine(loop& l, std::string n, std::vector<stage> all, std::shared_ptr<tally> c, breaker_scope counted)
    : clock{l}, name{std::move(n)}, counts{std::move(c)}, scope{counted} {
  detail::check_composition(all);
  for (auto& s : all)
    if (s.mode != policy_mode::off && s.kind != policy_kind::fallback && s.kind != policy_kind::cache)
      stages.push_back(std::move(s));
  end = static_cast<std::uint8_t>(stages.size());
  copy_begin = 0;
  for (std::uint8_t i = 0; i < end; ++i) {
    if (stages[i].kind == policy_kind::retry) retry = &stages[i], outer_end = i, inner_begin = copy_begin = i + 1;
    if (stages[i].kind == policy_kind::hedge) hedge = &stages[i], copy_begin = i + 1;
    if (stages[i].kind == policy_kind::circuit_breaker && stages[i].owned)
      stages[i].as<breaker_core>().on_change([counted = counts, pipeline = name](const breaker_event& e) {
        if (counted->observer != nullptr) counted->observer->breaker_changed(pipeline, e);
      });
  }
  for (std::uint8_t i = 0; i < end; ++i) {
    if (stages[i].kind != policy_kind::timeout || stages[i].shadow()) continue;
    auto& bound = retry != nullptr && i < outer_end ? whole_timeout : attempt_timeout;
    bound = std::min(bound, stages[i].after);
  }
  introduce_breakers();
}

void engine::introduce_breakers() const {
  if (counts->observer == nullptr) return;
  for (const auto& s : stages)
    if (s.kind == policy_kind::circuit_breaker)
      static_cast<void>(guarded_call([&] { counts->observer->breaker_in_use(name, s.as<breaker_core>(), s.owned); }));
}

call_state::~call_state() {
  if (breaker.at != nullptr) settle_breaker({.verdict = verdict::ignored}, {});
  if (e.retry == nullptr) return;
  auto& budget = e.retry->as<retry_core>().budget();
  if (retrying) budget.retry_ended();
  budget.request_ended();
}

void call_state::note(decision d) {
  auto& counts = *e.counts;
  ++(d.shadow ? counts.shadow : counts.acted)[static_cast<std::size_t>(d.why)];
  if (counts.observer != nullptr) static_cast<void>(guarded_call([&] { counts.observer->decided(ctx, e.name, d); }));
  if (options.record != nullptr) options.record->add(d);
  if (!record) record = std::make_unique<decision_record>();
  if (!d.shadow) record->add(std::move(d));
}

namespace {
decision attempt_decision(reason why, const outcome_view& o, const attempt& a, duration took) {
  decision d;
  d.why = why;
  d.attempt = a.number();
  d.peer = a.peer();
  d.code = o.code;
  d.status = o.status;
  d.took = took;
  return d;
}
}  // namespace

void call_state::attempt_succeeded(const attempt& a, duration took) {
  if (e.retry != nullptr) e.retry->as<retry_core>().budget().attempt_succeeded();
  if (eventful()) note(attempt_decision(reason::succeeded, {}, a, took));
}

namespace {
// A fault of one instance among others that answer is no outcome to policies for the service.
verdict verdict_for_service(const outcome_view& o) noexcept {
  return o.peer_fault && o.verdict == verdict::failure ? verdict::ignored : o.verdict;
}
}  // namespace

retry_core::decision call_state::after_attempt(const outcome_view& o, const attempt& a, duration took) {
  if (!o.local) {  // a refusal has been noted
    const bool bad = o.verdict != verdict::success || o.code;
    const auto why = !bad ? reason::succeeded : o.code == errc::deadline_exceeded ? reason::timed_out : reason::failed;
    if (bad || eventful()) note(attempt_decision(why, o, a, took));
  }
  if (e.retry == nullptr) return {};
  auto& policy = e.retry->as<retry_core>();
  if (retrying) policy.budget().retry_ended();
  retrying = false;
  if (verdict_for_service(o) == verdict::failure) policy.budget().attempt_failed();
  const auto remaining = time_between(now(), deadline);
  auto next = policy.next(progress, o, options.repeat, remaining, e.clock.random());
  if (next.why == reason::succeeded || next.why == reason::not_retriable) return next;
  decision d;
  d.why = next.why;
  d.shadow = e.retry->shadow();
  d.wait = next.delay;
  d.whole = policy.options().max_attempts;
  note(std::move(d));
  if (next.again && e.retry->shadow()) {
    policy.budget().retry_ended();
    next.again = false;
  }
  retrying = next.again;
  return next;
}

deadline_kind call_state::kind_of_deadline(steady_time start, steady_time until) const noexcept {
  // What ends before the call does was cut by a policy around the attempt.
  if (until == steady_time::max() || until < deadline) return deadline_kind::own;
  if (e.attempt_timeout != duration::max())
    return until < later(start, e.attempt_timeout) ? deadline_kind::caller : deadline_kind::own;
  if (e.whole_timeout == duration::max()) return deadline_kind::only;
  // The whole is there for several attempts and pauses: one that had most of it had its time.
  return until < later(start, e.whole_timeout / 2) ? deadline_kind::caller : deadline_kind::own;
}

void call_state::settle_breaker(const outcome_view& o, duration took) {
  if (breaker.at == nullptr) return;
  const auto* at = std::exchange(breaker.at, nullptr);
  at->as<breaker_core>().record(breaker.permit, verdict_for_service(o), took, now(), e.clock.random());
}

error call_state::explain(error last) const {
  if (!record || record->entries().size() < 2) return last.with_operation(e.name);
  auto text = std::string{last.message()};
  if (!text.empty()) text += " [";
  text += record->describe();
  if (!last.message().empty()) text += "]";
  error told{last.code(), text};
  return told.with_operation(last.operation()).with_peer(last.peer()).with_remedy(last.remedy()).with_operation(e.name);
}

error call_state::refusal_error() const {
  auto plain = *refusal;
  plain.attempt = 0;  // the error is not about one attempt
  const auto text = plain.describe();
  if (plain.why == reason::cancelled) return error{plain.code.value_or(errc::cancelled), text};
  const bool unavailable = plain.why == reason::breaker_open || plain.why == reason::limiter_unavailable;
  return error{unavailable ? errc::unavailable : errc::resource_exhausted, text};
}

error call_state::timeout_error(duration after) const {
  return error{errc::deadline_exceeded, "timed out after " + text::of(after)};
}

// ---- permits

permits::step permits::enter(std::uint8_t to) {
  for (; next_ < to; ++next_)
    if (const auto s = pass(call_.e.stages[next_]); s != step::passed) [[unlikely]]
      return s;
  return step::passed;
}

permits::step permits::pass(const stage& s) {
  switch (s.kind) {
    case policy_kind::timeout:
      if (!s.shadow()) limit(later(call_.now(), s.after));
      hold(s);
      return step::passed;
    case policy_kind::circuit_breaker:
      return pass_breaker(s);
    case policy_kind::bulkhead:
      return pass_bulkhead(s);
    case policy_kind::rate_limit:
      return pass_rate_limit(s);
    case policy_kind::keyed_rate_limit:
      return step::wait;
    case policy_kind::adaptive_concurrency: {
      auto& limiter = s.as<adaptive_limit_core>();
      if (limiter.try_enter()) return hold(s), step::passed;
      decision d;
      d.why = reason::concurrency_limited;
      d.part = limiter.in_flight();
      d.whole = limiter.limit();
      return refuse(s, std::move(d));
    }
    case policy_kind::load_shed: {
      auto& shedder = s.as<load_shedder_core>();
      if (shedder.try_enter(call_.options.priority)) return hold(s), step::passed;
      decision d;
      d.why = reason::shed;
      d.part = shedder.in_flight();
      d.whole = shedder.limit(call_.options.priority);
      return refuse(s, std::move(d));
    }
    default:
      return step::passed;
  }
}

permits::step permits::refuse(const stage& s, decision d) {
  d.attempt = attempt_;
  d.shadow = s.shadow();
  if (!d.shadow) call_.refusal.emplace(d);
  call_.note(std::move(d));
  if (!s.shadow()) return step::refused;
  return step::passed;
}

// The first attempt asks for the call. Another goes on with its permit, unless the breaker has changed its state since.
permits::step permits::pass_breaker_of_calls(const stage& s) {
  auto& breaker = s.as<breaker_core>();
  auto& held = call_.breaker;
  const auto now = call_.now();
  if (held.at != &s || !breaker.current(held.permit)) {
    call_.settle_breaker({.verdict = verdict::ignored}, {});
    const auto p = breaker.try_acquire(now);
    if (!p.admitted()) return refuse_open(s);
    held = {.at = &s, .permit = p};
    if (p.kind == breaker_core::permit_kind::probe) held.probe_until = later(now, breaker.probe_timeout());
  }
  if (!s.shadow()) limit(held.probe_until);
  return step::passed;
}

permits::step permits::pass_breaker(const stage& s) {
  const bool outside = call_.e.retry != nullptr && &s < call_.e.retry;
  if (call_.e.scope == breaker_scope::call && !outside) return pass_breaker_of_calls(s);
  auto& breaker = s.as<breaker_core>();
  const auto now = call_.now();
  const auto p = breaker.try_acquire(now);
  if (p.admitted()) [[likely]] {
    if (p.kind == breaker_core::permit_kind::probe && !s.shadow()) limit(later(now, breaker.probe_timeout()));
    hold(s, p);
    return step::passed;
  }
  return refuse_open(s);
}

permits::step permits::refuse_open(const stage& s) {
  const auto& breaker = s.as<breaker_core>();
  decision d;
  d.why = reason::breaker_open;
  d.cause = breaker.cause();
  d.wait = breaker.retry_after(call_.now());
  return refuse(s, std::move(d));
}

permits::step permits::pass_bulkhead(const stage& s) {
  auto& cabins = s.as<bulkhead_core>();
  if (cabins.try_enter()) [[likely]]
    return hold(s), step::passed;
  if (!s.shadow() && cabins.max_queued() > 0) return step::wait;
  decision d;
  d.why = reason::bulkhead_full;
  d.part = cabins.in_flight();
  d.whole = cabins.max_concurrent();
  return refuse(s, std::move(d));
}

permits::step permits::pass_rate_limit(const stage& s) {
  const auto taken = s.as<rate_limiter_core>().take(call_.options.cost, call_.now());
  if (taken.allowed) [[likely]]
    return step::passed;
  decision d;
  d.why = reason::rate_limited;
  d.wait = taken.retry_after;
  return refuse(s, std::move(d));
}

void permits::settle(const outcome_view& o, duration latency) {
  const auto now = call_.now();
  while (count_ > 0) {
    const auto& h = held_[--count_];
    switch (h.at->kind) {
      case policy_kind::circuit_breaker:
        h.at->as<breaker_core>().record(h.breaker, verdict_for_service(o), latency, now, call_.e.clock.random());
        break;
      case policy_kind::bulkhead:
        h.at->as<bulkhead_core>().leave(now);
        break;
      case policy_kind::adaptive_concurrency:
        if (verdict_for_service(o) == verdict::ignored)
          h.at->as<adaptive_limit_core>().leave_ignored();
        else
          h.at->as<adaptive_limit_core>().leave(latency);
        break;
      case policy_kind::load_shed:
        h.at->as<load_shedder_core>().leave();
        break;
      case policy_kind::timeout:
        if (h.at->shadow() && latency >= h.at->after) [[unlikely]] {
          decision d;
          d.why = reason::timed_out;
          d.shadow = true;
          d.attempt = attempt_;
          d.took = h.at->after;
          call_.note(std::move(d));
        }
        break;
      default:
        break;
    }
  }
}

// ---- stages

namespace {
template <class Core, class Options>
stage stage_of(policy_kind kind, const Options& o) {
  return {.kind = kind, .mode = o.mode, .core = std::make_shared<Core>(o), .owned = true};
}
}  // namespace

stage make_stage(const timeout& o) {
  static_cast<void>(checked(o, "timeout"));
  return {.kind = policy_kind::timeout, .mode = o.mode, .after = o.after, .core = nullptr};
}
stage make_stage(const retry& o) { return stage_of<retry_core>(policy_kind::retry, o); }
stage make_stage(const circuit_breaker& o) { return stage_of<breaker_core>(policy_kind::circuit_breaker, o); }
stage make_stage(const bulkhead& o) { return stage_of<bulkhead_core>(policy_kind::bulkhead, o); }
stage make_stage(const rate_limit& o) { return stage_of<rate_limiter_core>(policy_kind::rate_limit, o); }
stage make_stage(const hedge& o) { return stage_of<hedge_core>(policy_kind::hedge, o); }
stage make_stage(const adaptive_concurrency& o) {
  return stage_of<adaptive_limit_core>(policy_kind::adaptive_concurrency, o);
}
stage make_stage(const load_shed& o) { return stage_of<load_shedder_core>(policy_kind::load_shed, o); }

stage make_stage(std::shared_ptr<retry_core> core) {
  const auto mode = core->options().mode;
  return {.kind = policy_kind::retry, .mode = mode, .core = std::move(core)};
}
stage make_stage(std::shared_ptr<breaker_core> core) {
  const auto mode = core->options().mode;
  return {.kind = policy_kind::circuit_breaker, .mode = mode, .core = std::move(core)};
}
stage make_stage(std::shared_ptr<bulkhead_core> core) {
  return {.kind = policy_kind::bulkhead, .core = std::move(core)};
}
stage make_stage(std::shared_ptr<rate_limiter_core> core) {
  return {.kind = policy_kind::rate_limit, .core = std::move(core)};
}
stage make_stage(std::shared_ptr<hedge_core> core) {
  const auto mode = core->options().mode;
  return {.kind = policy_kind::hedge, .mode = mode, .core = std::move(core)};
}
stage make_stage(std::shared_ptr<adaptive_limit_core> core) {
  return {.kind = policy_kind::adaptive_concurrency, .core = std::move(core)};
}
stage make_stage(std::shared_ptr<load_shedder_core> core) {
  return {.kind = policy_kind::load_shed, .core = std::move(core)};
}
stage make_stage(keyed_limiter limiter) {
  static_cast<void>(checked(limiter.rule, "rate_limit"));
  const auto mode = limiter.rule.mode;
  return {
      .kind = policy_kind::keyed_rate_limit, .mode = mode, .core = std::make_shared<keyed_limiter>(std::move(limiter))};
}

}  // namespace weft::resilience::detail
