#include <weft/discovery/instance.hpp>

#include <map>

namespace weft::discovery {

std::string_view to_string(health_state s) noexcept {
  switch (s) {
    case health_state::unknown:
      return "unknown";
    case health_state::passing:
      return "passing";
    case health_state::warning:
      return "warning";
    case health_state::critical:
      return "critical";
    case health_state::draining:
      return "draining";
  }
  return "unknown";
}

snapshot make_snapshot(std::vector<instance> instances) {
  std::map<std::string, instance> by_id;
  for (auto& i : instances) {
    auto id = i.id;
    by_id.try_emplace(std::move(id), std::move(i));
  }
  snapshot s;
  s.instances.reserve(by_id.size());
  for (auto& [id, i] : by_id) s.instances.push_back(std::move(i));
  return s;
}

}  // namespace weft::discovery
