#include <weft/resilience/detail/engine.hpp>

#include <boost/describe/enum_to_string.hpp>
#include <optional>
#include <stdexcept>

namespace weft::resilience::detail {

BOOST_DESCRIBE_ENUM(policy_kind, fallback, cache, load_shed, rate_limit, keyed_rate_limit, timeout, retry, hedge,
                    circuit_breaker, bulkhead, adaptive_concurrency)

std::string_view to_string(policy_kind k) noexcept { return boost::describe::enum_to_string(k, "unknown"); }

namespace {

constexpr std::size_t most_stages = 16, most_each_side = 12;

[[noreturn]] void refuse(const std::string& what, std::string_view remedy) {
  throw std::invalid_argument{"pipeline: " + what + "; " + std::string{remedy}};
}

using places = std::vector<std::size_t>;

places of(const std::vector<stage>& stages, policy_kind kind) {
  places found;
  for (std::size_t i = 0; i < stages.size(); ++i)
    if (stages[i].kind == kind) found.push_back(i);
  return found;
}

std::optional<std::size_t> only(const std::vector<stage>& stages, policy_kind kind) {
  const auto found = of(stages, kind);
  if (found.empty()) return std::nullopt;
  if (found.size() > 1)
    refuse("two " + std::string{to_string(kind)} + " policies",
           kind == policy_kind::retry ? "their attempts would multiply: keep one" : "keep one");
  return found[0];
}

void outermost_first(const std::vector<stage>& stages, std::optional<std::size_t> fallback,
                     std::optional<std::size_t> cache) {
  if (fallback && *fallback != 0)
    refuse("fallback stands inside " + std::string{to_string(stages[*fallback - 1].kind)},
           "name it first: what is outside of it cannot be answered by it");
  const std::size_t first = fallback ? 1 : 0;
  if (cache && *cache != first)
    refuse("cache stands inside " + std::string{to_string(stages[*cache - 1].kind)},
           "name it before all but fallback: what is in the cache needs no attempt, permit or limit");
}

// The two sides of retry are different places: around all attempts, and around each.
void once_each_side(const std::vector<stage>& stages, policy_kind kind, std::optional<std::size_t> retry) {
  const auto found = of(stages, kind);
  if (found.size() < 2) return;
  const bool one_each = found.size() == 2 && retry && found[0] < *retry && found[1] > *retry;
  if (!one_each)
    refuse("two " + std::string{to_string(kind)} + " policies on the same side of retry",
           "keep one, or one outside retry (for the call) and one inside (for each attempt)");
}

bool same_side(std::size_t a, std::size_t b, std::optional<std::size_t> retry) {
  return !retry || (a < *retry) == (b < *retry);
}

// A call must not wait in a queue, or spend from a limit, to learn then that the breaker refuses it.
void breaker_before(const std::vector<stage>& stages, policy_kind kind, std::optional<std::size_t> retry) {
  for (const auto breaker : of(stages, policy_kind::circuit_breaker))
    for (const auto other : of(stages, kind))
      if (other < breaker && same_side(other, breaker, retry))
        refuse("circuit_breaker stands inside " + std::string{to_string(kind)},
               "name it before: a call would wait or pay for a permit that an open breaker makes useless");
}

}  // namespace

void check_composition(const std::vector<stage>& stages) {
  if (stages.size() > most_stages) refuse("more than 16 policies", "split it");
  const auto fallback = only(stages, policy_kind::fallback), cache = only(stages, policy_kind::cache);
  const auto retry = only(stages, policy_kind::retry), hedge = only(stages, policy_kind::hedge);
  const auto shed = only(stages, policy_kind::load_shed);
  outermost_first(stages, fallback, cache);
  if (shed && retry && *shed > *retry)
    refuse("load_shed stands inside retry", "name it before: what is shed must not come back at once");
  if (hedge && retry && *hedge < *retry)
    refuse("retry stands inside hedge", "name retry before: each hedge would run retries of its own");
  for (const auto kind : {policy_kind::timeout, policy_kind::circuit_breaker, policy_kind::bulkhead,
                          policy_kind::rate_limit, policy_kind::keyed_rate_limit, policy_kind::adaptive_concurrency})
    once_each_side(stages, kind, retry);
  breaker_before(stages, policy_kind::bulkhead, retry);
  breaker_before(stages, policy_kind::adaptive_concurrency, retry);
  breaker_before(stages, policy_kind::rate_limit, retry);
  const auto timeouts = of(stages, policy_kind::timeout);
  if (timeouts.size() == 2 && stages[timeouts[1]].after != duration::max() &&
      stages[timeouts[1]].after >= stages[timeouts[0]].after)
    refuse("the timeout inside retry is not shorter than the one outside",
           "shorten it: otherwise no attempt after one that timed out could ever start");
  static_assert(most_each_side <= 12);
}

}  // namespace weft::resilience::detail
