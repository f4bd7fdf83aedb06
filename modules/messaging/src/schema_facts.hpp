#pragma once
// What is known about all values that a schema admits: the schemas, one beside the other, that each of them satisfies.
// Knowing less than there is to know is safe: then more values are thought possible than there are.
//
//     facts of_writer = facts::of(document, schema);
//     facts of_field = of_writer.property("id");
//     if (of_writer.impossible()) ...                    // there is no such value
#include <string>
#include <tuple>
#include <vector>

#include "schema_values.hpp"

namespace weft::messaging::schema {

class facts {
 public:
  // Any value.
  facts() = default;
  [[nodiscard]] static facts of(const schema_document& document, const json::value& schema);

  // Also satisfies this one.
  void add(const schema_document& document, const json::value& schema);
  void add(const facts& other);
  void restrict_to(type_set types) noexcept { types_ &= types; }

  struct known {
    const boost::json::object* schema;
    const schema_document* document;
    const json::value* whole;  // the schema as a value
    friend auto operator<=>(const known&, const known&) = default;
  };
  struct alternatives {
    const boost::json::array* list;
    const schema_document* document;
    friend auto operator<=>(const alternatives&, const alternatives&) = default;
  };
  [[nodiscard]] const std::vector<known>& schemas() const noexcept { return schemas_; }
  [[nodiscard]] type_set types() const noexcept { return types_; }
  [[nodiscard]] bool may_be(type_set types) const noexcept { return (types_ & types) != 0; }
  // A reference led nowhere: less is known than the author meant.
  [[nodiscard]] bool unresolved() const noexcept { return unresolved_; }

  // One of alternatives holds ("anyOf", "oneOf"), and it is not said yet which.
  [[nodiscard]] bool has_alternatives() const noexcept { return !alternatives_.empty(); }
  // The same facts with each of the alternatives of one such list.
  [[nodiscard]] std::vector<facts> split() const;

  // All values there can be, when they are few enough to be listed in the schema.
  [[nodiscard]] std::optional<std::vector<const json::value*>> values() const;
  // Whether it is certain that no value satisfies all.
  [[nodiscard]] bool impossible() const;

  // Of objects.
  [[nodiscard]] bool requires_field(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> fields() const;  // those that are named
  [[nodiscard]] std::vector<std::string> required_fields() const;
  [[nodiscard]] bool names(std::string_view name) const;      // in "properties"
  [[nodiscard]] bool closed() const;                          // there is no field besides
  [[nodiscard]] facts property(std::string_view name) const;  // of a field of that name
  [[nodiscard]] facts other_properties() const;               // of fields that are not named
  [[nodiscard]] bool limits_other_properties() const;         // by "additionalProperties" with a schema
  [[nodiscard]] std::vector<facts> pattern_properties() const;

  // Of arrays: the element at `index`, and the number of places that are described one by one.
  [[nodiscard]] facts element(std::size_t index) const;
  [[nodiscard]] std::size_t tuple_size() const;

  // The value of a keyword in any of the schemas that `good` holds for; null: none.
  template <class Good>
  [[nodiscard]] const json::value* find(std::string_view keyword, const Good& good) const {
    for (const auto& each : schemas_)
      if (const auto* v = member(*each.schema, keyword); v != nullptr && good(*v)) return v;
    return nullptr;
  }
  // The highest or the lowest number that a keyword has in any of them; null: none.
  [[nodiscard]] const json::value* highest(std::string_view keyword) const;
  [[nodiscard]] const json::value* lowest(std::string_view keyword) const;

  friend bool operator<(const facts& a, const facts& b) {
    return std::tie(a.schemas_, a.alternatives_, a.types_) < std::tie(b.schemas_, b.alternatives_, b.types_);
  }

 private:
  [[nodiscard]] verdict takes(const json::value& v) const;
  [[nodiscard]] bool impossible(int depth, int& steps_left) const;

  std::vector<known> schemas_;              // sorted
  std::vector<alternatives> alternatives_;  // sorted
  std::vector<alternatives> decided_;       // sorted; a branch of them is among the schemas
  type_set types_ = type_any;
  bool nothing_ = false, unresolved_ = false;
};

// "items", "prefixItems" and draft 7's "additionalItems" as one: the schemas of the first elements, and of the rest.
struct element_schemas {
  const boost::json::array* first = nullptr;
  const json::value* rest = nullptr;  // null: anything
};
[[nodiscard]] element_schemas elements_of(const boost::json::object& schema);

}  // namespace weft::messaging::schema
