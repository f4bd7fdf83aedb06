#include "sql_text.hpp"

#include <weft/base/utf8.hpp>

#include <algorithm>
#include <array>

namespace weft::storage {

namespace {

constexpr std::size_t max_values = 65'535;  // what PostgreSQL's protocol can count; SQLite stops earlier, by itself

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

std::string_view skip_to_word(std::string_view sql) {
  for (sql = skip_space_and_comments(sql); sql.starts_with('('); sql = skip_space_and_comments(sql))
    sql.remove_prefix(1);
  return sql;
}

// Whether the engines disagree about where a comment ends that stands before the first word, so that another word than
// the one that is looked at may come first: PostgreSQL nests comments, and ends a line at a lone carriage return too.
bool begins_ambiguously(std::string_view sql) {
  const auto rest = skip_to_word(sql);
  if (rest.empty()) return false;
  const auto before = sql.substr(0, sql.size() - rest.size());
  for (std::size_t i = 0; i < before.size();) {
    const bool line = before.substr(i).starts_with("--"), block = before.substr(i).starts_with("/*");
    if (!line && !block) {
      ++i;
      continue;
    }
    const auto end = std::min(before.find(line ? "\n" : "*/", i + 2), before.size());
    const auto text = before.substr(i + 2, end - i - 2);
    if (block && text.contains("/*")) return true;
    if (line && text.substr(0, text.empty() ? 0 : text.size() - 1).contains('\r')) return true;
    i = end + (line ? 1 : 2);
  }
  return false;
}

bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

std::string lowered(std::string_view text) {
  std::string word{text};
  for (auto& c : word)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return word;
}

bool names_a_write(std::string_view sql) {
  static constexpr std::array<std::string_view, 5> words{"insert", "update", "delete", "merge", "into"};
  return std::ranges::any_of(words, [sql](std::string_view word) { return names(sql, word); });
}

result<> check_text(std::string_view text, std::size_t place) {
  const bool has_nul = text.find('\0') != std::string_view::npos;
  if (!has_nul && valid_utf8(text)) return {};
  const auto which = "the text for $" + std::to_string(place);
  return fail(error{errc::invalid_argument, which + (has_nul ? " has a NUL byte" : " is not UTF-8")}.with_remedy(
      "pass bytes as a blob"));
}

}  // namespace

std::string first_word(std::string_view sql) {
  sql = skip_to_word(sql);
  const auto end = std::ranges::find_if_not(sql, [](char c) { return is_letter(c) && c != '_'; });
  return lowered({sql.begin(), end});
}

bool nothing_follows(std::string_view rest) {
  for (rest = skip_space_and_comments(rest); rest.starts_with(';'); rest = skip_space_and_comments(rest))
    rest.remove_prefix(1);
  return rest.empty();
}

bool names(std::string_view sql, std::string_view word) {
  for (std::size_t i = 0; i < sql.size();) {
    const auto begin = i;
    while (i < sql.size() && is_letter(sql[i])) ++i;
    if (i - begin == word.size() && lowered(sql.substr(begin, word.size())) == word) return true;
    if (i == begin) ++i;
  }
  return false;
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
  if (begins_ambiguously(s.sql))
    return fail(error{errc::invalid_argument, "the comment before the statement has another comment or line in it"}
                    .with_remedy("take it out: engines disagree about where such a comment ends"));
  if (std::ranges::find(reserved, word) != reserved.end())
    return fail(error{errc::invalid_argument, "the statement '" + word + "' is not for users"}.with_remedy(
        "use begin(), commit() and rollback() of the library"));
  if (s.sql.find('\0') != std::string::npos) return fail(errc::invalid_argument, "the statement has a NUL byte");
  if (s.values.size() > max_values)
    return fail(errc::invalid_argument, "a statement takes at most " + std::to_string(max_values) +
                                            " parameters, not " + std::to_string(s.values.size()));
  for (std::size_t i = 0; i < s.values.size(); ++i)
    if (const auto* text = s.values[i].get_if<std::string>()) WEFT_TRY_VOID(check_text(*text, i + 1));
  return {};
}

}  // namespace weft::storage
