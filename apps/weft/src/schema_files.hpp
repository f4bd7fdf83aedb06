#pragma once
// Schema registries in a repository: one file, or a folder with a file for each type (or for a few that belong
// together).
//
//     schemas.json                       {"types": {"orders.placed": {"compatibility": "backward", "versions": {...}}}}
//     schemas/orders.placed.json         the same, with one type in it
//
//     WEFT_TRY(auto now, schema_files::read("schemas"));
//     WEFT_TRY(auto before, schema_files::read_at("origin/main", "schemas"));
//
// A type stands in one file only. Blocking: for programs that do nothing else.
#include <weft/messaging/schema_registry.hpp>

#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace weft::cli {

inline constexpr std::string_view default_schema_file = "schemas.json";
inline constexpr std::string_view default_schema_folder = "schemas";

class schema_files {
 public:
  // Errors say which file, and where in it. errc::not_found: there is nothing at that path.
  [[nodiscard]] static result<schema_files> read(const std::string& path);
  // As git has it in that commit; empty when the commit has nothing there. errc::invalid_argument: git knows no such
  // commit, or the path is outside of the repository that the working directory is in.
  [[nodiscard]] static result<schema_files> read_at(const std::string& commit, const std::string& path);
  // `schemas.json`, or else `schemas`, in the working directory; the path itself if there is one.
  [[nodiscard]] static result<std::string> find(const std::string& path);

  struct place {
    std::string file;
    const messaging::schema_registry::subject* what = nullptr;
  };
  [[nodiscard]] place find_type(std::string_view type) const;
  [[nodiscard]] std::map<std::string, place, std::less<>> types() const;
  [[nodiscard]] std::size_t version_count() const;

  // A registry that begins as that file.
  [[nodiscard]] static schema_files begin(const std::string& file);
  // The registry that holds the type, or shall hold it.
  [[nodiscard]] std::pair<std::string, messaging::schema_registry*> file_for(const std::string& type);
  [[nodiscard]] static result<> write(const std::string& file, const messaging::schema_registry& what);

 private:
  [[nodiscard]] result<> add(std::string file, std::string_view text);

  std::string folder_;  // empty: one file
  std::map<std::string, messaging::schema_registry> files_;
};

}  // namespace weft::cli
