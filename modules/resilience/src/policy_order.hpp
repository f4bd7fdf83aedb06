#pragma once
// The names of policies in configuration, and the order in which they act.
#include <weft/resilience/policy_set.hpp>

#include <string_view>
#include <vector>

namespace weft::resilience {

// In the usual order.
[[nodiscard]] std::vector<std::string_view> used_kinds(const policy& p);
[[nodiscard]] std::vector<std::string_view> order_of(const policy& p);
[[nodiscard]] detail::policy_kind kind_of(std::string_view name);

}  // namespace weft::resilience
