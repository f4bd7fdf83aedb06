#pragma once
// JSON Schema in few words, for people who look for the field that changed.
//
//     shape_at(schema, "$.items[].count")       // "required integer"
//     shapes(schema)                            // {"$.items": "required array", "$.items[].count": ...}
#include <weft/json/value.hpp>

#include <map>
#include <string>
#include <string_view>

namespace weft::cli {

// The part of the schema that a path of messaging::incompatibility leads to; "absent" where there is none.
[[nodiscard]] std::string shape_at(const json::value& schema, std::string_view path);

// All fields, by path; what is recursive ends where it begins again.
[[nodiscard]] std::map<std::string, std::string> shapes(const json::value& schema);

}  // namespace weft::cli
