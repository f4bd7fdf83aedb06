#include "schema_view.hpp"

#include <weft/json/writer.hpp>

#include <algorithm>

#include "schema_shape.hpp"
#include "table.hpp"

namespace weft::cli {

namespace {

using messaging::compatibility;

constexpr std::size_t max_text = 2000;

void field(json::writer& w, std::string_view name, std::string_view text) {
  w.member(name);
  w.string(text);
}

void number(json::writer& w, std::string_view name, std::uint64_t value) {
  w.member(name);
  w.unsigned_number(value);
}

void print(std::ostream& out, const finding& f) {
  out << (f.how == finding::weight::note        ? "note: "
          : f.how == finding::weight::undecided ? "undecided: "
                                                : "")
      << one_line(f.type, 255) << ": " << f.what << " (" << f.file << ")\n";
  for (const auto& each : f.fields) {
    out << "  " << one_line(each.path, max_text) << '\n';
    if (each.was != each.is)
      out << "    was       " << one_line(each.was, max_text) << "\n    is        " << one_line(each.is, max_text)
          << '\n';
    out << "    consumer  " << one_line(each.consumer, max_text) << '\n';
  }
  if (!f.remedy.empty()) out << "  remedy: " << f.remedy << '\n';
}

void write(json::writer& w, const finding& f) {
  w.begin_object();
  field(w, "type", f.type);
  field(w, "file", f.file);
  field(w, "what", f.what);
  if (f.older != 0) number(w, "older", f.older);
  if (f.newer != 0) number(w, "newer", f.newer);
  w.member("fields");
  w.begin_array();
  for (const auto& each : f.fields) {
    w.element();
    w.begin_object();
    field(w, "path", each.path);
    field(w, "was", each.was);
    field(w, "is", each.is);
    field(w, "consumer", each.consumer);
    field(w, "judgement", each.how == messaging::judgement::undecided ? "undecided" : "incompatible");
    w.end_object();
  }
  w.end_array();
  if (!f.remedy.empty()) field(w, "remedy", f.remedy);
  w.end_object();
}

void write_list(json::writer& w, std::string_view name, const std::vector<finding>& found, finding::weight how) {
  w.member(name);
  w.begin_array();
  for (const auto& f : found) {
    if (f.how != how) continue;
    w.element();
    write(w, f);
  }
  w.end_array();
}

}  // namespace

exit_status print_findings(const terminal& to, const std::vector<finding>& found, check_extent extent) {
  const auto count = [&](finding::weight how) {
    return static_cast<std::size_t>(std::ranges::count(found, how, &finding::how));
  };
  const auto problems = count(finding::weight::problem), undecided = count(finding::weight::undecided);
  const auto status = problems != 0 ? exit_status::failed : undecided != 0 ? exit_status::undecided : exit_status::ok;
  if (to.how == format::json) {
    json::writer w;
    w.begin_object();
    w.member("ok");
    w.boolean(status == exit_status::ok);
    number(w, "types", extent.types);
    number(w, "versions", extent.versions);
    write_list(w, "problems", found, finding::weight::problem);
    write_list(w, "undecided", found, finding::weight::undecided);
    write_list(w, "notes", found, finding::weight::note);
    w.end_object();
    to.out << std::move(w).take() << '\n';
    return status;
  }
  for (const auto& f : found) print(to.out, f);
  to.out << counted(extent.types, "type") << ", " << counted(extent.versions, "version") << ": "
         << (status == exit_status::ok ? std::string{"compatible"}
             : undecided == 0          ? counted(problems, "problem")
                                       : counted(problems, "problem") + ", " + std::to_string(undecided) + " undecided")
         << '\n';
  return status;
}

void print_types(const terminal& to, const schema_files& all) {
  json::writer w;
  w.begin_array();
  table t{{"TYPE"}, {"COMPATIBILITY"}, {"VERSIONS"}, {"FILE"}};
  for (const auto& [type, place] : all.types()) {
    std::string versions;
    w.element();
    w.begin_object();
    field(w, "type", type);
    field(w, "compatibility", to_string(place.what->wanted));
    w.member("versions");
    w.begin_array();
    for (const auto& [version, schema] : place.what->versions) {
      versions += (versions.empty() ? "" : " ") + std::to_string(version);
      w.element();
      w.unsigned_number(version);
    }
    w.end_array();
    field(w, "file", place.file);
    w.end_object();
    t.add({one_line(type, 80), std::string{to_string(place.what->wanted)}, versions, place.file});
  }
  w.end_array();
  if (to.how == format::json)
    to.out << std::move(w).take() << '\n';
  else if (t.empty())
    to.notes << "no types\n";
  else
    t.print(to.out);
}

namespace {

struct changed_field {
  std::string path, was, is;
};

std::vector<changed_field> changes(const difference& d) {
  std::vector<changed_field> list;
  const auto before = shapes(d.older), after = shapes(d.newer);
  for (const auto& [path, was] : before) {
    const auto now = after.find(path);
    if (now == after.end())
      list.push_back({path, was, "absent"});
    else if (now->second != was)
      list.push_back({path, was, now->second});
  }
  for (const auto& [path, is] : after)
    if (!before.contains(path)) list.push_back({path, "absent", is});
  std::ranges::sort(list, {}, &changed_field::path);
  return list;
}

// "yes", "no", or "undecided" where none is certainly broken.
std::string_view answer_of(const std::vector<finding::field>& broken) {
  if (broken.empty()) return "yes";
  const bool certain =
      std::ranges::any_of(broken, [](const auto& each) { return each.how == messaging::judgement::incompatible; });
  return certain ? "no" : "undecided";
}

void print_direction(std::ostream& out, const difference& d, compatibility wanted) {
  const auto broken = broken_fields(d.older, d.older_version, d.newer, d.newer_version, wanted);
  out << to_string(wanted) << " compatible: " << answer_of(broken) << '\n';
  for (const auto& each : broken)
    out << "  " << one_line(each.path, max_text) << ": " << one_line(each.consumer, max_text) << '\n';
}

}  // namespace

void print_difference(const terminal& to, const difference& d) {
  const auto list = changes(d);
  const auto compatible = [&](compatibility wanted) {
    return broken_fields(d.older, d.older_version, d.newer, d.newer_version, wanted).empty();
  };
  if (to.how == format::json) {
    json::writer w;
    w.begin_object();
    field(w, "type", d.type);
    number(w, "older", d.older_version);
    number(w, "newer", d.newer_version);
    w.member("changes");
    w.begin_array();
    for (const auto& c : list) {
      w.element();
      w.begin_object();
      field(w, "path", c.path);
      field(w, "was", c.was);
      field(w, "is", c.is);
      w.end_object();
    }
    w.end_array();
    w.member("backward");
    w.boolean(compatible(compatibility::backward));
    w.member("forward");
    w.boolean(compatible(compatibility::forward));
    w.end_object();
    to.out << std::move(w).take() << '\n';
    return;
  }
  to.out << one_line(d.type, 255) << ": version " << d.older_version << " and version " << d.newer_version << '\n';
  table t{{"FIELD"}, {"WAS"}, {"IS"}};
  for (const auto& c : list) t.add({one_line(c.path, 80), one_line(c.was, 80), one_line(c.is, 80)});
  if (!t.empty()) t.print(to.out);
  print_direction(to.out, d, compatibility::backward);
  print_direction(to.out, d, compatibility::forward);
}

}  // namespace weft::cli
