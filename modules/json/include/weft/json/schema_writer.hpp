#pragma once
// Writes the JSON Schema (2020-12) of one type, keyword by keyword; codec<T>::schema() fills an object that is open:
//
//     static void schema(json::schema_writer& s) {
//       s.keyword("type", "string");
//       s.keyword("pattern", "^[A-Z]{3}$");
//     }
//
// Named types go to $defs, once each, and are referred to: so recursive types end, and the order is that of first use.
#include <weft/json/options.hpp>
#include <weft/json/writer.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::json {

struct schema_options {
  // As decode_options: refuse writes "additionalProperties": false, keep_default requires nothing and writes "default".
  json::unknown_fields unknown_fields = json::unknown_fields::ignore;
  json::missing_fields missing_fields = json::missing_fields::refuse;
};

class schema_writer {
 public:
  using body = void (*)(schema_writer&);

  explicit schema_writer(const schema_options& options) : options_{options} {}

  void keyword(std::string_view key, std::string_view text);
  void keyword(std::string_view key, const char* text) { keyword(key, std::string_view{text}); }
  void integer(std::string_view key, std::int64_t value);
  void unsigned_integer(std::string_view key, std::uint64_t value);
  void boolean(std::string_view key, bool value);
  // A keyword whose value is JSON text already.
  void raw(std::string_view key, std::string_view json);
  // A keyword whose value is a schema: "items".
  void schema(std::string_view key, body of);
  // A keyword whose value is a list of schemas: "anyOf".
  void schemas(std::string_view key, std::vector<body> of);

  // "type": "object" and its properties, between the two calls.
  void begin_properties();
  void property(std::string_view name, std::string_view description, body of, std::string_view default_json = {});
  // A property with one possible value: a tag.
  void constant(std::string_view name, std::string_view value);
  void end_properties(const std::vector<std::string_view>& required);

  // Refers to a schema of its own in $defs. `id` is the same for the same type, and only compared.
  void refer(const void* id, std::string_view name, body of);

  [[nodiscard]] const schema_options& options() const noexcept { return options_; }
  // The whole document for a type.
  [[nodiscard]] static std::string document(body of, const schema_options& options);

 private:
  struct definition {
    const void* id;
    std::string name;
    body of;
  };
  [[nodiscard]] std::string name_for(std::string_view wanted) const;

  schema_options options_;
  writer out_;
  std::vector<definition> definitions_;
};

}  // namespace weft::json
