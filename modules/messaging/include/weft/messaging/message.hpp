#pragma once
// What a broker carries: bytes under a topic, with a key and headers.
//
//     message m{.id = "018f...", .topic = "orders.placed.v1", .key = "order-7", .body = "{...}"};
//     m.content_type = "application/json";
//     m.fields.set("traceparent", "00-...");
//
// A value. What is published is shared by everyone who receives it, and never changed: message_ptr.
#include <weft/base/error.hpp>
#include <weft/runtime/timer.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft::messaging {

// Names are compared as they are written; weft's own are in lower case. A name occurs once.
struct header {
  std::string name, value;
  friend bool operator==(const header&, const header&) = default;
};

// In the order in which they were set.
class headers {
 public:
  headers() = default;
  headers(std::initializer_list<header> list);

  // The value, or null.
  [[nodiscard]] const std::string* find(std::string_view name) const noexcept;
  // Empty without it.
  [[nodiscard]] std::string_view get(std::string_view name) const noexcept;
  void set(std::string_view name, std::string value);
  // For a name that is certainly new: spares the search.
  void append(std::string_view name, std::string value) { list_.push_back({std::string{name}, std::move(value)}); }
  bool erase(std::string_view name);
  void reserve(std::size_t count) { list_.reserve(count); }

  [[nodiscard]] auto begin() const noexcept { return list_.begin(); }
  [[nodiscard]] auto end() const noexcept { return list_.end(); }
  [[nodiscard]] std::size_t size() const noexcept { return list_.size(); }
  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }
  friend bool operator==(const headers&, const headers&) = default;

 private:
  std::vector<header> list_;
};

inline constexpr std::uint8_t default_priority = 4;
inline constexpr std::uint8_t max_priority = 9;

struct message {
  std::string id;     // unique for its sender; what duplicates are recognised by
  std::string topic;  // words with dots between them: "user.created"
  std::string key;    // messages of one key stay in order; empty: no order is asked for
  headers fields;
  std::string body;
  std::string content_type;
  std::uint8_t priority = default_priority;  // 0 to 9, higher first
  // From the moment the broker takes it; then it is dropped instead of delivered. Zero: it never expires.
  duration time_to_live{};

  // What it counts for where a bound is in bytes.
  [[nodiscard]] std::size_t size() const noexcept;
  friend bool operator==(const message&, const message&) = default;
};

using message_ptr = std::shared_ptr<const message>;

struct message_limits {
  std::size_t max_headers = 128;
  std::size_t max_header_bytes = 32 * 1024;  // of all names and values together
  std::size_t max_body_bytes = 128 * 1024 * 1024;
};
inline constexpr std::size_t max_name_bytes = 255;  // of a topic, a key, an id, a header's name

// errc::invalid_argument, or errc::resource_exhausted for what is too large; says which part.
[[nodiscard]] result<> validate(const message& m, const message_limits& limits = {});

// 1 to 255 bytes: words of letters, digits, - _ : / with dots between them.
[[nodiscard]] result<> validate_topic(std::string_view topic);

}  // namespace weft::messaging
