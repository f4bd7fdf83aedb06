#pragma once
// A JSON Schema document: where its references lead, and numbers and values compared exactly.
//
//     schema_document d{schema};
//     const json::value* target = d.resolve("#/$defs/item");     // null: nowhere in this document
#include <weft/json/value.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>
#include <string_view>

namespace weft::messaging::schema {

[[nodiscard]] inline std::string_view text_of(const boost::json::string& s) { return {s.data(), s.size()}; }
[[nodiscard]] inline std::string_view text_of(boost::json::string_view s) { return {s.data(), s.size()}; }
// The member, or null.
[[nodiscard]] const json::value* member(const boost::json::object& o, std::string_view name);

class schema_document {
 public:
  explicit schema_document(const json::value& root);

  [[nodiscard]] const json::value& root() const noexcept { return root_; }
  // JSON Pointers, "$anchor"s and the document's own "$id" before them. Null for what lies elsewhere.
  [[nodiscard]] const json::value* resolve(std::string_view reference) const;
  // Keywords beside "$ref" count since draft 2019-09; before, they were ignored.
  [[nodiscard]] bool siblings_of_references_count() const noexcept { return siblings_count_; }
  // Whether a reference leads out of the document, or nowhere.
  [[nodiscard]] bool has_unknown_references() const;

 private:
  const json::value& root_;
  std::string_view id_;
  bool nested_ids_ = false, siblings_count_ = true;
};

// -1, 0 or 1, exactly, for numbers of any kind that JSON values have.
[[nodiscard]] int compare_numbers(const json::value& a, const json::value& b);
// Whether `whole` is a multiple of `part`, by their decimal digits; nothing where that is beyond 128 bits.
[[nodiscard]] std::optional<bool> is_multiple(const json::value& whole, const json::value& part);
// JSON Schema's equality: 1 is 1.0, and the order of members does not count.
[[nodiscard]] bool equal_values(const json::value& a, const json::value& b);
// A number without a fraction is an integer, however it is written.
[[nodiscard]] bool is_integer(const json::value& v);

// Whether a schema, or a part of one, means the same in both documents.
[[nodiscard]] bool same_meaning(const json::value& a, const schema_document& in_a, const json::value& b,
                                const schema_document& in_b);

}  // namespace weft::messaging::schema
