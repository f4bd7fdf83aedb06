#pragma once
// The routes of a router as a tree of segments. Immutable once built; matching allocates nothing for segments that are
// not percent-encoded, and visits each node of the tree at most once.
#include <weft/http/router.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft::http::detail {

// One segment of a pattern.
struct pattern_segment {
  // In the order in which they are tried.
  enum class kind : std::uint8_t { literal, integer, uuid, plain, wildcard };
  kind what = kind::literal;
  std::string text;  // the literal, decoded, or the parameter's name
};
// Throws std::invalid_argument.
[[nodiscard]] std::vector<pattern_segment> parse_pattern(std::string_view pattern);
// The pattern with its parameters' names left out: what matches the same paths has the same shape.
[[nodiscard]] std::string shape_of(const std::vector<pattern_segment>& segments);

class route_tree {
 public:
  static constexpr int methods = static_cast<int>(method::other) + 1;

  struct match {
    const router::entry* route = nullptr;  // null: none with that method
    std::uint16_t allowed = 0;             // a bit for each method that the path has a route for
    bool path_known = false;
    std::array<std::string_view, router::max_parameters> values;  // encoded, in the pattern's order
  };

  explicit route_tree(std::vector<router::entry> entries);
  // `path` begins with '/' and is correctly encoded.
  [[nodiscard]] match find(method m, std::string_view path) const;
  [[nodiscard]] std::uint16_t all_methods() const noexcept { return all_methods_; }

 private:
  using kind = pattern_segment::kind;
  struct ending {
    std::array<const router::entry*, methods> by_method{};
    const router::entry* any = nullptr;
    bool exists = false;
  };
  struct node {
    std::vector<std::pair<std::string, std::unique_ptr<node>>> literals;  // sorted by text
    std::array<std::unique_ptr<node>, 3> parameters;                      // integer, uuid, plain
    ending here, wildcard;
  };
  struct search;

  [[nodiscard]] node& child(node& parent, const pattern_segment& segment);
  void insert(const router::entry& entry);

  std::vector<router::entry> entries_;
  node root_;
  std::uint16_t all_methods_ = 0;
};

// "GET, HEAD, OPTIONS" for a set of methods: HEAD comes with GET, OPTIONS with any.
[[nodiscard]] std::string allow_text(std::uint16_t methods);

}  // namespace weft::http::detail
