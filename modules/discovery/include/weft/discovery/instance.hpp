#pragma once
// One running copy of a service, and all of them at one moment.
//
//     instance posts_1{.id = "posts-1", .service = "posts", .where = {.host = "10.0.0.3", .port = 8081}};
//
// Plain values, any thread.
#include <weft/net/endpoint.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft::discovery {

// What the registry says about an instance. Checks of our own and outlier detection come on top (cluster.hpp).
enum class health_state : std::uint8_t {
  unknown,   // the registry does not check: usable
  passing,   // usable
  warning,   // usable
  critical,  // not usable
  draining,  // about to leave: calls under way go on, new ones go elsewhere
};
[[nodiscard]] std::string_view to_string(health_state s) noexcept;
[[nodiscard]] constexpr bool usable(health_state s) noexcept { return s <= health_state::warning; }

using label_map = std::map<std::string, std::string, std::less<>>;

struct instance {
  // Unique in its service, and the same for as long as the instance lives. Consul's service ID; where several nodes
  // have the same one, "ID@node".
  std::string id;
  std::string service;
  net::endpoint where;       // a name or a literal address, and a port
  std::string zone;          // empty: not known
  std::uint32_t weight = 1;  // the share of calls relative to the others; 0: none
  // The lowest that has a healthy instance takes the calls; the others stand by (RFC 2782).
  std::uint16_t priority = 0;
  label_map labels;  // "version" -> "2"; a tag without a value maps to ""
  health_state state = health_state::unknown;

  friend bool operator==(const instance&, const instance&) = default;
};

// Every instance of a service, sorted by id, each id once.
struct snapshot {
  std::vector<instance> instances;

  friend bool operator==(const snapshot&, const snapshot&) = default;
};

// Sorts; of several with one id the first stays.
[[nodiscard]] snapshot make_snapshot(std::vector<instance> instances);

}  // namespace weft::discovery
