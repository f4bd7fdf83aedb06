#include <weft/base/saturating.hpp>
#include <weft/messaging/middleware.hpp>
#include <weft/runtime/backoff.hpp>
#include <weft/runtime/guarded.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/sync.hpp>

#include <algorithm>
#include <cmath>

#include "standard_stages.hpp"

namespace weft::messaging {

namespace {

std::unexpected<error> wrong(std::string_view field, std::string_view why) {
  return fail(errc::invalid_argument, std::string{field} + ": " + std::string{why});
}

bool worth_retrying(const error& e) { return e.code() != errc::invalid_argument && e.code() != errc::unimplemented; }

outcome given_back(const error& why) { return {fail(why), settlement::give_back()}; }

// What becomes of a failure, by retry's options.
class retry_rules {
 public:
  retry_rules(retry options, loop& l) : options_{std::move(options)}, loop_{l} {}

  // Calls of the handler in earlier deliveries, as far as they matter. One that ended in a failure made all its calls; of
  // one that ended with its process it is only known that it had begun.
  [[nodiscard]] std::uint32_t calls_before(const incoming& in) const {
    std::uint64_t calls = 0;
    for (std::uint32_t attempt = 1; attempt < in.attempt && calls < options_.max_attempts; ++attempt)
      calls += failed(in.raw.failures, attempt) ? 1 + std::uint64_t{options_.immediate} : 1;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(calls, options_.max_attempts));
  }
  // It was tried as often as it may be already, and the last time was not the end of it.
  [[nodiscard]] std::optional<outcome> used_up(std::uint32_t before) const {
    if (before < options_.max_attempts) return std::nullopt;
    return outcome{fail(errc::internal, "its handler was called " + std::to_string(before) +
                                            " times, and the last call did not return: did its process end?"),
                   std::nullopt};
  }
  // Whether the handler is to be called again at once, after `again` such calls; else the outcome has been decided on,
  // or is left to the stages outside.
  [[nodiscard]] bool at_once(const context& ctx, const incoming& in, outcome& o, std::uint32_t before,
                             std::uint32_t again) {
    if (o.decided) return false;
    if (const auto alive = ctx.check(loop_.now()); !alive && alive.error().code() == errc::cancelled) return false;
    const auto& problem = o.handled.error();
    if (!(options_.when ? options_.when(problem) : worth_retrying(problem))) return false;
    if (std::uint64_t{before} + again + 1 >= options_.max_attempts) return false;
    if (again < options_.immediate) return true;
    o.decided = settlement::retry(delay(in.attempt), problem);
    return false;
  }

 private:
  static bool failed(const std::vector<failure>& list, std::uint32_t attempt) {
    if (std::ranges::any_of(list, [&](const failure& f) { return f.attempt == attempt; })) return true;
    // Those between the first one and the latest are not kept.
    return list.size() >= max_failures && attempt > list[0].attempt && attempt < list[1].attempt;
  }
  duration delay(std::uint32_t attempt) {
    return backoff_delay({.initial = std::min(options_.first_delay, options_.max_delay),
                          .max = options_.max_delay,
                          .multiplier = options_.factor,
                          .jitter = options_.jitter},
                         attempt, loop_.random());
  }

  retry options_;
  loop& loop_;
};

class retry_stage {
 public:
  retry_stage(retry options, loop& l, stage next) : rules_{std::move(options), l}, next_{std::move(next)} {}

  task<outcome> operator()(const context& ctx, incoming& in) {
    const auto before = rules_.calls_before(in);
    if (auto over = rules_.used_up(before)) co_return *std::move(over);
    for (std::uint32_t again = 0;; ++again) {
      auto o = co_await next_(ctx, in);
      if (o.handled || !rules_.at_once(ctx, in, o, before, again)) co_return o;
    }
  }

 private:
  retry_rules rules_;
  stage next_;
};

// What nothing else has decided on goes to the dead letters, unless the handler was cancelled.
void put_aside(outcome& o, const context& ctx, const loop& l, dead_letter_scope scope) {
  if (!o.decided) {
    if (!ctx.check(l.now()) && ctx.cancellation().cancelled()) return;
    o.decided = settlement::dead_letter(o.handled.error().describe(), o.handled.error());
  }
  if (o.decided->what == settlement::kind::dead_letter) o.decided->scope = scope;
}

// The original, and why it is here.
message dead_letter_message(const dead_letter& options, const incoming& in, const settlement& why,
                            const std::vector<failure>& failures) {
  message m = *in.raw.what;
  m.fields.set("weft-dead-letter-reason", why.reason);
  m.fields.set("weft-dead-letter-group", std::string{in.group});
  m.fields.set("weft-dead-letter-topic", m.topic);
  m.fields.set("weft-dead-letter-attempts", std::to_string(in.attempt));
  m.fields.set("weft-dead-letter-failures", format_failures(failures));
  m.topic = options.topic;
  m.time_to_live = {};
  return m;
}

class dead_letter_stage {
 public:
  dead_letter_stage(dead_letter options, loop& l, broker& bus, stage next)
      : options_{std::move(options)}, loop_{l}, bus_{bus}, next_{std::move(next)} {}

  task<outcome> operator()(const context& ctx, incoming& in) {
    auto o = co_await next_(ctx, in);
    if (o.handled) co_return o;
    put_aside(o, ctx, loop_, options_.scope);
    const bool aside = o.decided && o.decided->what == settlement::kind::dead_letter;
    if (aside && !options_.topic.empty()) co_await move_to_topic(ctx, in, o);
    co_return o;
  }

 private:
  task<void> move_to_topic(const context& ctx, incoming& in, outcome& o) {
    auto failures = in.raw.failures;
    if (o.decided->cause)
      add_failure(failures,
                  {o.decided->cause->code(), std::string{o.decided->cause->message()}, in.attempt, loop_.wall_now()});
    outgoing letter{.what = dead_letter_message(options_, in, *o.decided, failures)};
    // A topic that nobody takes is no place to put anything.
    if (bus_.features().set.has(feature::mandatory)) letter.if_unroutable = unroutable::refuse;
    const auto sent = co_await publish_one(bus_, ctx.detached().with_timeout(loop_, std::chrono::seconds{30}),
                                           std::move(letter));
    if (sent) {
      o.decided = settlement::ack();
    } else if (!sent.error().transient() && bus_.features().set.has(feature::dead_letter)) {
      // It would be refused the next time, too: then it is kept where the broker keeps what failed.
      o.decided = settlement::dead_letter(
          o.decided->reason + "; not moved to the topic '" + options_.topic + "': " + sent.error().describe(),
          o.decided->cause);
    } else {  // not confirmed: the original stays, and the next delivery tries again
      o.decided = settlement::retry(std::chrono::seconds{5}, sent.error(), attempt_counting::not_counted);
    }
  }

  dead_letter options_;
  loop& loop_;
  broker& bus_;
  stage next_;
};

// retry{} around the handler and dead_letter{} around that, as one: what most messages pass, and most of them succeed.
class standard_stage {
 public:
  standard_stage(loop& l, stage next) : rules_{retry{}, l}, loop_{l}, next_{std::move(next)} {}

  task<outcome> operator()(const context& ctx, incoming& in) {
    const auto before = in.attempt == 1 ? 0U : rules_.calls_before(in);
    for (std::uint32_t again = 0;; ++again) {
      auto over = before == 0 ? std::nullopt : rules_.used_up(before);
      auto o = over ? *std::move(over) : co_await next_(ctx, in);
      if (o.handled) co_return o;
      if (!over && rules_.at_once(ctx, in, o, before, again)) continue;
      put_aside(o, ctx, loop_, dead_letter_scope::message);
      co_return o;
    }
  }

 private:
  retry_rules rules_;
  loop& loop_;
  stage next_;
};

class deduplicate_stage {
 public:
  deduplicate_stage(std::shared_ptr<duplicate_store> store, duration window, stage next)
      : store_{std::move(store)}, window_{window}, next_{std::move(next)} {}

  task<outcome> operator()(const context& ctx, incoming& in) {
    const auto& id = in.raw.what->id;
    if (id.empty()) co_return co_await next_(ctx, in);
    const std::string group{in.group};
    const auto state = co_await store_->claim(ctx, group, id);
    if (!state) co_return outcome{fail(state.error()), std::nullopt};
    if (*state == duplicate_state::handled) co_return outcome{{}, settlement::ack()};
    if (*state == duplicate_state::in_progress)
      co_return outcome{fail(errc::aborted, "a message of the same id is being handled"),
                        settlement::retry(std::chrono::milliseconds{200}, {}, attempt_counting::not_counted)};
    release_on_exit claimed{*store_, group, id};
    auto o = co_await next_(ctx, in);
    if (o.handled && !(co_await store_->complete(ctx, group, id, window_))) co_return o;  // at worst it comes again
    co_return o;
  }

 private:
  struct release_on_exit {
    duplicate_store& store;
    const std::string& group;
    const std::string& id;
    // Nothing, once it is complete. The store may be the program's own.
    ~release_on_exit() {
      static_cast<void>(guarded_call([&] { store.release(group, id); }));
    }
  };

  std::shared_ptr<duplicate_store> store_;
  duration window_;
  stage next_;
};

class timeout_stage {
 public:
  timeout_stage(duration after, loop& l, stage next) : after_{after}, loop_{l}, next_{std::move(next)} {}

  task<outcome> operator()(const context& ctx, incoming& in) {
    const auto limited = ctx.with_timeout(loop_, after_);
    co_return co_await next_(limited, in);
  }

 private:
  duration after_;
  loop& loop_;
  stage next_;
};

// GCRA: the time at which the next message would be on schedule.
class rate_stage {
 public:
  rate_stage(const rate& options, loop& l, stage next)
      : every_{saturating_multiply(duration{std::chrono::seconds{1}}, 1 / options.per_second)},
        slack_{saturating_multiply(every_, options.burst - 1.0)},
        loop_{l},
        next_{std::move(next)} {}

  task<outcome> operator()(const context& ctx, incoming& in) {
    const auto now = loop_.now();
    const auto mine = std::max(schedule_, later(now, -slack_));
    schedule_ = later(mine, every_);
    if (mine > now)
      if (const auto waited = co_await sleep(loop_, ctx, time_between(now, mine)); !waited) co_return given_back(waited.error());
    co_return co_await next_(ctx, in);
  }

 private:
  duration every_, slack_;
  loop& loop_;
  stage next_;
  steady_time schedule_{};
};

class outage_stage {
 public:
  outage_stage(outage_mode options, loop& l, stage next)
      : options_{options}, loop_{l}, next_{std::move(next)}, turn_{std::make_unique<weft::event>(l)} {}

  task<outcome> operator()(const context& ctx, incoming& in) {
    while (in_outage_) {
      if (!probing_) co_return co_await probe(ctx, in);
      if (const auto waited = co_await turn_->wait(ctx); !waited) co_return given_back(waited.error());
    }
    auto o = co_await next_(ctx, in);
    if (o.handled) {
      failures_ = 0;
    } else if (o.handled.error().transient() && ++failures_ >= options_.after) {
      in_outage_ = true;
    }
    co_return o;
  }

 private:
  struct probe_turn {
    outage_stage& stage;
    explicit probe_turn(outage_stage& s) : stage{s} { stage.probing_ = true; }
    ~probe_turn() {
      stage.probing_ = false;
      stage.turn_->pulse();
    }
  };

  task<outcome> probe(const context& ctx, incoming& in) {
    const probe_turn mine{*this};
    if (const auto waited = co_await sleep(loop_, ctx, options_.probe_every); !waited)
      co_return given_back(waited.error());
    auto o = co_await next_(ctx, in);
    if (o.handled || !o.handled.error().transient()) {
      in_outage_ = false;
      failures_ = 0;
    } else if (!o.decided || o.decided->what == settlement::kind::retry) {  // else it has been put aside already
      o.decided = settlement::retry(options_.probe_every, o.handled.error(), attempt_counting::not_counted);
    }
    co_return o;
  }

  outage_mode options_;
  loop& loop_;
  stage next_;
  std::unique_ptr<weft::event> turn_;
  std::uint32_t failures_ = 0;
  bool in_outage_ = false, probing_ = false;
};

}  // namespace

stage standard_stages(stage next, const middleware_wiring& w) { return standard_stage{w.l, std::move(next)}; }

stage retry::wrap(stage next, const middleware_wiring& w) const { return retry_stage{*this, w.l, std::move(next)}; }

result<> retry::validate() const {
  if (max_attempts == 0) return wrong("retry.max_attempts", "at least 1");
  if (first_delay < duration::zero()) return wrong("retry.first_delay", "negative");
  if (max_delay < duration::zero()) return wrong("retry.max_delay", "negative");
  if (!(factor >= 1) || !std::isfinite(factor)) return wrong("retry.factor", "at least 1");
  if (!(jitter >= 0 && jitter <= 1)) return wrong("retry.jitter", "from 0 to 1");
  return {};
}

stage dead_letter::wrap(stage next, const middleware_wiring& w) const {
  return dead_letter_stage{*this, w.l, w.bus, std::move(next)};
}

feature_set dead_letter::needs() const {
  if (!topic.empty()) return {};
  feature_set set{feature::dead_letter};
  if (scope == dead_letter_scope::key) set |= {feature::sequenced_dead_letter};
  return set;
}

result<> dead_letter::validate() const {
  if (topic.empty()) return {};
  if (scope == dead_letter_scope::key)
    return wrong("dead_letter.scope", "what is behind a message can only be parked with the broker, not on a topic");
  return validate_topic(topic);
}

stage deduplicate::wrap(stage next, const middleware_wiring& w) const {
  return deduplicate_stage{store ? store : std::make_shared<memory_duplicate_store>(w.l, max_ids), window,
                           std::move(next)};
}

stage timeout::wrap(stage next, const middleware_wiring& w) const { return timeout_stage{after, w.l, std::move(next)}; }

result<> timeout::validate() const {
  if (after <= duration::zero()) return wrong("timeout.after", "more than nothing");
  return {};
}

stage rate::wrap(stage next, const middleware_wiring& w) const { return rate_stage{*this, w.l, std::move(next)}; }

result<> rate::validate() const {
  if (!(per_second > 0 && per_second <= 1e9)) return wrong("rate.per_second", "more than 0, at most 1e9");
  if (burst == 0) return wrong("rate.burst", "at least 1");
  return {};
}

stage outage_mode::wrap(stage next, const middleware_wiring& w) const {
  return outage_stage{*this, w.l, std::move(next)};
}

result<> outage_mode::validate() const {
  if (after == 0) return wrong("outage_mode.after", "at least 1");
  if (probe_every <= duration::zero()) return wrong("outage_mode.probe_every", "more than nothing");
  return {};
}

}  // namespace weft::messaging
