#include <weft/json/pretty.hpp>
#include <weft/messaging/schema_registry.hpp>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <limits>

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
    } else if (name == "upcast") {
      if (!member.value().is_array()) return wrong(path + ".upcast", "expected a list of versions");
      for (const auto& each : member.value().get_array()) {
        const auto version = each.is_int64() ? each.get_int64() : 0;
        if (version < 1 || version > std::numeric_limits<std::uint32_t>::max())
          return wrong(path + ".upcast", "expected version numbers from 1");
        s.upcast.insert(static_cast<std::uint32_t>(version));
      }
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
      return wrong(path + "." + name, "unknown; there are compatibility, upcast and versions");
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
    auto& made = types[name].emplace_object();
    made["compatibility"] = boost::json::string_view{wanted.data(), wanted.size()};
    if (!s.upcast.empty()) made["upcast"] = boost::json::array(s.upcast.begin(), s.upcast.end());
    made["versions"] = std::move(versions);
  }
  return json::pretty(boost::json::object{{"types", std::move(types)}}) + "\n";
}

compatibility schema_registry::subject::promise_after(std::uint32_t older) const noexcept {
  if (!upcast.contains(older) || wanted == compatibility::forward) return wanted;
  return wanted == compatibility::full ? compatibility::forward : compatibility::none;
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
  std::vector<incompatibility> problems;
  const auto keep = [&](std::vector<incompatibility> some) {
    for (auto& each : some)
      if (std::ranges::find(problems, each) == problems.end()) problems.push_back(std::move(each));
  };
  // Data of every version may still be stored, and code of every version may still run.
  for (const auto& [other, shape] : s->versions)
    keep(other < version ? incompatibilities(shape, schema, s->promise_after(other))
                         : incompatibilities(schema, shape, s->promise_after(version)));
  if (problems.empty()) return {};
  return refuse("is not " + std::string{to_string(s->wanted)} + " compatible: " + list(problems),
                "make new fields optional, keep what readers require, or choose a new type");
}

result<> schema_registry::add(std::string type, std::uint32_t version, json::value schema) {
  WEFT_TRY_VOID(check(type, version, schema));
  subjects_[std::move(type)].versions.insert_or_assign(version, std::move(schema));
  return {};
}

result<> schema_registry::check(const upcasters& steps) const {
  for (const auto& [type, what] : subjects_)
    for (const auto version : what.upcast)
      if (!steps.has(type, version)) {
        const error e{errc::failed_precondition,
                      "no upcaster for " + type + " from version " + std::to_string(version)};
        return fail(e.with_remedy("the schema registry counts on one: add it, or take the version out of \"upcast\""));
      }
  return {};
}

}  // namespace weft::messaging
