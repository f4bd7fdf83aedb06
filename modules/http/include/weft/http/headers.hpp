#pragma once
// The fields of a message, in their order: names compare without case, repeated fields stay apart.
//
//     headers h;
//     h.set("Content-Type", "application/json");
//     const std::string_view type = h.get("content-type").value_or("text/plain");
//
// What add() and set() take is copied; add_view() keeps a view, for text that outlives the headers: literals, and the
// fields of a received message, which stay in its read buffer. Values are not checked here; a message with a field that
// would break the framing (CR, LF, NUL) is refused when it is written.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::http {

// ASCII only, as field names are.
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

class headers {
 public:
  struct field {
    std::string_view name, value;
  };

  headers() noexcept = default;
  headers(std::initializer_list<field> fields);  // copies
  headers(headers&& other) noexcept;
  headers& operator=(headers&& other) noexcept;
  headers(const headers& other);  // copies every text
  headers& operator=(const headers& other);
  ~headers() = default;

  void add(std::string_view name, std::string_view value);
  void add_view(std::string_view name, std::string_view value);
  // Replaces every field of that name.
  void set(std::string_view name, std::string_view value);
  std::size_t remove(std::string_view name) noexcept;  // how many there were
  void clear() noexcept;                               // keeps its memory

  // The first field of that name.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const noexcept;
  [[nodiscard]] bool contains(std::string_view name) const noexcept { return find(name) != nullptr; }
  [[nodiscard]] std::size_t count(std::string_view name) const noexcept;
  // All values of that name joined by ", ", as RFC 9110 5.3 allows for lists.
  [[nodiscard]] std::string joined(std::string_view name) const;
  // Whether a comma-separated list field holds the token, without case: has_token("connection", "close").
  [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const noexcept;

  [[nodiscard]] const field* begin() const noexcept { return fields(); }
  [[nodiscard]] const field* end() const noexcept { return fields() + size_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

 private:
  static constexpr std::size_t inline_fields = 8;
  [[nodiscard]] const field* find(std::string_view name) const noexcept;
  [[nodiscard]] field* fields() noexcept { return spilled_.empty() ? inline_.data() : spilled_.data(); }
  [[nodiscard]] const field* fields() const noexcept { return spilled_.empty() ? inline_.data() : spilled_.data(); }
  [[nodiscard]] std::string_view keep(std::string_view text);

  std::size_t size_ = 0;
  std::array<field, inline_fields> inline_;
  std::vector<field> spilled_;  // all of them, once there are more than fit inline
  // Copied text, in blocks that never move.
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t block_used_ = 0, block_size_ = 0;
};

// Calls f(element) for each element of a comma-separated list, trimmed, empty ones left out. Stops when f says false.
template <class Function>
void for_each_element(std::string_view list, Function f) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    auto element = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    while (!element.empty() && (element.front() == ' ' || element.front() == '\t')) element.remove_prefix(1);
    while (!element.empty() && (element.back() == ' ' || element.back() == '\t')) element.remove_suffix(1);
    if (!element.empty() && !f(element)) return;
  }
}

}  // namespace weft::http
