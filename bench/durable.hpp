#pragma once
// What the benchmarks of durable writes have in common.
#include <sqlite3.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace weft::bench {

inline void require(bool ok, const std::string& what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

// In the working directory, for as long as the object lives.
struct folder {
  folder() {
    auto pattern = (std::filesystem::current_path() / "weft-bench-XXXXXX").string();
    const char* made = ::mkdtemp(pattern.data());
    require(made != nullptr, "cannot make a folder here");
    path = made;
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() { std::filesystem::remove_all(path); }
  std::string path;
};

// Bare SQLite, as durable as weft's files.
class bare_database {
 public:
  bare_database(const std::string& file, const std::string& table) {
    require(sqlite3_open(file.c_str(), &handle_) == SQLITE_OK, "sqlite3_open");
    run("PRAGMA journal_mode=WAL");
    run("PRAGMA synchronous=FULL");
    run(table);
  }
  bare_database(const bare_database&) = delete;
  bare_database& operator=(const bare_database&) = delete;
  ~bare_database() {
    for (auto* each : prepared_) sqlite3_finalize(each);
    sqlite3_close(handle_);
  }
  void run(const std::string& sql) {
    require(sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK, sqlite3_errmsg(handle_));
  }
  sqlite3_stmt* prepare(const char* sql) {
    auto*& made = prepared_.emplace_back(nullptr);
    require(sqlite3_prepare_v2(handle_, sql, -1, &made, nullptr) == SQLITE_OK, sqlite3_errmsg(handle_));
    return made;
  }
  void step(sqlite3_stmt* which) {
    require(sqlite3_step(which) == SQLITE_DONE, sqlite3_errmsg(handle_));
    sqlite3_reset(which);
  }
  [[nodiscard]] sqlite3_int64 last_row() const { return sqlite3_last_insert_rowid(handle_); }

 private:
  sqlite3* handle_ = nullptr;
  std::vector<sqlite3_stmt*> prepared_;
};

inline double median(std::vector<double> all) {
  std::ranges::sort(all);
  return all[all.size() / 2];
}

}  // namespace weft::bench
