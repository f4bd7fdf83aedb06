#include <weft/resilience/decision_record.hpp>

#include "text.hpp"

#include <algorithm>
#include <boost/describe/enum_to_string.hpp>

namespace weft::resilience {

std::string_view to_string(reason r) noexcept { return boost::describe::enum_to_string(r, "unknown"); }

namespace {

std::string attempt_text(const decision& d) {
  auto text = "try " + std::to_string(d.attempt);
  if (!d.peer.empty()) text.append(" to ").append(d.peer);
  if (d.why == reason::succeeded) return text + " succeeded after " + text::of(d.took);
  if (d.why == reason::timed_out) return text + " timed out after " + text::of(d.took);
  if (d.status != 0) return text + " answered " + std::to_string(d.status) + " after " + text::of(d.took);
  text += " failed";
  if (d.code) text.append(": ").append(to_string(*d.code));
  return text + " after " + text::of(d.took);
}

std::string share(const decision& d) { return std::to_string(d.part) + " of " + std::to_string(d.whole); }

std::string breaker_text(const decision& d) {
  auto text = std::string{"breaker open"};
  if (const auto why = d.cause.describe(); !why.empty()) text.append(": ").append(why);
  return text;
}

std::string plain_text(const decision& d) {
  switch (d.why) {
    case reason::succeeded:
    case reason::failed:
      return attempt_text(d);
    case reason::timed_out:
      return d.attempt > 0 ? attempt_text(d) : "timed out after " + text::of(d.took);
    case reason::retried:
      return "waited " + text::of(d.wait);
    case reason::hedged:
      return "hedged after " + text::of(d.wait);
    case reason::not_retriable:
      return "no retry: this is not retried";
    case reason::not_idempotent:
      return "no retry: not idempotent, and it may have been processed";
    case reason::committed:
      return "no retry: the answer was handed on already";
    case reason::pushed_back:
      return "no retry: the callee forbade it";
    case reason::attempts_exhausted:
      return "no retry: that was the last of " + std::to_string(d.whole) + " attempts";
    case reason::budget_exhausted:
      return "no retry: retry budget exhausted";
    case reason::deadline_too_close:
      return "no retry: the deadline is too close";
    case reason::retry_after_too_long:
      return "no retry: the callee asks for " + text::of(d.wait) + ", longer than this call waits";
    case reason::hedge_budget_exhausted:
      return "no hedge: hedge budget exhausted";
    case reason::breaker_open:
      return breaker_text(d);
    case reason::bulkhead_full:
      return "bulkhead full: " + share(d) + " calls under way and the queue is full";
    case reason::bulkhead_timeout:
      return "bulkhead: no permit within " + text::of(d.wait);
    case reason::rate_limited:
      return d.wait == duration::max() ? "rate limited: it costs more than the limit"
                                       : "rate limited: again in " + text::of(d.wait);
    case reason::limiter_unavailable:
      return "the rate limiter's store does not answer";
    case reason::concurrency_limited:
      return "concurrency limit: " + share(d) + " calls under way";
    case reason::shed:
      return "shed: " + share(d) + " calls in flight for its priority";
    case reason::cancelled:
      return "given up before it was sent";
    case reason::cache_hit:
      return "cache: " + text::of(d.wait) + " old";
    case reason::served_stale:
      return "stale cache: " + text::of(d.wait) + " old";
    case reason::fallback_used:
      return "fallback used";
    case reason::fallback_failed:
      return "fallback failed";
  }
  return "unknown";
}

}  // namespace

std::string decision::describe() const {
  const auto text = plain_text(*this);
  const bool refusal = why >= reason::breaker_open && why <= reason::shed;
  const auto told = refusal && attempt > 0 ? "try " + std::to_string(attempt) + " refused: " + text : text;
  return shadow ? "(shadow) " + told : told;
}

void decision_record::add(decision d) {
  if (entries_.size() < most)
    entries_.push_back(std::move(d));
  else
    ++left_out_;
}

bool decision_record::has(reason r) const noexcept {
  return std::ranges::any_of(entries_, [&](const decision& d) { return d.why == r && !d.shadow; });
}

std::string decision_record::describe() const {
  std::string text;
  for (const auto& d : entries_) {
    if (!text.empty()) text += "; ";
    text += d.describe();
  }
  if (left_out_ > 0) text += "; and " + std::to_string(left_out_) + " more";
  return text;
}

}  // namespace weft::resilience
