#pragma once
// Names a method on the wire.
#include <cstdint>

namespace weft::amqp {

struct method_id {
  std::uint16_t class_number = 0, method_number = 0;
  friend constexpr bool operator==(const method_id&, const method_id&) = default;
};

}  // namespace weft::amqp
