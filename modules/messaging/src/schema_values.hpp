#pragma once
// Whether a schema takes a value, where that can be said.
#include <cstdint>

#include "schema_document.hpp"

namespace weft::messaging::schema {

enum class verdict : std::uint8_t { no, unknown, yes };

// Both of two.
[[nodiscard]] constexpr verdict both(verdict a, verdict b) noexcept { return a < b ? a : b; }
// `unknown` for keywords that are not understood here, for patterns and formats, and for references that lead nowhere.
[[nodiscard]] verdict accepts(const schema_document& document, const json::value& schema, const json::value& value);

// The kinds of values there are. A number that is no integer is one of its own.
enum : std::uint8_t {
  type_null = 1,
  type_boolean = 2,
  type_object = 4,
  type_array = 8,
  type_string = 16,
  type_integer = 32,
  type_fraction = 64,
  type_number = type_integer | type_fraction,
  type_any = 127,
};
using type_set = std::uint8_t;

[[nodiscard]] type_set type_of(const json::value& v);
// What "type" allows; nothing when it names a type that there is not.
[[nodiscard]] std::optional<type_set> types_of(const boost::json::object& schema);
// Keywords that say nothing about values.
[[nodiscard]] bool is_remark(std::string_view keyword);

}  // namespace weft::messaging::schema
