#pragma once
#include <weft/base/error.hpp>

#include <libpq-fe.h>

#include <string_view>

namespace weft::storage {

// PostgreSQL's error codes as canonical ones (PostgreSQL's manual, appendix A).
[[nodiscard]] errc code_of_sqlstate(std::string_view state) noexcept;
// Whether the server has ended the connection with this code.
[[nodiscard]] bool ends_connection(std::string_view state) noexcept;
// Of a failed result: the primary message, with the constraint or the position where there is one. Details are left
// out, since they quote the data.
[[nodiscard]] error postgres_failure(const PGresult* failed);
// libpq's message without the line breaks.
[[nodiscard]] std::string one_line(std::string_view message);

}  // namespace weft::storage
