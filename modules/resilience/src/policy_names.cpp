#include <weft/base/closest_name.hpp>
#include <weft/resilience/policy_names.hpp>

#include <algorithm>

namespace weft::resilience {

name_differences compare_names(std::span<const std::string> asked, std::span<const std::string> configured) {
  name_differences found;
  for (const auto& name : asked)
    if (std::ranges::find(configured, name) == configured.end()) found.missing.push_back(name);
  for (const auto& name : configured) {
    if (std::ranges::find(asked, name) != asked.end()) continue;
    const std::vector<std::string_view> possible{found.missing.begin(), found.missing.end()};
    const std::string meant{closest_name(name, possible)};
    if (meant.empty()) {
      found.unused.push_back(name);
      continue;
    }
    found.misspelt.push_back({.asked = meant, .configured = name});
    std::erase(found.missing, meant);
  }
  return found;
}

}  // namespace weft::resilience
