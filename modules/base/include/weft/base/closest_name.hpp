#pragma once
// "Did you mean": the name that somebody probably meant, of those there are.
//
//     const std::vector<std::string_view> known{"port", "host"};
//     const auto meant = closest_name("prot", known);               // "port"
#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace weft {

// Levenshtein's distance, over the first `max_size` characters of each.
[[nodiscard]] inline std::size_t edits_between(std::string_view a, std::string_view b, std::size_t max_size = 64) {
  a = a.substr(0, max_size);
  b = b.substr(0, max_size);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

// The first of the closest, when at most a third of the name (and two characters) differ; empty: none is close.
[[nodiscard]] inline std::string_view closest_name(std::string_view got, std::span<const std::string_view> known) {
  std::size_t best = std::max<std::size_t>(got.size() / 3, 2) + 1;
  std::string_view closest;
  for (const auto name : known)
    if (const auto edits = edits_between(got, name); edits < std::min(best, name.size())) {
      best = edits;
      closest = name;
    }
  return closest;
}

}  // namespace weft
