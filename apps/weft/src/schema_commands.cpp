#include "schema_commands.hpp"

#include <weft/json/pretty.hpp>
#include <weft/json/writer.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "schema_files.hpp"
#include "schema_findings.hpp"
#include "schema_shape.hpp"
#include "schema_view.hpp"
#include "table.hpp"

namespace weft::cli {

namespace {

constexpr std::size_t max_schema_bytes = 16 * 1024 * 1024;

result<schema_files> read_before(const std::string& against, const std::string& registry) {
  std::error_code problem;
  if (std::filesystem::exists(against, problem)) return schema_files::read(against);
  return schema_files::read_at(against, registry);
}

task<result<std::string>> read_schema(const std::string& from, context ctx, byte_source& input) {
  if (from == "-") co_return co_await read_all(input, std::move(ctx), max_schema_bytes);
  std::ifstream file{from, std::ios::binary};
  std::ostringstream text;
  text << file.rdbuf();
  if (!file.is_open()) co_return fail(errc::invalid_argument, from + " cannot be read");
  co_return std::move(text).str();
}

result<schema_files> read_or_begin(const std::string& path) {
  auto read = schema_files::read(path);
  if (!read && read.error().code() == errc::not_found) return schema_files::begin(path);
  return read;
}

result<> count_on_upcaster(messaging::schema_registry& registry, const schema_adding& what) {
  const auto* known = registry.find(what.type);
  if (known == nullptr || known->versions.lower_bound(what.version) == known->versions.begin())
    return fail(errc::invalid_argument, "--upcast: there is no version before " + std::to_string(what.version));
  registry.set_upcast(what.type, std::prev(known->versions.lower_bound(what.version))->first);
  return {};
}

result<const messaging::schema_registry::subject*> find_type(const schema_files& all, const std::string& type) {
  if (const auto place = all.find_type(type); place.what != nullptr) return place.what;
  const error e{errc::not_found, "no type '" + type + "' in the registry"};
  return fail(e.with_remedy("`weft schema show` lists those there are"));
}

result<const json::value*> find_version(const messaging::schema_registry::subject& what, const std::string& type,
                                        std::uint32_t version) {
  const auto at = what.versions.find(version);
  if (at != what.versions.end()) return &at->second;
  std::string known;
  for (const auto& [number, schema] : what.versions) known += (known.empty() ? "" : ", ") + std::to_string(number);
  const error e{errc::not_found, type + " has no version " + std::to_string(version)};
  return fail(e.with_remedy(known.empty() ? "it has none" : "it has " + known));
}

}  // namespace

result<exit_status> check_schemas(const schema_checking& what, const terminal& to) {
  WEFT_TRY(const auto path, schema_files::find(what.registry));
  WEFT_TRY(const auto now, schema_files::read(path));
  std::vector<finding> found;
  check_history(now, found);
  if (!what.against.empty()) {
    WEFT_TRY(const auto before, read_before(what.against, path));
    check_against(before, now, found);
  }
  return print_findings(to, found, {.types = now.types().size(), .versions = now.version_count()});
}

task<result<exit_status>> add_schema(schema_adding what, context ctx, byte_source& input, terminal to) {
  if (what.version == 0) co_return fail(errc::invalid_argument, "versions begin with 1");
  WEFT_CO_TRY(const auto text, co_await read_schema(what.schema, std::move(ctx), input));
  const auto schema = json::parse(text);
  if (!schema || (!schema->is_object() && !schema->is_bool())) {
    const std::string why{schema ? std::string_view{"it is no object"} : schema.error().message()};
    co_return fail(errc::invalid_argument, "the schema is not JSON Schema: " + why);
  }
  auto path = schema_files::find(what.registry).value_or(std::string{default_schema_file});
  WEFT_CO_TRY(auto all, read_or_begin(path));
  const auto [file, registry] = all.file_for(what.type);
  if (what.wanted) registry->set_compatibility(what.type, *what.wanted);
  if (what.upcast) WEFT_CO_TRY_VOID(count_on_upcaster(*registry, what));
  WEFT_CO_TRY_VOID(registry->add(what.type, what.version, *schema));
  WEFT_CO_TRY_VOID(schema_files::write(file, *registry));
  if (to.how == format::json) {
    json::writer w;
    w.begin_object();
    w.member("type");
    w.string(what.type);
    w.member("version");
    w.unsigned_number(what.version);
    w.member("file");
    w.string(file);
    w.end_object();
    to.out << std::move(w).take() << '\n';
  } else {
    to.out << one_line(what.type, 255) << " version " << what.version << " is in " << file << '\n';
  }
  co_return exit_status::ok;
}

result<exit_status> show_schemas(const schema_showing& what, const terminal& to) {
  WEFT_TRY(const auto path, schema_files::find(what.registry));
  WEFT_TRY(const auto all, schema_files::read(path));
  if (what.type.empty()) {
    print_types(to, all);
    return exit_status::ok;
  }
  WEFT_TRY(const auto* type, find_type(all, what.type));
  const auto version = what.version == 0 && !type->versions.empty() ? type->versions.rbegin()->first : what.version;
  WEFT_TRY(const auto* schema, find_version(*type, what.type, version));
  to.out << (to.how == format::json ? json::serialize(*schema) : json::pretty(*schema)) << '\n';
  return exit_status::ok;
}

result<exit_status> compare_schemas(const schema_comparing& what, const terminal& to) {
  WEFT_TRY(const auto path, schema_files::find(what.registry));
  WEFT_TRY(const auto all, schema_files::read(path));
  WEFT_TRY(const auto* type, find_type(all, what.type));
  auto older = what.older, newer = what.newer;
  if (newer == 0 && !type->versions.empty()) newer = type->versions.rbegin()->first;
  if (older == 0) {
    const auto at = type->versions.find(newer);
    if (at == type->versions.end() || at == type->versions.begin()) {
      const error e{errc::not_found, what.type + " has no version before " + std::to_string(newer)};
      return fail(e.with_remedy("name two versions: weft schema diff TYPE OLD NEW"));
    }
    older = std::prev(at)->first;
  }
  WEFT_TRY(const auto* from, find_version(*type, what.type, older));
  WEFT_TRY(const auto* next, find_version(*type, what.type, newer));
  print_difference(to, {what.type, older, *from, newer, *next});
  return exit_status::ok;
}

}  // namespace weft::cli
