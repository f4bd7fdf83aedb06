#pragma once
// The limits that the URL of an embedded broker may name: "memory:name?max_messages=1000&max_bytes=1000000".
#include <weft/base/error.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace weft::messaging {

struct url_limit {
  std::string_view name;
  std::size_t* value;
};

// Writes what the query names. errc::invalid_argument: a name that is not among `known`, with those that are; a value
// that is no whole number. `scheme` is for messages: "memory".
[[nodiscard]] result<> read_limits(std::string_view scheme, std::string_view query, std::span<const url_limit> known);

}  // namespace weft::messaging
