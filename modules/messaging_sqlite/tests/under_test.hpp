#pragma once
// sqlite: as the suite drives it: on a real file, and on a simulated disk.
#include <weft/messaging_sqlite/sqlite_broker.hpp>
#include <weft/testkit/broker_conformance.hpp>

#include <cstdlib>
#include <filesystem>

namespace weft::messaging {

struct temporary_folder {
  temporary_folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "weft-broker-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string file(const std::string& name = "broker.db") const { return path + "/" + name; }
  std::string path;
};

}  // namespace weft::messaging
