#include "conditional.hpp"

#include <algorithm>
#include <charconv>

namespace weft::http::detail {

namespace {
std::string_view opaque(std::string_view tag) { return tag.starts_with("W/") ? tag.substr(2) : tag; }

// HTTP dates have seconds.
bool same_second_or_later(wall_time a, wall_time b) {
  return std::chrono::floor<std::chrono::seconds>(a) >= std::chrono::floor<std::chrono::seconds>(b);
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto* end = text.data() + text.size();
  const auto [at, problem] = std::from_chars(text.data(), end, number);
  if (text.empty() || problem != std::errc{} || at != end) return std::nullopt;
  return number;
}

bool range_applies(const headers& request, const validators& current, wall_time now) {
  const auto condition = request.get("if-range");
  if (!condition) return true;
  if (condition->starts_with('"')) return *condition == current.etag;
  const auto date = parse_http_date(*condition, now);
  return date && *date == std::chrono::floor<std::chrono::seconds>(current.modified);
}

// Calls f(tag) for each entity tag of a list, with its quotes; commas within them separate nothing.
template <class Function>
void for_each_tag(std::string_view list, Function f) {
  while (!list.empty()) {
    std::size_t end = 0;
    for (bool quoted = false; end < list.size() && (quoted || list[end] != ','); ++end)
      if (list[end] == '"') quoted = !quoted;
    auto tag = list.substr(0, end);
    list = end == list.size() ? std::string_view{} : list.substr(end + 1);
    while (tag.starts_with(' ') || tag.starts_with('\t')) tag.remove_prefix(1);
    while (tag.ends_with(' ') || tag.ends_with('\t')) tag.remove_suffix(1);
    if (!tag.empty() && !f(tag)) return;
  }
}
}  // namespace

bool precondition_failed(const headers& request, const validators& current, wall_time now) {
  if (request.contains("if-match")) {
    const auto tags = request.joined("if-match");
    bool found = false;
    for_each_tag(tags, [&](std::string_view tag) {
      found = tag == "*" || tag == current.etag;
      return !found;
    });
    return !found;
  }
  const auto since = request.get("if-unmodified-since");
  if (!since) return false;
  const auto date = parse_http_date(*since, now);
  return date && !same_second_or_later(*date, current.modified);
}

bool not_modified(const headers& request, const validators& current, wall_time now) {
  if (request.contains("if-none-match")) {
    const auto tags = request.joined("if-none-match");
    bool found = false;
    for_each_tag(tags, [&](std::string_view tag) {
      found = tag == "*" || opaque(tag) == opaque(current.etag);
      return !found;
    });
    return found;
  }
  const auto since = request.get("if-modified-since");
  if (!since) return false;
  const auto date = parse_http_date(*since, now);
  return date && same_second_or_later(*date, current.modified);
}

byte_range range_of(const headers& request, const validators& current, std::uint64_t size, wall_time now) {
  constexpr std::string_view unit = "bytes=";
  const byte_range whole{byte_range::kind::whole, 0, size};
  const auto field = request.get("range");
  if (!field || request.count("range") != 1 || !range_applies(request, current, now)) return whole;
  if (field->size() <= unit.size() || !equal_ignoring_case(field->substr(0, unit.size()), unit)) return whole;
  const auto range = field->substr(unit.size());
  const auto dash = range.find('-');
  if (dash == std::string_view::npos || range.find(',') != std::string_view::npos) return whole;
  const auto first = parse_number(range.substr(0, dash)), last = parse_number(range.substr(dash + 1));
  const bool open = dash + 1 == range.size();
  if (dash == 0) {  // the last so many
    if (!last) return whole;
    if (*last == 0 || size == 0) return {byte_range::kind::unsatisfiable, 0, 0};
    const auto count = std::min(*last, size);
    return {byte_range::kind::part, size - count, count};
  }
  if (!first || (!last && !open) || (last && *last < *first)) return whole;
  if (*first >= size) return {byte_range::kind::unsatisfiable, 0, 0};
  const auto end = last ? std::min(*last, size - 1) : size - 1;
  return {byte_range::kind::part, *first, end - *first + 1};
}

}  // namespace weft::http::detail
