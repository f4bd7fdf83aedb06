#pragma once
// Text in columns.
//
//     table t{{"GROUP"}, {"READY", column::right}};
//     t.add({"billing", "12"});
//     t.print(out);
//     // GROUP    READY
//     // billing     12
#include <ostream>
#include <string>
#include <vector>

namespace weft::cli {

struct column {
  enum class side : std::uint8_t { left, right };
  static constexpr auto right = side::right;

  std::string title;
  side aligned = side::left;
};

class table {
 public:
  table(std::initializer_list<column> columns) : columns_{columns} {}

  // As many cells as columns, each on one line.
  void add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }
  // The titles and the rows, without spaces at the ends of lines.
  void print(std::ostream& out) const;

 private:
  std::vector<column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace weft::cli
