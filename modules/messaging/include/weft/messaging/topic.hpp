#pragma once
// A topic and the type of what is said on it.
//
//     inline constexpr messaging::topic<order_placed> orders_placed{"orders.placed.v1"};
//     inline constexpr messaging::topic<user> user_created{.name = "user.created", .version = 3};
#include <cstdint>
#include <string_view>

namespace weft::messaging {

template <class Event>
struct topic {
  using event_type = Event;

  std::string_view name;
  std::uint32_t version = 1;   // of the data's schema, in the extension schemaversion
  std::string_view type = {};  // the CloudEvents type; empty: the topic's name

  [[nodiscard]] constexpr std::string_view event_type_name() const noexcept { return type.empty() ? name : type; }
};

// A question on a topic, and the type of its answer (rpc.hpp).
template <class Request, class Reply>
struct procedure {
  std::string_view name;
};

}  // namespace weft::messaging
