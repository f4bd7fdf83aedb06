#pragma once
// Types of a small shop, described, that the tests share.
#include <weft/json.hpp>
#include <weft/json/compiled_codec.hpp>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace shop {

using order_id = weft::strong<struct order_id_tag>;
using cents = weft::strong<struct cents_tag, std::int64_t>;

enum class status { placed, paid, on_hold };
BOOST_DESCRIBE_ENUM(status, placed, paid, on_hold)

struct item {
  std::string sku;
  int quantity = 1;
  double price = 0;
  friend bool operator==(const item&, const item&) = default;
};
BOOST_DESCRIBE_STRUCT(item, (), (sku, quantity, price))

struct record {
  weft::uuid id;
  weft::wall_time at;
  friend bool operator==(const record&, const record&) = default;
};
BOOST_DESCRIBE_STRUCT(record, (), (id, at))

struct order : record {
  order_id name;
  status state = status::placed;
  std::vector<item> items;
  std::optional<std::string> note;
  std::map<std::string, cents> totals;
  friend bool operator==(const order&, const order&) = default;
};
BOOST_DESCRIBE_STRUCT(order, (record), (name, state, items, note, totals))

struct circle {
  double radius = 0;
  friend bool operator==(const circle&, const circle&) = default;
};
BOOST_DESCRIBE_STRUCT(circle, (), (radius))
struct square {
  double side = 0;
  friend bool operator==(const square&, const square&) = default;
};
BOOST_DESCRIBE_STRUCT(square, (), (side))
using shape = std::variant<circle, square>;
using label = std::variant<std::monostate, std::string, std::int64_t>;

struct tree {
  std::string name;
  std::vector<tree> children;
  std::unique_ptr<tree> twin;
};
BOOST_DESCRIBE_STRUCT(tree, (), (name, children, twin))

struct server {
  std::string host = "localhost";
  std::uint16_t port = 8080;
  std::chrono::milliseconds timeout{5000};
};
BOOST_DESCRIBE_STRUCT(server, (), (host, port, timeout))

struct configuration {
  server http;
  std::vector<std::string> plugins;
};
BOOST_DESCRIBE_STRUCT(configuration, (), (http, plugins))

struct camel {
  int unit_price = 0;
  std::string class_ = {};
  friend bool operator==(const camel&, const camel&) = default;
};
BOOST_DESCRIBE_STRUCT(camel, (), (unit_price, class_))

// Inherits names and descriptions, and says more of one member.
struct reduced_camel : camel {
  int old_price = 0;
};
BOOST_DESCRIBE_STRUCT(reduced_camel, (camel), (old_price))

struct bank_transfer {
  std::string iban;
};
BOOST_DESCRIBE_STRUCT(bank_transfer, (), (iban))
struct card {
  std::string last_digits;
};
BOOST_DESCRIBE_STRUCT(card, (), (last_digits))
using payment = std::variant<bank_transfer, card>;

struct version {
  int major = 0;
  int minor = 0;
  friend bool operator==(const version&, const version&) = default;
};

}  // namespace shop

WEFT_JSON_DECLARE_CODEC(shop::order)

template <>
struct weft::json::traits<shop::camel> {
  static constexpr auto names = case_style::camel;
  static constexpr std::string_view description = "A price tag";
  static constexpr field_note fields[] = {
      {.member = "class_", .name = "class"},
      {.member = "unit_price", .description = "In cents"},
  };
};

template <>
struct weft::json::traits<shop::reduced_camel> {
  static constexpr field_note fields[] = {{.member = "class_", .description = "Of the sale"}};
};

template <>
struct weft::json::traits<shop::bank_transfer> {
  static constexpr std::string_view name = "bank-transfer";
};
template <>
struct weft::json::traits<shop::payment> {
  static constexpr std::string_view tag = "method";
};

template <>
struct weft::json::codec<shop::version> {
  static constexpr auto form = kind::string;
  static bool read(reader& r, shop::version& out) {
    std::string_view text;
    if (!r.read_text(text)) return false;
    const auto dot = text.find('.');
    if (dot == text.npos || !codec<int>::parse_key(text.substr(0, dot), out.major) ||
        !codec<int>::parse_key(text.substr(dot + 1), out.minor)) {
      return r.fail("expected a version such as \"1.4\"");
    }
    return true;
  }
  static void write(writer& w, const shop::version& v) {
    w.string(std::to_string(v.major) + "." + std::to_string(v.minor));
  }
  static void schema(schema_writer& s) { s.keyword("type", "string"); }
};

namespace shop {
// The message of a refusal, or "decoded".
template <class T>
std::string refusal(std::string_view text, const weft::json::decode_options& options = {}) {
  const auto decoded = weft::json::decode<T>(text, options);
  if (decoded) return "decoded";
  EXPECT_EQ(decoded.error().code(), weft::errc::invalid_argument);
  return std::string{decoded.error().message()};
}
}  // namespace shop
