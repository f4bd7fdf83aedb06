#pragma once
// What a broker carries: bytes under a topic, with a key and headers.
//
//     message m{.id = "018f...", .topic = "orders.placed.v1", .key = "order-7", .body = "{...}"};
//     m.content_type = "application/json";
//     m.fields.set("traceparent", "00-...");
//
// A value. What is published is shared by everyone who receives it, and never changed: message_ptr.
#include <weft/base/error.hpp>
#include <weft/runtime/frame_pool.hpp>
#include <weft/runtime/timer.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::messaging {

// Names are compared as they are written; weft's own are in lower case. A name occurs once.
struct header {
  std::string_view name, value;
  friend bool operator==(const header&, const header&) = default;
};

// In the order in which they were set. All text lies in one piece of memory, so that a message with a dozen of them is
// made, copied and sent without a dozen allocations; the views that it gives are valid until it is changed.
class headers {
 public:
  class iterator;

  headers() = default;
  headers(std::initializer_list<header> list);

  // The value, or nothing.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept;
  // Empty without it.
  [[nodiscard]] std::string_view get(std::string_view name) const noexcept;
  [[nodiscard]] bool contains(std::string_view name) const noexcept { return find(name).has_value(); }
  void set(std::string_view name, std::string_view value);
  // For a name that is certainly new: spares the search.
  void append(std::string_view name, std::string_view value) { append({}, name, value); }
  // With what its name begins with in a part of its own.
  void append(std::string_view prefix, std::string_view name, std::string_view value) {
    if (holds(prefix) || holds(name) || holds(value)) [[unlikely]]
      return append(std::string{prefix}, std::string{name}, std::string{value});
    const auto at = text_.size(), middle = at + prefix.size() + name.size();
    const auto end = middle + value.size();
    text_.resize_and_overwrite(end, [&](char* text, std::size_t) {
      prefix.copy(text + at, prefix.size());
      name.copy(text + at + prefix.size(), name.size());
      value.copy(text + middle, value.size());
      return end;
    });
    ends_.push_back(middle);
    ends_.push_back(end);
  }
  // Those of others, none of whose names is here.
  void append(const headers& others) {
    const auto before = text_.size();
    text_.append(others.text_);
    for (const auto end : others.ends_) ends_.push_back(before + end);
  }
  bool erase(std::string_view name);
  // For so many, of so many bytes together.
  void reserve(std::size_t count, std::size_t bytes = 0) {
    ends_.reserve(2 * count);
    text_.reserve(bytes);
  }

  [[nodiscard]] iterator begin() const noexcept;
  [[nodiscard]] iterator end() const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return ends_.size() / 2; }
  [[nodiscard]] bool empty() const noexcept { return ends_.empty(); }
  // All names and values, one behind the other.
  [[nodiscard]] std::string_view text() const noexcept { return text_; }
  friend bool operator==(const headers&, const headers&) = default;

 private:
  [[nodiscard]] header at(std::size_t index) const noexcept {
    const std::string_view all{text_};
    const auto begin = index == 0 ? 0 : ends_[2 * index - 1], middle = ends_[2 * index];
    return {all.substr(begin, middle - begin), all.substr(middle, ends_[2 * index + 1] - middle)};
  }

  // Whether it is one of the views that this gave, and so would not outlive a change.
  [[nodiscard]] bool holds(std::string_view part) const noexcept {
    const std::less_equal<> before;
    return !part.empty() && before(text_.data(), part.data()) && before(part.data(), text_.data() + text_.size());
  }

  // From the pool of the runtime: messages come and go in batches, which is where malloc is slow.
  std::basic_string<char, std::char_traits<char>, frame_pool::allocator<char>> text_;
  // In it: of the first name, the first value, the second name, ...
  std::vector<std::size_t, frame_pool::allocator<std::size_t>> ends_;
};

class headers::iterator {
 public:
  using value_type = header;
  using difference_type = std::ptrdiff_t;
  iterator() = default;
  iterator(const headers* of, std::size_t index) noexcept : of_{of}, index_{index} {}
  [[nodiscard]] header operator*() const noexcept { return of_->at(index_); }
  iterator& operator++() noexcept { return ++index_, *this; }
  iterator operator++(int) noexcept { return {of_, index_++}; }
  friend bool operator==(const iterator&, const iterator&) = default;

 private:
  const headers* of_ = nullptr;
  std::size_t index_ = 0;
};

inline headers::iterator headers::begin() const noexcept { return {this, 0}; }
inline headers::iterator headers::end() const noexcept { return {this, size()}; }

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
[[nodiscard]] message_ptr share(message&& m);

struct message_limits {
  std::size_t max_headers = 128;
  std::size_t max_header_bytes = 32 * 1024;  // of all names and values together
  std::size_t max_body_bytes = 128 * 1024 * 1024;
};
inline constexpr std::size_t max_name_bytes = 255;  // of a topic, a key, an id, a header's name

// errc::invalid_argument, or errc::resource_exhausted with limit_kind::size for what is too large; says which part.
[[nodiscard]] result<> validate(const message& m, const message_limits& limits = {});

// 1 to 255 bytes: words of letters, digits, - _ : / with dots between them.
[[nodiscard]] result<> validate_topic(std::string_view topic);

}  // namespace weft::messaging
