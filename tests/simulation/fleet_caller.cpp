#include "fleet_caller.hpp"

#include <weft/http/limits.hpp>
#include <weft/runtime/sleep.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace fleet {

using namespace weft;
using namespace std::chrono_literals;
using resilience::reason;

namespace {

template <class Core, class Options>
std::shared_ptr<Core> shared(const Options& o) {
  return std::make_shared<Core>(o);
}

// What an error may give as its reason: a text of none of these kinds explains nothing.
constexpr std::array<std::string_view, 9> explanations{"timed out",   "deadline",     "breaker open",
                                                       "bulkhead",    "rate limited", "answered",
                                                       "concurrency", "failed",       "content"};

bool explains(std::string_view text) {
  return std::ranges::any_of(explanations,
                             [text](std::string_view e) { return text.find(e) != std::string_view::npos; });
}

std::string milliseconds(duration d) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(d).count()) + " ms";
}

}  // namespace

struct caller::one_call {
  std::uint64_t number = 0;
  bool safe = true;
  steady_time began, deadline;
  resilience::decision_record record{};
};

caller::caller(testkit::host& h, ledger& book, std::unique_ptr<discovery::registry> where,
               discovery::service_client_options options, const guard_options& guards)
    : host_{h},
      book_{book},
      guards_{guards},
      max_connections_{options.http.max_connections},
      max_waiting_{options.http.max_waiting},
      registry_{std::move(where)},
      retry_{shared<resilience::retry_core>(guards.retry)},
      breaker_{shared<resilience::breaker_core>(guards.breaker)},
      bulkhead_{shared<resilience::bulkhead_core>(guards.bulkhead)},
      client_{h.loop(),  *registry_, std::move(options), guards.overall,  guards.rate,
              bulkhead_, retry_,     breaker_,           guards.adaptive, guards.attempt},
      calls_{h.loop()} {
  breaker_->on_change([this](const resilience::breaker_event& e) {
    host_.trace("breaker " + std::string{to_string(e.to)} + ": " + e.cause.describe());
  });
}

task<void> caller::run(load what) {
  auto& loop = host_.loop();
  const auto start = loop.now();
  static_cast<void>(co_await client_.ready({}));
  for (;;) {
    const auto elapsed = loop.now() - start;
    if (elapsed >= what.until) co_return;
    const bool spike = elapsed >= what.spike_from && elapsed < what.spike_until;
    const auto mean = 1e9 / (what.per_second * (spike ? what.spike_factor : 1));
    auto pause = duration{static_cast<duration::rep>(-std::log(1 - loop.random().uniform()) * mean)};
    if (elapsed < what.spike_from) pause = std::min(pause, what.spike_from - elapsed);
    static_cast<void>(co_await weft::sleep(loop, {}, pause));
    calls_.spawn(call(what));
  }
}

task<void> caller::call(load what) {
  auto& loop = host_.loop();
  one_call c{.number = book_.offered++, .safe = !loop.random().chance(what.unsafe), .began = loop.now()};
  book_.arrivals_of.push_back(0);
  context ctx;
  c.deadline = c.began + guards_.overall.after;
  if (loop.random().chance(what.own_deadline)) {
    ctx = ctx.with_timeout(loop, 300ms + duration{loop.random().between(0, 1'500'000'000)});
    c.deadline = std::min(c.deadline, ctx.deadline());
  }
  http::request r{c.safe ? http::method::get : http::method::post, "/posts/" + std::to_string(c.number)};
  auto answer = co_await client_.send(ctx, std::move(r), {.record = &c.record});
  result<std::string> text = fail(errc::internal);
  if (!answer)
    text = fail(std::move(answer).error());
  else if (!answer->ok())
    text = fail(errc::unavailable, "answered " + std::to_string(http::to_int(answer->status)));
  else if (auto content = co_await answer->content.text(); content)
    text = std::string{*content};
  else
    text = fail(std::move(content).error());
  check_answer(c, text, what);
  check_bounds();
}

void caller::check_answer(const one_call& c, const result<std::string>& answer, const load& what) {
  auto& sim = host_.simulation();
  const auto took = sim.now() - c.began;
  const auto who = "call " + std::to_string(c.number);
  sim.check(sim.now() <= c.deadline, who + " returned after " + milliseconds(took) + ", past its deadline of " +
                                         milliseconds(c.deadline - c.began));
  const auto& attempts = c.record.entries();
  if (book_.arrivals_of[c.number] > 0 || answer || std::ranges::any_of(attempts, [](const resilience::decision& d) {
        return d.attempt > 0 && d.why <= reason::timed_out;
      }))
    ++book_.sent;
  sim.check(c.safe || book_.arrivals_of[c.number] <= 1, who + " is not idempotent, and arrived more than once");
  if (answer) {
    ++book_.succeeded;
    if (book_.keep_latencies) book_.latencies.push_back(took);
    return;
  }
  const auto told = answer.error().describe();
  sim.check(explains(told), who + " failed without a reason: " + told);
  sim.check(c.began - sim.now() + sim.elapsed() < what.calm_from,
            who + " failed although the faults are over: " + told);
}

void caller::check_bounds() {
  auto& sim = host_.simulation();
  const auto wire = client_.connections();
  const auto hosts = client_.instances().hosts().count().known;
  sim.check(wire.connections <= max_connections_ * std::max<std::size_t>(hosts, 5), "too many connections");
  sim.check(wire.waiting <= max_waiting_ * std::max<std::size_t>(hosts, 5), "too many calls wait for a connection");
  sim.check(
      bulkhead_->in_flight() <= guards_.bulkhead.max_concurrent && bulkhead_->queued() <= guards_.bulkhead.max_queued,
      "the bulkhead let more in than it may");
  const auto most = guards_.bulkhead.max_concurrent + guards_.bulkhead.max_queued + 1;
  sim.check(calls_.size() <= most, std::to_string(calls_.size()) + " calls are under way");
}

void caller::check_nothing_is_left(testkit::simulation& sim) const {
  const auto& name = host_.name();
  sim.check(breaker_->state() == resilience::breaker_state::closed, name + "'s breaker is " +
                                                                        std::string{to_string(breaker_->state())} +
                                                                        " in the end: " + breaker_->cause().describe());
  const auto& budget = retry_->budget();
  sim.check(budget.active_requests() == 0 && budget.active_retries() == 0, name + "'s retry budget lost count");
  sim.check(bulkhead_->in_flight() == 0 && bulkhead_->queued() == 0, name + "'s bulkhead lost count");
  for (const auto& h : client_.instances().hosts().hosts())
    sim.check(h->active == 0, name + " counts calls to " + h->info.id + " that have ended");
  const auto wire = client_.connections();
  sim.check(wire.waiting == 0 && wire.idle == wire.connections, name + " keeps connections that nobody uses");
}

}  // namespace fleet
