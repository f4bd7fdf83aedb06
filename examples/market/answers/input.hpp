#pragma once
// Reading what callers send: a value, or what is wrong with each field.
#include "answers/answers.hpp"

#include <weft/base/text_rules.hpp>
#include <weft/base/time.hpp>
#include <weft/json/decode.hpp>

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace market {

using problem_list = std::vector<field_problem>;
template <class T>
using checked = std::expected<T, problem_list>;

template <class T>
[[nodiscard]] checked<T> unless(problem_list problems, T value) {
  if (!problems.empty()) return std::unexpected{std::move(problems)};
  return value;
}

[[nodiscard]] field_problem problem_of(const weft::json::decode_failure& failure);

template <class T>
[[nodiscard]] checked<T> decode(std::string_view content) {
  auto decoded = weft::json::try_decode<T>(content);
  if (decoded) return *std::move(decoded);
  return std::unexpected{problem_list{problem_of(decoded.error())}};
}

// Takes the spaces around it away. What breaks the rules would be refused by a database or a consumer later.
void check_text(std::string_view field, std::string& text, const weft::text_rules& rules, problem_list& problems);

// To the millisecond, as times are kept and told.
[[nodiscard]] weft::wall_time now_of(const weft::http::request& r);

// ?page=1&limit=20
[[nodiscard]] page_query read_page(const weft::http::request& r, problem_list& problems);

}  // namespace market
