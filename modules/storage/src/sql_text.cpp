#include "sql_text.hpp"

#include <algorithm>
#include <array>

namespace weft::storage {

namespace {

std::string_view skip_space_and_comments(std::string_view sql) {
  for (;;) {
    const auto start = sql.find_first_not_of(" \t\r\n\f\v");
    if (start == std::string_view::npos) return {};
    sql.remove_prefix(start);
    std::size_t end = 0;
    if (sql.starts_with("--")) {
      end = sql.find('\n');
    } else if (sql.starts_with("/*")) {
      end = sql.find("*/", 2);
      if (end != std::string_view::npos) ++end;
    } else {
      return sql;
    }
    if (end == std::string_view::npos) return {};
    sql.remove_prefix(end + 1);
  }
}

bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// Also where the word stands in a text or a comment; then the statement is only treated with more care.
bool names_a_write(std::string_view sql) {
  static constexpr std::array<std::string_view, 5> words{"insert", "update", "delete", "merge", "into"};
  for (std::size_t i = 0; i < sql.size();) {
    if (!is_letter(sql[i])) {
      ++i;
      continue;
    }
    const auto begin = i;
    while (i < sql.size() && is_letter(sql[i])) ++i;
    const auto found = first_word(sql.substr(begin, i - begin));
    if (std::ranges::find(words, found) != words.end()) return true;
  }
  return false;
}

}  // namespace

std::string first_word(std::string_view sql) {
  sql = skip_space_and_comments(sql);
  std::string word;
  for (const char c : sql) {
    if (c >= 'A' && c <= 'Z')
      word += static_cast<char>(c - 'A' + 'a');
    else if (c >= 'a' && c <= 'z')
      word += c;
    else
      break;
  }
  return word;
}

bool looks_reading(std::string_view sql) {
  const auto word = first_word(sql);
  if (word == "with" || word == "explain") return !names_a_write(sql);
  return word == "select" || word == "values" || word == "show";
}

result<> check_statement(const statement& s) {
  static constexpr std::array<std::string_view, 9> reserved{"begin", "start",     "commit",  "end",    "rollback",
                                                            "abort", "savepoint", "release", "prepare"};
  const auto word = first_word(s.sql);
  if (word.empty()) return fail(errc::invalid_argument, "there is no statement");
  if (std::ranges::find(reserved, word) != reserved.end())
    return fail(error{errc::invalid_argument, "the statement '" + word + "' is not for users"}.with_remedy(
        "use begin(), commit() and rollback() of the library"));
  if (s.sql.find('\0') != std::string::npos) return fail(errc::invalid_argument, "the statement has a NUL byte");
  for (std::size_t i = 0; i < s.values.size(); ++i)
    if (const auto* text = s.values[i].get_if<std::string>(); text != nullptr && text->find('\0') != std::string::npos)
      return fail(
          error{errc::invalid_argument, "the text for $" + std::to_string(i + 1) + " has a NUL byte"}.with_remedy(
              "pass bytes as a blob"));
  return {};
}

}  // namespace weft::storage
