#pragma once
// The part of a pipeline that knows no types: its stages in order, and the permits that a call holds of them. One pass
// over the stages admits a call and one back settles it, inside the single coroutine of the call.
#include <weft/resilience/attempt.hpp>
#include <weft/resilience/core/adaptive_limit.hpp>
#include <weft/resilience/core/breaker.hpp>
#include <weft/resilience/core/bulkhead.hpp>
#include <weft/resilience/core/hedge.hpp>
#include <weft/resilience/core/load_shedder.hpp>
#include <weft/resilience/core/rate_limiter.hpp>
#include <weft/resilience/core/retry.hpp>
#include <weft/resilience/rate_limit_store.hpp>

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace weft::resilience::detail {

enum class policy_kind : std::uint8_t {
  fallback,
  cache,
  load_shed,
  rate_limit,
  keyed_rate_limit,
  timeout,
  retry,
  hedge,
  circuit_breaker,
  bulkhead,
  adaptive_concurrency,
};
[[nodiscard]] std::string_view to_string(policy_kind k) noexcept;

struct keyed_limiter {
  std::shared_ptr<rate_limit_store> store;
  rate_limit rule;
};

struct stage {
  policy_kind kind;
  policy_mode mode = policy_mode::enforce;
  duration after{};  // of a timeout
  std::shared_ptr<void> core;
  bool owned = false;  // made for this pipeline, so that its events are the pipeline's
  template <class Core>
  [[nodiscard]] Core& as() const noexcept {
    return *static_cast<Core*>(core.get());
  }
  [[nodiscard]] bool shadow() const noexcept { return mode == policy_mode::shadow; }
};

struct tally {
  std::array<std::uint64_t, reason_count> acted{}, shadow{};
  policy_listener* observer = nullptr;
  std::shared_ptr<policy_listener> owned;  // the observer, when it is nobody else's
};

// What a circuit_breaker among the attempts counts.
enum class breaker_scope : std::uint8_t {
  attempt,  // each of them: they all go to the same callee
  call,     // how the call ended, once: each attempt may go to another instance
};

// Of one loop; counted by the calls that are under way in it, so that a pipeline may get new policies meanwhile.
class engine {
 public:
  engine(loop& l, std::string name, std::vector<stage> stages, std::shared_ptr<tally> counts, breaker_scope scope);
  // Tells the listener of the breakers that are in use.
  void introduce_breakers() const;

  loop& clock;
  const std::string name;
  std::vector<stage> stages;  // without those that are off
  std::shared_ptr<tally> counts;
  // [0, outer_end) around all attempts; [inner_begin, copy_begin) around each; [copy_begin, end) around each hedge.
  std::uint8_t outer_end = 0, inner_begin = 0, copy_begin = 0, end = 0;
  stage* retry = nullptr;
  stage* hedge = nullptr;
  breaker_scope scope;
  duration whole_timeout = duration::max();    // of the call, by its own policies
  duration attempt_timeout = duration::max();  // of each attempt
  std::uint32_t references = 0;
};

// Throws std::invalid_argument that names what is wrong; for stages in the order given, outermost first.
void check_composition(const std::vector<stage>& stages);

class engine_ref {
 public:
  engine_ref() = default;
  explicit engine_ref(engine* e) noexcept : engine_{e} {
    if (engine_ != nullptr) ++engine_->references;
  }
  engine_ref(const engine_ref& other) noexcept : engine_ref{other.engine_} {}
  engine_ref(engine_ref&& other) noexcept : engine_{std::exchange(other.engine_, nullptr)} {}
  engine_ref& operator=(engine_ref other) noexcept {
    std::swap(engine_, other.engine_);
    return *this;
  }
  ~engine_ref() {
    if (engine_ != nullptr && --engine_->references == 0) delete engine_;
  }
  engine* operator->() const noexcept { return engine_; }
  engine& operator*() const noexcept { return *engine_; }
  explicit operator bool() const noexcept { return engine_ != nullptr; }

 private:
  engine* engine_ = nullptr;
};

// One call, from its first attempt to its last.
class call_state {
 public:
  call_state(engine& e, const context& ctx, const call_options& options) noexcept
      : e{e}, ctx{ctx}, options{options}, started{e.clock.now()}, deadline{ctx.deadline()} {
    if (e.retry != nullptr) e.retry->as<retry_core>().budget().request_started();
  }
  call_state(const call_state&) = delete;
  call_state& operator=(const call_state&) = delete;
  ~call_state();

  [[nodiscard]] steady_time now() const noexcept { return e.clock.now(); }
  void note(decision d);
  // Whether something happened that is worth telling.
  [[nodiscard]] bool eventful() const noexcept { return record != nullptr; }

  // After an attempt that did not plainly succeed: notes it, and decides whether another follows.
  retry_core::decision after_attempt(const outcome_view& o, const attempt& a, duration took);
  // Whose deadline an attempt from `start` to `until` has.
  [[nodiscard]] deadline_kind kind_of_deadline(steady_time start, steady_time until) const noexcept;
  // How an attempt that was made ended, for the breaker that counts calls.
  void ended(const outcome_view& o, duration took) noexcept {
    if (breaker.at != nullptr && !o.local) last_view = o, last_took = took;
  }
  // Tells that breaker; before the call returns.
  void settle_breaker() {
    if (breaker.at != nullptr) [[unlikely]]
      settle_breaker(last_view, last_took);
  }
  void settle_breaker(const outcome_view& o, duration took);
  void attempt_succeeded(const attempt& a, duration took);
  // The error with what happened, for the caller.
  [[nodiscard]] error explain(error last) const;
  // Of the stage that refused last.
  [[nodiscard]] error refusal_error() const;
  // The operation was destroyed, or never began, since its time was up.
  [[nodiscard]] error timeout_error(duration after) const;

  engine& e;
  const context& ctx;
  const call_options& options;
  const steady_time started;
  steady_time deadline;
  std::optional<decision> refusal;
  std::vector<std::string> tried;
  std::unique_ptr<decision_record> record;
  retry_core::progress progress;
  std::uint32_t attempts = 0;  // hedges included
  bool retrying = false;       // it holds a part of the budget
  bool decided = false;        // a hedged attempt has its winner
  bool committed = false;      // one of the attempts said so
  outcome_view last_view{.verdict = verdict::ignored};
  duration last_took{};

  // Of the breaker that counts calls: asked by the first attempt, and again when its state has changed since.
  struct {
    const stage* at = nullptr;
    breaker_core::permit permit;
    steady_time probe_until = steady_time::max();
  } breaker;
};

// What a call holds of the stages [from, to). Given back as ignored when destroyed unsettled.
class permits {
 public:
  enum class step : std::uint8_t { passed, refused, wait };

  permits(call_state& call, steady_time until, std::uint8_t from, std::uint32_t attempt_number) noexcept
      : deadline{until}, call_{call}, next_{from}, attempt_{attempt_number} {}
  permits(const permits&) = delete;
  permits& operator=(const permits&) = delete;
  ~permits() {
    if (count_ > 0) settle({.verdict = verdict::ignored}, {});
  }

  [[nodiscard]] step enter(std::uint8_t to);
  // After `wait`: to the end, through queues and stores.
  [[nodiscard]] task<step> enter_waiting(std::uint8_t to);
  void settle(const outcome_view& o, duration latency);

  steady_time deadline;

 private:
  struct held {
    const stage* at;
    breaker_core::permit breaker;
  };
  static constexpr std::size_t most = 12;

  step pass(const stage& s);
  step pass_breaker(const stage& s);
  step pass_breaker_of_calls(const stage& s);
  step refuse_open(const stage& s);
  step pass_bulkhead(const stage& s);
  step pass_rate_limit(const stage& s);
  void limit(steady_time until) noexcept { deadline = std::min(deadline, until); }
  step refuse(const stage& s, decision d);
  void hold(const stage& s, breaker_core::permit p = {}) noexcept { held_[count_++] = {&s, p}; }
  task<step> wait_in_queue(const stage& s);
  task<step> ask_store(const stage& s);

  call_state& call_;
  std::uint8_t next_;
  std::uint8_t count_ = 0;
  std::uint32_t attempt_;
  union {  // not initialised: only the first count_ are anything
    std::array<held, most> held_;
  };
};

// A signal for hedged attempts: one waits for the other to end, or for a moment.
class [[nodiscard]] moment_or_signal final : timer_node {
 public:
  moment_or_signal(loop& l, bool& signalled, moment_or_signal*& waiting, steady_time until) noexcept
      : loop_{l}, signalled_{signalled}, waiting_{waiting}, until_{until} {}
  ~moment_or_signal() {
    if (waiting_ == this) waiting_ = nullptr;
  }
  bool await_ready() const noexcept { return signalled_ || until_ <= loop_.now(); }
  void await_suspend(std::coroutine_handle<> frame) {
    resume_.set(frame);
    waiting_ = this;
    if (until_ != steady_time::max()) loop_.arm(*this, until_);
  }
  void await_resume() noexcept {
    disarm();
    if (waiting_ == this) waiting_ = nullptr;
    signalled_ = false;
  }
  void signal() noexcept { loop_.schedule(resume_); }

 private:
  void expire() override { loop_.schedule(resume_); }
  loop& loop_;
  bool& signalled_;
  moment_or_signal*& waiting_;
  steady_time until_;
  resume_node resume_;
};

stage make_stage(const timeout& o);
stage make_stage(const retry& o);
stage make_stage(const circuit_breaker& o);
stage make_stage(const bulkhead& o);
stage make_stage(const rate_limit& o);
stage make_stage(const hedge& o);
stage make_stage(const adaptive_concurrency& o);
stage make_stage(const load_shed& o);
stage make_stage(std::shared_ptr<retry_core> core);
stage make_stage(std::shared_ptr<breaker_core> core);
stage make_stage(std::shared_ptr<bulkhead_core> core);
stage make_stage(std::shared_ptr<rate_limiter_core> core);
stage make_stage(std::shared_ptr<hedge_core> core);
stage make_stage(std::shared_ptr<adaptive_limit_core> core);
stage make_stage(std::shared_ptr<load_shedder_core> core);
stage make_stage(keyed_limiter limiter);

}  // namespace weft::resilience::detail
