#pragma once
// What the configuration's JSON Schema says of each path: which settings there are, and of which type. Reads the
// schemas that json::schema_text writes, not any schema.
#include <weft/json/value.hpp>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::service::detail {

enum class setting_kind : std::uint8_t { boolean, integer, number, text, list, map, choice, any };

struct setting_type {
  const json::value* schema = nullptr;  // references followed
  setting_kind is = setting_kind::any;
  bool nullable = false;
};

struct setting {
  std::vector<std::string> path;
  setting_type type;
  std::string description;

  [[nodiscard]] std::string name() const;  // "http.port"
};

class config_schema {
 public:
  explicit config_schema(std::string_view text);

  [[nodiscard]] setting_type root() const { return classify(root_); }
  [[nodiscard]] setting_type classify(const json::value& schema) const;
  // Of a member or an element; nullopt when there is no such one.
  [[nodiscard]] std::optional<setting_type> inside(const setting_type& type, std::string_view step) const;
  [[nodiscard]] std::optional<setting_type> at(std::span<const std::string> path) const;
  // For a choice: the alternative that an object with this tag is, or one that has this kind.
  [[nodiscard]] std::vector<setting_type> alternatives(const setting_type& type) const;
  // Every setting that has a path of its own, in the order of the struct; maps and lists count as one.
  [[nodiscard]] const std::vector<setting>& settings() const noexcept { return settings_; }
  // "a whole number from 0 to 65535"
  [[nodiscard]] static std::string expectation(const setting_type& type);

 private:
  [[nodiscard]] const json::value& follow(const json::value& schema) const;
  void collect(const json::value& schema, std::vector<std::string>& path, std::vector<const json::value*>& within);

  json::value root_;
  std::vector<setting> settings_;
};

// The closest of the names, when one is close.
[[nodiscard]] std::optional<std::string> closest(std::string_view wanted, const std::vector<std::string>& names);

}  // namespace weft::service::detail
