#include "middleware_order.hpp"

#include "layer.hpp"

#include <algorithm>
#include <array>

namespace weft::http::detail {

namespace {

struct order_rule {
  std::string_view outer, inner, problem;
};

constexpr std::array<std::string_view, 6> that_respond{"limit_content", "limit_time",          "cors",
                                                       "inject_faults", "decompress_requests", "catch_exceptions"};

constexpr std::array rules{
    order_rule{"limit_content", "decompress_requests",
               "limits the compressed body alone; use limit_content after decompress_requests"},
    order_rule{"compress_responses", "compress_responses", "compresses twice; use it once"},
    order_rule{"decompress_requests", "decompress_requests", "leaves nothing to the second; use it once"},
    order_rule{"cors", "cors",
               "answers preflight requests before the second sees them; use one that knows all origins"},
    order_rule{"instrument", "instrument", "counts and logs every request twice; an application instruments already"},
    order_rule{"catch_exceptions", "catch_exceptions", "never sees an exception; use it once"},
};

std::optional<std::string> pair_problem(const named_middleware& outer, const named_middleware& inner) {
  const auto told = [&](std::string_view problem) {
    return std::string{outer.name} + " around " + std::string{inner.name} + " " + std::string{problem};
  };
  const auto* rule =
      std::ranges::find_if(rules, [&](const order_rule& r) { return r.outer == outer.name && r.inner == inner.name; });
  if (rule != rules.end()) return told(rule->problem);
  if (inner.name == "instrument" && std::ranges::find(that_respond, outer.name) != that_respond.end())
    return told("responds without a log line, metrics and a correlation id; use instrument first");
  if (outer.name == "limit_content" && inner.name == "limit_content" && inner.bound > outer.bound)
    return told("never allows the " + std::to_string(inner.bound) + " bytes of the inner one, but " +
                std::to_string(outer.bound) + "; give these routes a router without the smaller limit");
  if (outer.name == "served_within" && inner.name == "limit_content" && inner.bound > outer.bound)
    return "limit_content never allows its " + std::to_string(inner.bound) +
           " bytes, since the server refuses more than " + std::to_string(outer.bound) +
           "; raise the server's max_body_bytes, or lower this limit";
  return std::nullopt;
}

}  // namespace

std::optional<std::string> order_problem(const std::vector<middleware>& around) {
  for (auto inner = around.begin(); inner != around.end(); ++inner) {
    const auto* within = inner->target<named_middleware>();
    bool inflated = false;  // what was small for the server may be large here
    for (auto outer = inner; within != nullptr && outer != around.begin();) {
      const auto* without = (--outer)->target<named_middleware>();
      if (without == nullptr) continue;
      inflated = inflated || without->name == "decompress_requests";
      if (inflated && without->name == "served_within") continue;
      if (auto problem = pair_problem(*without, *within)) return problem;
    }
  }
  return std::nullopt;
}

}  // namespace weft::http::detail
