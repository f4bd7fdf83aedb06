#include <weft/json/pretty.hpp>
#include <weft/messaging/schema_registry.hpp>

#include <boost/json/object.hpp>
#include <charconv>

namespace weft::messaging {

std::string_view to_string(compatibility c) noexcept {
  switch (c) {
    case compatibility::none:
      return "none";
    case compatibility::backward:
      return "backward";
    case compatibility::forward:
      return "forward";
    case compatibility::full:
      return "full";
  }
  return "unknown";
}

result<compatibility> parse_compatibility(std::string_view text) {
  for (const auto c : {compatibility::none, compatibility::backward, compatibility::forward, compatibility::full})
    if (to_string(c) == text) return c;
  return fail(errc::invalid_argument,
              "'" + std::string{text} + "' is no compatibility: none, backward, forward or full");
}

namespace {

std::unexpected<error> wrong(const std::string& path, std::string_view why) {
  return fail(errc::invalid_argument, "schema registry, " + path + ": " + std::string{why});
}

result<schema_registry::subject> read_subject(const std::string& path, const json::value& v) {
  if (!v.is_object()) return wrong(path, "expected an object");
  schema_registry::subject s;
  for (const auto& member : v.get_object()) {
    const std::string name{member.key().data(), member.key().size()};
    if (name == "compatibility") {
      if (!member.value().is_string()) return wrong(path + ".compatibility", "expected a string");
      const auto& text = member.value().get_string();
      const auto wanted = parse_compatibility({text.data(), text.size()});
      if (!wanted) return wrong(path + ".compatibility", wanted.error().message());
      s.wanted = *wanted;
    } else if (name == "versions") {
      if (!member.value().is_object()) return wrong(path + ".versions", "expected an object");
      for (const auto& each : member.value().get_object()) {
        const std::string_view number{each.key().data(), each.key().size()};
        std::uint32_t version = 0;
        const auto parsed = std::from_chars(number.data(), number.data() + number.size(), version);
        if (parsed.ec != std::errc{} || parsed.ptr != number.data() + number.size() || version == 0)
          return wrong(path + ".versions." + std::string{number}, "expected a version number from 1");
        s.versions[version] = each.value();
      }
    } else {
      return wrong(path + "." + name, "unknown; there are compatibility and versions");
    }
  }
  return s;
}

std::string list(const std::vector<incompatibility>& problems) {
  std::string text;
  for (const auto& each : problems) text += (text.empty() ? "" : "; ") + each.describe();
  return text;
}

}  // namespace

result<schema_registry> schema_registry::parse(std::string_view text) {
  WEFT_TRY(const auto v, json::parse(text));
  if (!v.is_object()) return wrong("$", "expected an object");
  const auto* types = v.get_object().if_contains("types");
  if (types == nullptr || !types->is_object()) return wrong("$.types", "expected an object");
  schema_registry made;
  for (const auto& member : types->get_object()) {
    const std::string name{member.key().data(), member.key().size()};
    WEFT_TRY(made.subjects_[name], read_subject("$.types." + name, member.value()));
  }
  return made;
}

std::string schema_registry::to_json() const {
  boost::json::object types;
  for (const auto& [name, s] : subjects_) {
    boost::json::object versions;
    for (const auto& [number, schema] : s.versions) versions[std::to_string(number)] = schema;
    const auto wanted = to_string(s.wanted);
    types[name] = boost::json::object{{"compatibility", boost::json::string_view{wanted.data(), wanted.size()}},
                                      {"versions", std::move(versions)}};
  }
  return json::pretty(boost::json::object{{"types", std::move(types)}}) + "\n";
}

const schema_registry::subject* schema_registry::find(std::string_view type) const noexcept {
  const auto at = subjects_.find(type);
  return at == subjects_.end() ? nullptr : &at->second;
}

result<> schema_registry::check(std::string_view type, std::uint32_t version, const json::value& schema) const {
  if (version == 0) return fail(errc::invalid_argument, "versions begin with 1");
  const auto* s = find(type);
  if (s == nullptr) return {};
  const auto refuse = [&](const std::string& why, std::string_view remedy) {
    const error e{errc::failed_precondition, std::string{type} + " version " + std::to_string(version) + " " + why};
    return fail(e.with_remedy(remedy));
  };
  const auto same = s->versions.find(version);
  if (same != s->versions.end()) {
    if (same->second == schema) return {};
    // What was published under a number stays readable under it.
    auto problems = incompatibilities(same->second, schema, compatibility::full);
    return refuse("is not what the registry has" + (problems.empty() ? std::string{} : ": " + list(problems)),
                  "give the change a version of its own, and an upcaster if it needs one");
  }
  const auto above = s->versions.upper_bound(version);
  std::vector<incompatibility> problems;
  if (above != s->versions.begin()) problems = incompatibilities(std::prev(above)->second, schema, s->wanted);
  if (above != s->versions.end())
    for (auto& each : incompatibilities(schema, above->second, s->wanted)) problems.push_back(std::move(each));
  if (problems.empty()) return {};
  return refuse("is not " + std::string{to_string(s->wanted)} + " compatible: " + list(problems),
                "make new fields optional, keep what readers require, or choose a new type");
}

result<> schema_registry::add(std::string type, std::uint32_t version, json::value schema) {
  WEFT_TRY_VOID(check(type, version, schema));
  subjects_[std::move(type)].versions.insert_or_assign(version, std::move(schema));
  return {};
}

}  // namespace weft::messaging
