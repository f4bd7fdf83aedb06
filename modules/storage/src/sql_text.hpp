#pragma once
// What little weft reads in a statement: its first word, to know whether it reads, and to refuse what would end or open
// a transaction behind its back.
#include <weft/base/error.hpp>
#include <weft/storage/value.hpp>

#include <string>
#include <string_view>

namespace weft::storage {

// In lower case; after white space and comments. Empty when there is none.
[[nodiscard]] std::string first_word(std::string_view sql);

// Whether the statement looks as if it only reads, so that it may go to a connection that reads, and be repeated when
// its connection is lost. Functions that write behind a SELECT are not seen.
[[nodiscard]] bool looks_reading(std::string_view sql);

// errc::invalid_argument: no statement, one that opens or ends transactions, or text with a NUL byte among the values.
[[nodiscard]] result<> check_statement(const statement& s);

}  // namespace weft::storage
