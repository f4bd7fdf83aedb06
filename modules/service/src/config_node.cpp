#include "config_node.hpp"

#include <algorithm>
#include <charconv>

namespace weft::service::detail {

std::string config_place::to_string() const {
  std::string out = source ? *source : "";
  if (line != 0) out += ":" + std::to_string(line) + ":" + std::to_string(column);
  return out;
}

config_node config_node::scalar(std::string text, config_place place) {
  config_node made;
  made.is = kind::scalar;
  made.text = std::move(text);
  made.place = std::move(place);
  return made;
}

const config_node* config_node::find(std::string_view key) const noexcept {
  if (is != kind::map) return nullptr;
  const auto found = std::ranges::find(keys, key);
  return found == keys.end() ? nullptr : &items[static_cast<std::size_t>(found - keys.begin())];
}

config_node& config_node::member(std::string_view key, const config_place& where) {
  if (is != kind::map) *this = config_node{.is = kind::map, .place = where};
  const auto found = std::ranges::find(keys, key);
  if (found != keys.end()) return items[static_cast<std::size_t>(found - keys.begin())];
  keys.emplace_back(key);
  return items.emplace_back(config_node{.place = where});
}

void lay_over(config_node& base, config_node over) {
  if (base.is != config_node::kind::map || over.is != config_node::kind::map) {
    // A section that is written but empty takes nothing away.
    if (over.is == config_node::kind::null && base.is == config_node::kind::map) return;
    base = std::move(over);
    return;
  }
  for (std::size_t i = 0; i < over.keys.size(); ++i)
    lay_over(base.member(over.keys[i], over.items[i].place), std::move(over.items[i]));
}

const config_node& nearest(const config_node& root, std::span<const std::string> steps) noexcept {
  const config_node* at = &root;
  for (const auto& step : steps) {
    const config_node* next = at->find(step);
    if (at->is == config_node::kind::list) {
      std::size_t index = 0;
      std::from_chars(step.data(), step.data() + step.size(), index);
      if (index < at->items.size()) next = &at->items[index];
    }
    if (next == nullptr) break;
    at = next;
  }
  return *at;
}

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> steps;
  std::string step;
  for (const char c : path) {
    if (c == '.' || c == '[') {
      if (!step.empty() || c == '.') steps.push_back(std::move(step));
      step.clear();
    } else if (c != ']') {
      step.push_back(c);
    }
  }
  if (!step.empty() || !path.ends_with(']')) steps.push_back(std::move(step));
  return steps;
}

std::string join_path(const config_node& root, std::span<const std::string> steps) {
  std::string path;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (nearest(root, steps.first(i)).is == config_node::kind::list) {
      path += "[" + steps[i] + "]";
    } else {
      if (i != 0) path += '.';
      path += steps[i];
    }
  }
  return path;
}

std::string config_problem::to_string() const {
  std::string out = place;
  if (!path.empty()) out += (out.empty() ? "" : ": ") + path;
  return (out.empty() ? "" : out + ": ") + what;
}

}  // namespace weft::service::detail
