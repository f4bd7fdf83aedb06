#pragma once
// YAML text to the raw tree, with the line and column of every value. Bounded whatever the text is: its size, its depth
// and what its aliases expand to. Tags, merge keys, keys that are not text, keys that appear twice and further
// documents are refused.
#include "config_node.hpp"

#include <cstddef>
#include <expected>

namespace weft::service::detail {

struct yaml_limits {
  std::size_t max_bytes = 1 << 20;
  std::size_t max_depth = 32;
  std::size_t max_key_bytes = 200;
  std::size_t max_nodes = 20'000;  // aliases count as what they stand for
  // Of all keys and values together, aliases and what they refer to counted as often as they are held.
  std::size_t max_text_bytes = 4 << 20;
};

[[nodiscard]] std::expected<config_node, config_problem> parse_yaml(std::string_view text, std::string_view source,
                                                                    const yaml_limits& limits = {});

}  // namespace weft::service::detail
