#pragma once
// What little weft reads in a statement: its first word, to know whether it reads, and to refuse what would end or open
// a transaction behind its back.
#include <weft/base/error.hpp>
#include <weft/storage/value.hpp>

#include <string>
#include <string_view>

namespace weft::storage {

// In lower case; after white space, comments and opening parentheses. Empty when there is none.
[[nodiscard]] std::string first_word(std::string_view sql);

// Whether nothing is left of a text behind its first statement but white space, comments and semicolons.
[[nodiscard]] bool nothing_follows(std::string_view rest);

// Whether the statement looks as if it only reads. Functions that write behind a SELECT are not seen, so this is good
// for choosing a connection whose engine looks for itself, and for wording; never for repeating.
[[nodiscard]] bool looks_reading(std::string_view sql);

// Whether the text has this word (in lower case), also within a comment or a text.
[[nodiscard]] bool names(std::string_view sql, std::string_view word);

// errc::invalid_argument: no statement, one that opens or ends transactions, more values than an engine takes, or a
// text among them that is not UTF-8 or has a NUL byte.
[[nodiscard]] result<> check_statement(const statement& s);

}  // namespace weft::storage
