#pragma once
// Which shape the data of each event type has in each version: a JSON file in the user's repository, checked against
// the code before an incompatible change gets out.
//
//     schema_registry known;
//     known.add<order_placed>("orders.placed", 1).value();             // refused when it breaks what is there
//     std::string file = known.to_json();                              // and schema_registry::parse(file)
//
//     auto problems = incompatibilities(old_schema, new_schema, compatibility::backward);
//     // "$.cents: is required by the reader, but the writer may leave it out"
//
// Schemas are JSON Schema, 2020-12 or an older draft. What is not understood (a pattern against another one, "not",
// "unevaluatedProperties", a reference that leads nowhere) is never taken for compatible: it is reported as
// judgement::undecided. A field that only the reader names counts as absent from the writer's data, unless the writer
// describes its other fields. Versions are compared with all earlier ones, since stored data is read for ever.
// Values; const calls from any thread.
#include <weft/json/schema.hpp>
#include <weft/json/value.hpp>
#include <weft/messaging/upcasters.hpp>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace weft::messaging {

enum class compatibility : std::uint8_t {
  none,
  backward,  // new code reads old data
  forward,   // old code reads new data
  full,      // both
};
[[nodiscard]] std::string_view to_string(compatibility c) noexcept;
[[nodiscard]] result<compatibility> parse_compatibility(std::string_view text);

enum class judgement : std::uint8_t {
  incompatible,
  undecided,  // the schemas say something that cannot be compared
};

struct incompatibility {
  std::string path;  // "$.items[].sku"
  std::string why;
  judgement how = judgement::incompatible;
  [[nodiscard]] std::string describe() const { return path + ": " + why; }
  friend bool operator==(const incompatibility&, const incompatibility&) = default;
};

// What `reader` refuses of what `writer` allows, or may refuse; empty: certainly nothing.
[[nodiscard]] std::vector<incompatibility> unreadable_by(const json::value& reader, const json::value& writer);
[[nodiscard]] std::vector<incompatibility> incompatibilities(const json::value& older, const json::value& newer,
                                                             compatibility wanted);

class schema_registry {
 public:
  struct subject {
    compatibility wanted = compatibility::backward;
    std::map<std::uint32_t, json::value> versions;
    // Versions whose data an upcaster turns into the next one's (upcasters.hpp): new code reads it whatever its shape.
    std::set<std::uint32_t> upcast;

    // What is asked of the version after `older`.
    [[nodiscard]] compatibility promise_after(std::uint32_t older) const noexcept;
  };

  // errc::invalid_argument says where the file is wrong.
  [[nodiscard]] static result<schema_registry> parse(std::string_view text);
  // Stable: sorted by type and version, two spaces deep.
  [[nodiscard]] std::string to_json() const;

  [[nodiscard]] const subject* find(std::string_view type) const noexcept;
  [[nodiscard]] const std::map<std::string, subject, std::less<>>& subjects() const noexcept { return subjects_; }
  void set_compatibility(std::string type, compatibility wanted) { subjects_[std::move(type)].wanted = wanted; }
  void set_upcast(std::string type, std::uint32_t version) { subjects_[std::move(type)].upcast.insert(version); }

  // Whether the schema may be this version: the same as what is there under that number, or compatible with all
  // versions below it, and with all above. errc::failed_precondition gives the reasons with their paths.
  [[nodiscard]] result<> check(std::string_view type, std::uint32_t version, const json::value& schema) const;
  // The same, and keeps it.
  result<> add(std::string type, std::uint32_t version, json::value schema);
  template <class Event>
  [[nodiscard]] result<> check(std::string_view type, std::uint32_t version) const {
    return check(type, version, json::schema_of<Event>());
  }
  template <class Event>
  result<> add(std::string type, std::uint32_t version) {
    return add(std::move(type), version, json::schema_of<Event>());
  }
  // Whether each upcaster that the file counts on is there. errc::failed_precondition names the one that is not.
  [[nodiscard]] result<> check(const upcasters& steps) const;

 private:
  std::map<std::string, subject, std::less<>> subjects_;
};

}  // namespace weft::messaging
