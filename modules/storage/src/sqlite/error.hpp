#pragma once
#include <weft/base/error.hpp>

#include <sqlite3.h>

#include <string_view>

namespace weft::storage {

// Extended result codes of SQLite as canonical codes (https://sqlite.org/rescode.html).
[[nodiscard]] errc code_of_sqlite(int extended) noexcept;
// The last failure of the connection.
[[nodiscard]] error sqlite_failure(sqlite3* connection, int status, std::string_view operation = {});

}  // namespace weft::storage
