#pragma once
// A folder for a test, and SQLite databases in it.
#include "conformance/suite.hpp"

#include <cstdlib>
#include <filesystem>

namespace weft::storage {

struct folder {
  folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "weft-storage-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string file(const std::string& name = "test.db") const { return path + "/" + name; }
  std::string path;
};

struct Sqlite : testing::Test {
  epoll_loop loop;
  folder in;
  template <class T>
  T run(task<T> work) {
    return loop.run(std::move(work));
  }
  std::unique_ptr<sqlite_database> open(sqlite_options options = {}) {
    if (options.path.empty()) options.path = in.file();
    auto opened = run(open_sqlite(loop, options));
    EXPECT_TRUE(opened) << opened.error().describe();
    return opened ? *std::move(opened) : nullptr;
  }
};

}  // namespace weft::storage
