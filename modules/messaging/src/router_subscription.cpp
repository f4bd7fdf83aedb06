#include "router_subscription.hpp"

#include <weft/base/saturating.hpp>
#include <weft/messaging/cloud_events.hpp>
#include <weft/observe/correlation.hpp>
#include <weft/runtime/guarded.hpp>
#include <weft/runtime/sleep.hpp>

#include <algorithm>

namespace weft::messaging {

namespace {
constexpr auto refused_pause = std::chrono::seconds{30};  // after it refused a dead letter
}  // namespace

bool router::route::takes_topic(std::string_view topic) const {
  return std::ranges::any_of(patterns, [&](const topic_pattern& p) { return p.matches(topic); });
}

router_subscription::router_subscription(router& owner, subscription what, std::uint32_t concurrency)
    : owner_{owner}, loop_{owner.loop_}, what_{std::move(what)}, concurrency_{concurrency}, waiting_{loop_, 0} {
  auto* metrics = owner.options_.metrics;
  if (metrics == nullptr) return;
  handled_ = metrics->add_counter("weft_messaging_handled_total", "Messages handled, by what became of them.",
                                  {"group", "topic", "outcome"});
  took_ = metrics->add_histogram("weft_messaging_handling_duration_seconds", "Time in the handler and its middleware.",
                                 {"group", "topic"});
  gauge_ =
      metrics->add_gauge("weft_messaging_in_flight", "Messages that are being handled.", {"group"}).with({what_.group});
}

void router_subscription::add(router::route r, const subscription& what, std::uint32_t concurrency) {
  routes_.push_back(std::move(r));
  for (const auto& p : what.patterns)
    if (std::ranges::find(what_.patterns, p) == what_.patterns.end()) what_.patterns.push_back(p);
  what_.prefetch = std::max(what_.prefetch, what.prefetch);
  concurrency_ = std::max(concurrency_, concurrency);
}

task<result<>> router_subscription::open(context ctx) {
  chain_ = owner_.build([this](const context& own, incoming& in) { return call_handlers(own, in); }, what_.group);
  auto made = co_await owner_.broker_.subscribe(std::move(ctx), what_);
  if (!made) co_return fail(made.error().with_operation("subscribing to " + routes_.front().label));
  consumer_ = *std::move(made);
  co_return result<>{};
}

void router_subscription::run(task_group& tasks, const context& ctx) {
  const bool kept_in_order = what_.order == ordering::none || owner_.broker_.features().set.has(feature::ordered_retry);
  if (concurrency_ == 1 && kept_in_order) return tasks.spawn(fetch_and_handle(ctx));
  tasks.spawn(fetch(ctx));
  for (std::uint32_t i = 0; i < concurrency_; ++i) tasks.spawn(handle_waiting(ctx));
}

task<void> router_subscription::stop(context ctx) {
  stopping_ = true;
  if (!consumer_) co_return;
  if (const auto stopped = co_await consumer_->stop(std::move(ctx)); !stopped && owner_.options_.log != nullptr)
    owner_.options_.log->warning("a consumer could not be stopped", {{"error", stopped.error().describe()}});
}

// Whether to ask again for messages: the broker connects again by itself.
task<bool> router_subscription::ask_again(const context& ctx, const error& why) {
  if (stopping_ || !ctx.check(loop_.now())) co_return false;
  // What an ephemeral group lost with its connection is told once, and no reason to wait.
  if (why.code() == errc::aborted) co_return true;
  if (owner_.options_.log != nullptr)
    owner_.options_.log->warning("no messages can be fetched", {{"group", what_.group}, {"error", why.describe()}});
  co_return (co_await sleep(loop_, ctx, fetch_pauses_.next(loop_.now(), loop_.random()))).has_value();
}

// One message at a time, straight from the broker.
task<void> router_subscription::fetch_and_handle(context ctx) {
  for (;;) {
    auto d = consumer_->try_next();
    if (!d) {
      auto got = co_await consumer_->next(ctx);
      if (!got && co_await ask_again(ctx, got.error())) continue;
      if (!got || !*got) co_return;
      fetch_pauses_.succeeded(loop_.now());
      d = **std::move(got);
    }
    ++held_;
    work w{.what = *std::move(d)};
    co_await process(ctx, w);
    --held_;
  }
}

task<void> router_subscription::fetch(context ctx) {
  for (;;) {
    auto got = co_await consumer_->next_some(ctx);
    if (!got && co_await ask_again(ctx, got.error())) continue;
    if (!got || got->empty()) break;
    fetch_pauses_.succeeded(loop_.now());
    for (auto& d : *got) admit(std::move(d));
  }
  fetched_all_ = true;
  for (std::uint32_t i = 0; i < concurrency_; ++i) waiting_.release();
}

bool router_subscription::ordered(const message& m) const noexcept {
  return what_.order == ordering::per_key && !m.key.empty();
}

void router_subscription::admit(raw_delivery d) {
  ++held_;
  if (ordered(*d.what)) {
    const auto [lane, fresh] = lanes_.try_emplace(d.what->key);
    if (!fresh) return lane->second.push_back({.what = std::move(d)});
  }
  ready_.push_back({.what = std::move(d)});
  waiting_.release();
}

void router_subscription::next_of_key(const std::string& key) {
  const auto lane = lanes_.find(key);
  if (lane->second.empty()) {
    lanes_.erase(lane);
    return;
  }
  ready_.push_back(std::move(lane->second.front()));
  lane->second.pop_front();
  waiting_.release();
}

task<void> router_subscription::handle_waiting(context ctx) {
  for (;;) {
    // Not under `ctx`: what is left has to be given back.
    static_cast<void>(co_await waiting_.acquire(context{}));
    if (ready_.empty()) {
      if (!fetched_all_) continue;
      waiting_.release();  // for the next worker
      co_return;
    }
    auto w = std::move(ready_.front());
    ready_.pop_front();
    if (stopping_)
      co_await settle(ctx, w.what, settlement::give_back());
    else if (consumer_->holds(w.what.tag))  // else it was lost while it waited here, and comes again
      co_await process(ctx, w);
    --held_;
    if (ordered(*w.what.what)) next_of_key(w.what.what->key);
  }
}

namespace {

struct counted_in {
  std::size_t& count;
  const observe::gauge& shown;
  counted_in(std::size_t& c, const observe::gauge& g) : count{c}, shown{g} {
    ++count;
    shown.add();
  }
  ~counted_in() {
    --count;
    shown.subtract();
  }
};

}  // namespace

// A broker that does not hold up a key, or cannot wait, has it done here: the message stays out, and its key with it.
bool router_subscription::retries_here(const settlement& s, const message& m) const noexcept {
  if (s.what != settlement::kind::retry || stopping_) return false;
  const auto& has = owner_.broker_.features().set;
  return (s.after > duration::zero() && !has.has(feature::delay)) || (ordered(m) && !has.has(feature::ordered_retry));
}

// One coroutine for all of it, and each message costs as few of them as can be.
task<void> router_subscription::process(const context& ctx, work& w) {
  const counted_in here{in_flight_, gauge_};
  for (;;) {
    const auto began = loop_.clock();  // so that what never suspends takes time, too
    incoming in{.raw = w.what, .group = what_.group, .attempt = w.what.attempt + w.local_attempts};
    read(in);
    observe::span span;
    const auto handling = context_for(ctx, in, span);
    outcome o;
    try {
      o = co_await chain_(handling, in);
    } catch (...) {  // a bug, but not the end of the program
      o = {fail(errc::internal, "a middleware threw: " + std::string{current_exception_error().message()}), {}};
    }
    if (!o.handled) span.fail(o.handled.error());
    count(o, label_of(*w.what.what), time_between(began, loop_.clock()));
    auto how = settlement_for(handling, std::move(o));
    if (retries_here(how, *w.what.what)) {
      if (how.cause)
        add_failure(w.what.failures,
                    {how.cause->code(), std::string{how.cause->message()}, in.attempt, loop_.wall_now()});
      if (how.counting == attempt_counting::counted) ++w.local_attempts;
      if (co_await sleep(loop_, ctx, how.after)) continue;
      how = settlement::give_back();
    }
    if (how.what == settlement::kind::ack)
      if (const auto done = consumer_->try_settle(w.what.tag, how); done && *done) co_return;
    co_return co_await settle(ctx, w.what, std::move(how));
  }
}

// The envelope, if any handler of its topic asks for it.
void router_subscription::read(incoming& in) const {
  const auto& topic = in.raw.what->topic;
  bool known = false, event = false;
  for (const auto& r : routes_) {
    if (!r.takes_topic(topic)) continue;
    known = true;
    event = event || r.type.has_value();
  }
  if (!known) {  // a durable group has what any of its subscriptions ever asked for
    const error none{errc::unimplemented, "no handler of group '" + what_.group + "' takes the topic '" + topic + "'"};
    in.unreadable = none;
  }
  if (!event) return;
  const auto envelope = view_event(*in.raw.what, in.unpacked);
  if (envelope)
    in.envelope = *envelope;
  else
    in.unreadable = envelope.error();
}

bool router_subscription::names(std::string_view type, std::string_view topic) const {
  return std::ranges::any_of(routes_, [&](const router::route& r) {
    return r.type && !type.empty() && *r.type == type && r.takes_topic(topic);
  });
}

bool router_subscription::takes(const router::route& r, const incoming& in) const {
  const auto& topic = in.raw.what->topic;
  if (!r.takes_topic(topic)) return false;
  if (!r.type) return true;
  return r.type->empty() ? !names(in.envelope->type, topic) : *r.type == in.envelope->type;
}

task<result<>> router_subscription::call_handlers(const context& ctx, incoming& in) {
  bool taken = false, kept = false;
  for (auto& r : routes_) {
    if (!takes(r, in)) {
      kept = kept || (r.others == other_types::dead_letter && r.takes_topic(in.raw.what->topic));
      continue;
    }
    taken = true;
    if (auto said = co_await r.call(ctx, in); !said || in.unreadable) co_return said;
  }
  if (!taken && kept) {
    in.unreadable = error{errc::unimplemented, "no handler of group '" + what_.group + "' takes events of type '" +
                                                   std::string{in.envelope->type} + "'"};
    co_return fail(*in.unreadable);
  }
  co_return result<>{};
}

std::string_view router_subscription::label_of(const message& m) const {
  if (routes_.size() > 1)
    for (const auto& r : routes_)
      if (r.takes_topic(m.topic)) return r.label;
  return routes_.front().label;
}

settlement router_subscription::settlement_for(const context& ctx, outcome&& o) const {
  // What failed because the router gave up on it was not handled.
  if (!o.handled && ctx.cancellation().cancelled()) return settlement::give_back();
  if (o.decided) return *std::move(o.decided);
  if (o.handled) return settlement::ack();
  return settlement::retry(refused_pause, o.handled.error());
}

context router_subscription::context_for(const context& ctx, const incoming& in, observe::span& span) const {
  auto own = ctx;
  if (in.envelope) {
    const auto& e = *in.envelope;
    if (const auto correlation = e.get(extension::correlationid); !correlation.empty())
      own = observe::correlation::ensure(own, correlation, loop_.random());
    if (const auto parent = e.get(extension::traceparent); !parent.empty()) {
      const auto state = e.get(extension::tracestate);
      auto position = observe::extract({&parent, 1}, {&state, state.empty() ? 0U : 1U});
      if (position.valid()) own = own.with_trace(std::move(position));
    }
  }
  const auto* tracer = owner_.options_.tracer;
  if (tracer == nullptr) return own;
  span = tracer->start(own, "process " + std::string{label_of(*in.raw.what)}, {.kind = observe::span_kind::consumer});
  if (span.recording()) {
    span.set("messaging.destination.name", in.raw.what->topic);
    span.set("messaging.consumer.group.name", what_.group);
    span.set("messaging.message.id", in.raw.what->id);
    span.set("weft.messaging.attempt", in.attempt);
  }
  return span.ctx();
}

void router_subscription::count(const outcome& o, std::string_view label, duration took) const {
  if (owner_.options_.metrics == nullptr) return;
  const auto what = o.decided ? to_string(o.decided->what) : std::string_view{o.handled ? "ack" : "retry"};
  handled_.with({what_.group, label, what}).add();
  took_.with({what_.group, label}).record(took);
}

task<void> router_subscription::settle(const context& ctx, const raw_delivery& d, settlement how) {
  if (how.what == settlement::kind::dead_letter && owner_.options_.log != nullptr)
    owner_.options_.log->error(
        "a message goes to the dead letters",
        {{"group", what_.group}, {"message", d.what->id}, {"topic", d.what->topic}, {"reason", how.reason}});
  backoff pauses{{.initial = std::chrono::milliseconds{200}, .max = std::chrono::seconds{10}}};
  for (;;) {
    const auto limited = context{}.with_timeout(loop_, owner_.options_.settle_timeout);
    const auto settled = co_await consumer_->settle(limited, d.tag, how);
    if (settled || settled.error().code() == errc::aborted) co_return;
    could_not_settle(d, settled.error());
    // It holds its place until it is settled. What cannot be put aside comes again later.
    if (how.what == settlement::kind::dead_letter) {
      how = settlement::retry(refused_pause, how.cause, attempt_counting::not_counted);
      continue;
    }
    if (!co_await sleep(loop_, ctx, pauses.next(loop_.now(), loop_.random()))) co_return;
  }
}

void router_subscription::could_not_settle(const raw_delivery& d, const error& why) const {
  if (why.code() == errc::aborted || owner_.options_.log == nullptr) return;  // aborted: it was lost, and comes again
  owner_.options_.log->warning("a message could not be settled", {{"message", d.what->id}, {"error", why.describe()}});
}

}  // namespace weft::messaging
