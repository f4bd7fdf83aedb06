#pragma once
// The raw configuration: text with its places, before any type is known. Each source becomes such a tree, and the trees
// are laid over one another.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::service::detail {

// "market.yaml:12:9", "WEFT_HTTP_PORT", "--http.port".
struct config_place {
  std::shared_ptr<const std::string> source;
  std::size_t line = 0, column = 0;  // from 1; 0: the source has none
  [[nodiscard]] std::string to_string() const;
};

struct config_node {
  enum class kind : std::uint8_t { null, scalar, list, map };
  enum class writing : std::uint8_t {
    plain,      // its type is whatever the setting wants
    quoted,     // it is text
    reference,  // it came through "${...}": not shown in messages
  };

  kind is = kind::null;
  writing written = writing::plain;
  std::string text;                // of a scalar
  std::vector<std::string> keys;   // of a map, beside `items`
  std::vector<config_node> items;  // of a list or a map
  config_place place;

  [[nodiscard]] static config_node scalar(std::string text, config_place place);
  [[nodiscard]] const config_node* find(std::string_view key) const noexcept;
  // The member's node, made when it is not there; this becomes a map if it is none.
  config_node& member(std::string_view key, const config_place& where);
};

// Maps are merged, key by key; anything else in `over` replaces what is in `base`.
void lay_over(config_node& base, config_node over);

// The nearest node to a path: where to point at when the path is wrong.
[[nodiscard]] const config_node& nearest(const config_node& root, std::span<const std::string> steps) noexcept;

// {"http", "port"} and "http.port"; {"peers", "2", "url"} is "peers[2].url" where `root` has a list there.
[[nodiscard]] std::vector<std::string> split_path(std::string_view path);
[[nodiscard]] std::string join_path(const config_node& root, std::span<const std::string> steps);

// What is wrong, and where.
struct config_problem {
  std::string place;
  std::string path;
  std::string what;
  // "market.yaml:12:9: http.port: expected ..."
  [[nodiscard]] std::string to_string() const;
};

}  // namespace weft::service::detail
