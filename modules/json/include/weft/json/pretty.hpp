#pragma once
// JSON for people: two spaces deep, a line for each member and element.
//
//     std::string text = json::pretty(v);       // {\n  "id": 7,\n  "tags": [\n    "new"\n  ]\n}
#include <weft/json/value.hpp>

#include <string>

namespace weft::json {

// In the order of the objects, without a newline at the end. Empty objects and arrays stay on their line.
[[nodiscard]] std::string pretty(const value& v);

}  // namespace weft::json
