#pragma once
// JSON Schema (2020-12, https://json-schema.org/draft/2020-12) out of a type: what decode<T> accepts.
//
//     std::string text = json::schema_text<order>();
//     json::value schema = json::schema_of<order>();
//
// Described structs are in $defs, by their name, in the order of first use; fields are in the order of declaration.
// A field is required unless its type is optional; optionals also take null. traits<T> adds descriptions.
#include <weft/json/value.hpp>

#include <string>

namespace weft::json {

template <class T>
[[nodiscard]] std::string schema_text(const schema_options& options = {}) {
  return schema_writer::document(&codec<T>::schema, options);
}

template <class T>
[[nodiscard]] value schema_of(const schema_options& options = {}) {
  return detail::parse_own(schema_text<T>(options));
}

}  // namespace weft::json
