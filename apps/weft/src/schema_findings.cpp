#include "schema_findings.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iterator>

#include "schema_shape.hpp"

namespace weft::cli {

namespace {

using messaging::compatibility;
using subject = messaging::schema_registry::subject;

bool has(compatibility whole, compatibility part) { return whole == part || whole == compatibility::full; }

// Both of two promises.
compatibility both(compatibility a, compatibility b) {
  if (a == b || b == compatibility::none) return a;
  return a == compatibility::none ? b : compatibility::full;
}

std::string version(std::uint32_t number) { return "version " + std::to_string(number); }

// Without what only people read.
json::value without_remarks(const json::value& v) {
  if (v.is_array()) {
    boost::json::array list;
    for (const auto& each : v.get_array()) list.push_back(without_remarks(each));
    return list;
  }
  if (!v.is_object()) return v;
  boost::json::object kept;
  for (const auto& each : v.get_object()) {
    const std::string_view name{each.key().data(), each.key().size()};
    const bool remark = name == "description" || name == "title" || name == "examples" || name == "$comment";
    // A field may have such a name, and then a schema; a remark is text, or a list of examples.
    if (!remark || each.value().is_object()) kept[each.key()] = without_remarks(each.value());
  }
  return kept;
}

constexpr std::string_view undecided_remedy =
    "say it in keywords that can be compared; or, where the new schema reads all that the old one describes, let an "
    "upcaster pass it on unchanged, and say so in \"upcast\"";

bool all_undecided(const std::vector<finding::field>& fields) {
  return std::ranges::all_of(fields, [](const auto& f) { return f.how == messaging::judgement::undecided; });
}

constexpr std::string_view incompatible_remedy =
    "make new fields optional and keep what readers require; or let an upcaster read the old version, and say so in "
    "\"upcast\"; or publish it as a new type";

// A version after an earlier one. What the promise does not cover, but somebody will notice, is a note; `next` says
// that none stands between the two.
void compare_versions(finding base, const subject& promise, std::uint32_t older, const json::value& old_schema,
                      std::uint32_t newer, const json::value& new_schema, bool next, std::vector<finding>& found) {
  const auto wanted = promise.promise_after(older);
  base.older = older;
  base.newer = newer;
  base.fields = broken_fields(old_schema, older, new_schema, newer, wanted);
  if (!base.fields.empty()) {
    const bool undecided = all_undecided(base.fields);
    const auto promised = std::string{to_string(wanted)} + " compatible with " + version(older);
    base.how = undecided ? finding::weight::undecided : finding::weight::problem;
    base.what = undecided ? "whether " + version(newer) + " is " + promised + " cannot be judged"
                          : version(newer) + " is not " + promised;
    base.remedy = undecided ? undecided_remedy : incompatible_remedy;
    found.push_back(base);
  }
  if (promise.wanted != compatibility::backward || !next) return;
  base.fields = broken_fields(old_schema, older, new_schema, newer, compatibility::forward);
  if (base.fields.empty()) return;
  base.how = finding::weight::note;
  base.what = "consumers that still know " + version(older) +
              (all_undecided(base.fields) ? " may be unable to read " : " cannot read ") + version(newer);
  base.remedy = "deploy the consumers before the publishers";
  found.push_back(std::move(base));
}

// Each version that `chosen` holds for with all before it: data of every one may still be stored.
template <class Chosen>
void compare_all(const finding& base, const subject& promise, const Chosen& chosen, std::vector<finding>& found) {
  const auto& versions = promise.versions;
  for (auto newer = versions.begin(); newer != versions.end(); ++newer)
    for (auto older = versions.begin(); older != newer; ++older)
      if (chosen(newer->first))
        compare_versions(base, promise, older->first, older->second, newer->first, newer->second,
                         std::next(older) == newer, found);
}

void check_type(const std::string& type, const schema_files::place& was, const schema_files::place& is,
                std::vector<finding>& found) {
  const bool promised = was.what->wanted != compatibility::none;
  const auto report = [&](finding f) {
    f.file = is.what != nullptr ? is.file : was.file;
    f.type = type;
    found.push_back(std::move(f));
  };
  if (is.what == nullptr) {
    if (promised)
      report({.what = "it is gone, and whoever still publishes or reads it has nothing to hold on to",
              .remedy = "keep it; or set its compatibility to none first, in a change of its own"});
    return;
  }
  if (both(was.what->wanted, is.what->wanted) != is.what->wanted)
    report({.how = finding::weight::note,
            .what = "its compatibility was " + std::string{to_string(was.what->wanted)} + " and becomes " +
                    std::string{to_string(is.what->wanted)} + "; the old promise still holds for this change"});
  if (!promised) return;
  for (const auto& [number, schema] : was.what->versions) {
    const auto now = is.what->versions.find(number);
    if (now == is.what->versions.end()) {
      report({.what = version(number) + " is gone, and messages of it may still wait somewhere",
              .older = number,
              .remedy = "keep it"});
    } else if (without_remarks(now->second) != without_remarks(schema)) {
      auto fields = broken_fields(schema, number, now->second, number, compatibility::full);
      report({.what = version(number) + " was published already, and has changed",
              .older = number,
              .newer = number,
              .fields = std::move(fields),
              .remedy = "give the change a version of its own, and an upcaster if it needs one"});
    }
  }
}

// Versions that are new, against the promise that was made before.
void check_new_versions(const std::string& type, const schema_files::place& was, const schema_files::place& is,
                        std::vector<finding>& found) {
  if (is.what == nullptr || was.what->wanted == compatibility::none) return;
  auto promise = *is.what;
  promise.wanted = both(was.what->wanted, is.what->wanted);
  if (promise.wanted == is.what->wanted) return;  // check_history() looked at it
  compare_all(
      {.file = is.file, .type = type}, promise,
      [&](std::uint32_t newer) { return !was.what->versions.contains(newer); }, found);
}

}  // namespace

std::vector<finding::field> broken_fields(const json::value& older, std::uint32_t older_version,
                                          const json::value& newer, std::uint32_t newer_version, compatibility wanted) {
  std::vector<finding::field> fields;
  const auto add = [&](const json::value& reader, std::uint32_t reads, const json::value& writer,
                       std::uint32_t written) {
    for (const auto& each : messaging::unreadable_by(reader, writer)) {
      const auto who = "one that knows " + version(reads) + ", of a message in " + version(written) + ": ";
      fields.push_back({each.path, shape_at(older, each.path), shape_at(newer, each.path), who + each.why, each.how});
    }
  };
  if (has(wanted, compatibility::backward)) add(newer, newer_version, older, older_version);
  if (has(wanted, compatibility::forward)) add(older, older_version, newer, newer_version);
  return fields;
}

void check_history(const schema_files& now, std::vector<finding>& found) {
  for (const auto& [type, place] : now.types())
    compare_all({.file = place.file, .type = type}, *place.what, [](std::uint32_t) { return true; }, found);
}

void check_against(const schema_files& before, const schema_files& now, std::vector<finding>& found) {
  for (const auto& [type, was] : before.types()) {
    const auto is = now.find_type(type);
    check_type(type, was, is, found);
    check_new_versions(type, was, is, found);
  }
}

}  // namespace weft::cli
