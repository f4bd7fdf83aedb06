#include "answers/input.hpp"

#include <weft/runtime/loop.hpp>

#include <charconv>

namespace market {

using namespace weft;

namespace {

constexpr std::uint64_t max_limit = 100, max_page = 1'000'000;

std::uint64_t read_number(const http::request& r, const char* name, std::uint64_t otherwise, std::uint64_t most,
                          problem_list& problems) {
  const auto text = r.query(name);
  if (!text) return otherwise;
  std::uint64_t number = 0;
  const auto* end = text->data() + text->size();
  const auto [at, problem] = std::from_chars(text->data(), end, number);
  if (problem == std::errc{} && at == end && number >= 1 && number <= most) return number;
  problems.push_back({name, "expected a whole number from 1 to " + std::to_string(most)});
  return otherwise;
}

}  // namespace

field_problem problem_of(const json::decode_failure& failure) {
  std::string field;
  for (const auto& step : failure.steps) field += (field.empty() ? "" : ".") + step;
  return {field, failure.what};
}

void check_text(std::string_view field, std::string& text, const text_rules& rules, problem_list& problems) {
  const auto first = text.find_first_not_of(' '), last = text.find_last_not_of(' ');
  text = first == text.npos ? "" : text.substr(first, last - first + 1);
  if (auto problem = weft::check_text(text, rules)) problems.push_back({std::string{field}, *std::move(problem)});
}

wall_time now_of(const http::request& r) { return std::chrono::floor<std::chrono::milliseconds>(r.home()->wall_now()); }

page_query read_page(const http::request& r, problem_list& problems) {
  page_query page;
  page.page = read_number(r, "page", page.page, max_page, problems);
  page.limit = read_number(r, "limit", page.limit, max_limit, problems);
  return page;
}

}  // namespace market
