#pragma once
// What is wrong with options, where, and what to do about it.
//
//     for (const auto& p : lint(breaker, "$.policies.pricing.circuit_breaker")) print(p.describe());
//
// An error makes the policy impossible to build: constructors throw std::invalid_argument with its text. A warning is
// legal and most likely not meant.
#include <weft/resilience/policies.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace weft::resilience {

enum class severity : std::uint8_t { error, warning };

struct problem {
  std::string path;  // "$.policies.pricing.retry.base_delay"
  std::string what;
  std::string remedy;
  resilience::severity severity = severity::error;
  [[nodiscard]] std::string describe() const;  // "path: what; remedy"
};
using problems = std::vector<problem>;

[[nodiscard]] problems lint(const retry& options, std::string_view path);
[[nodiscard]] problems lint(const circuit_breaker& options, std::string_view path);
[[nodiscard]] problems lint(const timeout& options, std::string_view path);
[[nodiscard]] problems lint(const bulkhead& options, std::string_view path);
[[nodiscard]] problems lint(const rate_limit& options, std::string_view path);
[[nodiscard]] problems lint(const hedge& options, std::string_view path);
[[nodiscard]] problems lint(const adaptive_concurrency& options, std::string_view path);
[[nodiscard]] problems lint(const load_shed& options, std::string_view path);
[[nodiscard]] problems lint(const cache_options& options, std::string_view path);

// Throws std::invalid_argument with the first error.
void require_sound(const problems& found);

template <class Options>
const Options& checked(const Options& options, std::string_view path) {
  require_sound(lint(options, path));
  return options;
}

}  // namespace weft::resilience
