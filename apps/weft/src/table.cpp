#include "table.hpp"

#include <weft/base/assert.hpp>

#include <algorithm>

namespace weft::cli {

namespace {

// Characters, not bytes; each counts as one column wide.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

void table::add(std::vector<std::string> cells) {
  WEFT_ASSERT(cells.size() == columns_.size(), "a row has as many cells as there are columns");
  rows_.push_back(std::move(cells));
}

void table::print(std::ostream& out) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    auto widest = width(columns_[i].title);
    for (const auto& row : rows_) widest = std::max(widest, width(row[i]));
    widths.push_back(widest);
  }
  const auto line = [&](auto&& cell_at) {
    std::string text;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string& cell = cell_at(i);
      const auto padding = widths[i] - width(cell);
      if (i > 0) text += "  ";
      if (columns_[i].aligned == column::right) text.append(padding, ' ');
      text += cell;
      if (columns_[i].aligned != column::right) text.append(padding, ' ');
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out << text << '\n';
  };
  line([&](std::size_t i) -> const std::string& { return columns_[i].title; });
  for (const auto& row : rows_) line([&](std::size_t i) -> const std::string& { return row[i]; });
}

}  // namespace weft::cli
