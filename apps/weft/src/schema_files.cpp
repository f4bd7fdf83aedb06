#include "schema_files.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "git.hpp"

namespace weft::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t max_file_bytes = 64 * 1024 * 1024;

result<std::string> read_text(const fs::path& file) {
  std::error_code problem;
  const auto size = fs::file_size(file, problem);
  if (!problem && size > max_file_bytes)
    return fail(errc::resource_exhausted, file.string() + " is larger than 64 MiB");
  std::ifstream in{file, std::ios::binary};
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in && !text.str().empty()) in.clear();
  if (problem || !in.is_open()) return fail(errc::not_found, file.string() + " cannot be read");
  return std::move(text).str();
}

// As git wants it: relative to the working directory, which hooks run in, so that GIT_DIR stays right.
result<std::string> git_path(const std::string& path) {
  std::error_code problem;
  const auto relative = fs::proximate(path, problem).generic_string();
  if (problem) return fail(errc::invalid_argument, path + ": " + problem.message());
  return relative.starts_with("../") ? relative : "./" + relative;
}

error not_in_git(const error& e, const std::string& commit) {
  const error told{errc::invalid_argument, "git: " + std::string{e.message()}};
  return told.with_operation("reading the schemas as of " + commit)
      .with_remedy("--against takes a file, a folder, or a commit of the repository that you are in");
}

std::vector<std::string> split_at_zero(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const auto end = std::min(text.find('\0'), text.size());
    names.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return names;
}

}  // namespace

result<> schema_files::add(std::string file, std::string_view text) {
  auto parsed = messaging::schema_registry::parse(text);
  if (!parsed) return fail(error{errc::failed_precondition, file + ": " + std::string{parsed.error().message()}});
  for (const auto& [type, what] : parsed->subjects()) {
    if (const auto other = find_type(type); other.what != nullptr)
      return fail(errc::failed_precondition, type + " stands in " + other.file + " and in " + file);
    for (const auto& [version, schema] : what.versions)
      if (!schema.is_object() && !schema.is_bool())
        return fail(errc::failed_precondition,
                    file + ": $.types." + type + ".versions." + std::to_string(version) + ": a schema is an object");
  }
  files_.emplace(std::move(file), *std::move(parsed));
  return {};
}

result<schema_files> schema_files::read(const std::string& path) {
  schema_files all;
  std::error_code problem;
  if (!fs::is_directory(path, problem)) {
    auto text = read_text(path);
    if (!text) {
      const error e{errc::not_found, "no schemas at " + path};
      return fail(e.with_remedy("`weft schema add TYPE VERSION FILE --registry " + path + "` begins a registry"));
    }
    WEFT_TRY_VOID(all.add(path, *text));
    return all;
  }
  all.folder_ = path;
  std::vector<fs::path> names;
  for (const auto& entry : fs::directory_iterator{path, problem})
    if (entry.path().extension() == ".json") names.push_back(entry.path());
  if (problem) return fail(errc::not_found, path + ": " + problem.message());
  std::ranges::sort(names);
  for (const auto& name : names) {
    WEFT_TRY(const auto text, read_text(name));
    WEFT_TRY_VOID(all.add(name.string(), text));
  }
  return all;
}

result<schema_files> schema_files::read_at(const std::string& commit, const std::string& path) {
  // What begins with a dash would be an option to git.
  const auto known = commit.starts_with('-')
                         ? result<std::string>{fail(errc::invalid_argument, "'" + commit + "' is no commit")}
                         : git({"rev-parse", "--verify", "--quiet", commit + "^{commit}"});
  if (!known) {
    const error e{errc::invalid_argument, known.error().message().starts_with("git rev-parse")
                                              ? "no commit '" + commit + "'"
                                              : known.error().message()};
    return fail(not_in_git(e, commit));
  }
  WEFT_TRY(const auto place, git_path(path));
  std::error_code problem;
  const bool folder = fs::is_directory(path, problem);
  const auto listed = git({"ls-tree", "-z", "--name-only", commit, "--", folder ? place + "/" : place});
  if (!listed) return fail(not_in_git(listed.error(), commit));
  schema_files all;
  if (folder) all.folder_ = path;
  for (const auto& name : split_at_zero(*listed)) {
    if (folder && !name.ends_with(".json")) continue;
    const auto text = git({"show", commit + ":" + (name.starts_with("../") ? "" : "./") + name});
    if (!text) return fail(not_in_git(text.error(), commit));
    WEFT_TRY_VOID(all.add(commit + ":" + name, *text));
  }
  return all;
}

result<std::string> schema_files::find(const std::string& path) {
  if (!path.empty()) return path;
  std::error_code problem;
  for (const auto name : {default_schema_file, default_schema_folder})
    if (fs::exists(fs::path{name}, problem)) return std::string{name};
  const error e{errc::not_found, "neither schemas.json nor schemas/ is here"};
  return fail(e.with_remedy("--registry names the file or the folder; `weft schema add` begins one"));
}

schema_files::place schema_files::find_type(std::string_view type) const {
  for (const auto& [file, registry] : files_)
    if (const auto* what = registry.find(type)) return {file, what};
  return {};
}

std::map<std::string, schema_files::place, std::less<>> schema_files::types() const {
  std::map<std::string, place, std::less<>> all;
  for (const auto& [file, registry] : files_)
    for (const auto& [type, what] : registry.subjects()) all[type] = {file, &what};
  return all;
}

std::size_t schema_files::version_count() const {
  std::size_t count = 0;
  for (const auto& [file, registry] : files_)
    for (const auto& [type, what] : registry.subjects()) count += what.versions.size();
  return count;
}

schema_files schema_files::begin(const std::string& file) {
  schema_files all;
  all.files_[file];
  return all;
}

std::pair<std::string, messaging::schema_registry*> schema_files::file_for(const std::string& type) {
  for (auto& [file, registry] : files_)
    if (registry.find(type) != nullptr) return {file, &registry};
  if (folder_.empty() && !files_.empty()) return {files_.begin()->first, &files_.begin()->second};
  // A type may have a slash in it, a file's name not.
  auto name = type;
  std::ranges::replace(name, '/', '_');
  auto file = (fs::path{folder_} / (name + ".json")).string();
  auto& made = files_[file];
  return {std::move(file), &made};
}

result<> schema_files::write(const std::string& file, const messaging::schema_registry& what) {
  // Whoever reads the file meanwhile sees the old one or the new one.
  const auto fresh = file + ".new";
  std::ofstream out{fresh, std::ios::binary | std::ios::trunc};
  out << what.to_json();
  out.close();
  std::error_code problem;
  if (out) fs::rename(fresh, file, problem);
  if (out && !problem) return {};
  const auto why = problem ? problem.message() : std::string{"it cannot be written"};
  fs::remove(fresh, problem);
  return fail(errc::failed_precondition, file + ": " + why);
}

}  // namespace weft::cli
