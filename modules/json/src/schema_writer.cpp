#include <weft/json/schema_writer.hpp>

#include <algorithm>

namespace weft::json {

void schema_writer::keyword(std::string_view key, std::string_view text) {
  out_.member(key);
  out_.string(text);
}

void schema_writer::integer(std::string_view key, std::int64_t value) {
  out_.member(key);
  out_.number(value);
}

void schema_writer::unsigned_integer(std::string_view key, std::uint64_t value) {
  out_.member(key);
  out_.unsigned_number(value);
}

void schema_writer::boolean(std::string_view key, bool value) {
  out_.member(key);
  out_.boolean(value);
}

void schema_writer::raw(std::string_view key, std::string_view json) {
  out_.member(key);
  out_.raw(json);
}

void schema_writer::schema(std::string_view key, body of) {
  out_.member(key);
  out_.begin_object();
  of(*this);
  out_.end_object();
}

void schema_writer::schemas(std::string_view key, std::vector<body> of) {
  out_.member(key);
  out_.begin_array();
  for (const body one : of) {
    out_.element();
    out_.begin_object();
    one(*this);
    out_.end_object();
  }
  out_.end_array();
}

void schema_writer::begin_properties() {
  keyword("type", "object");
  out_.member("properties");
  out_.begin_object();
}

void schema_writer::property(std::string_view name, std::string_view description, body of,
                             std::string_view default_json) {
  out_.member(name);
  out_.begin_object();
  of(*this);
  if (!description.empty()) keyword("description", description);
  if (!default_json.empty()) raw("default", default_json);
  out_.end_object();
}

void schema_writer::constant(std::string_view name, std::string_view value) {
  out_.member(name);
  out_.begin_object();
  keyword("const", value);
  out_.end_object();
}

void schema_writer::end_properties(const std::vector<std::string_view>& required) {
  out_.end_object();
  if (!required.empty()) {
    out_.member("required");
    out_.begin_array();
    for (const auto name : required) {
      out_.element();
      out_.string(name);
    }
    out_.end_array();
  }
  if (options_.unknown_fields == unknown_fields::refuse) boolean("additionalProperties", false);
}

std::string schema_writer::name_for(std::string_view wanted) const {
  const auto taken = [&](const std::string& name) {
    return std::ranges::any_of(definitions_, [&](const definition& d) { return d.name == name; });
  };
  std::string base{wanted};
  for (char& c : base) {  // what needs no escape in a $ref
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
    if (!plain) c = '_';
  }
  std::string name = base;
  for (int i = 2; taken(name); ++i) name = base + "_" + std::to_string(i);
  return name;
}

void schema_writer::refer(const void* id, std::string_view name, body of) {
  auto found = std::ranges::find_if(definitions_, [&](const definition& d) { return d.id == id; });
  if (found == definitions_.end()) {
    definitions_.push_back({id, name_for(name), of});
    found = definitions_.end() - 1;
  }
  keyword("$ref", "#/$defs/" + found->name);
}

std::string schema_writer::document(body of, const schema_options& options) {
  schema_writer s{options};
  s.out_.begin_object();
  s.keyword("$schema", "https://json-schema.org/draft/2020-12/schema");
  of(s);
  if (!s.definitions_.empty()) {
    s.out_.member("$defs");
    s.out_.begin_object();
    // Writing one may add others, behind it.
    for (std::size_t i = 0; i < s.definitions_.size(); ++i) {
      const definition one = s.definitions_[i];
      s.schema(one.name, one.of);
    }
    s.out_.end_object();
  }
  s.out_.end_object();
  return std::move(s.out_).take();
}

}  // namespace weft::json
