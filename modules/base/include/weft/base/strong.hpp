#pragma once
// A type of one's own over a plain representation, so that an order id is not a user id:
//     using order_id = strong<struct order_id_tag>;                 // a string
//     using cents    = strong<struct cents_tag, std::int64_t>;
// Comparison and hashing only; no arithmetic. JSON, configuration and path parameters read it as its representation.
#include <compare>
#include <functional>
#include <string>
#include <utility>

namespace weft {

template <class Tag, class Rep = std::string>
class strong {
 public:
  using rep = Rep;

  strong() = default;
  explicit constexpr strong(Rep value) : value_{std::move(value)} {}

  [[nodiscard]] constexpr const Rep& value() const& noexcept { return value_; }
  [[nodiscard]] constexpr Rep value() && { return std::move(value_); }

  friend constexpr auto operator<=>(const strong&, const strong&) = default;

 private:
  Rep value_{};
};

template <class T>
inline constexpr bool is_strong = false;
template <class Tag, class Rep>
inline constexpr bool is_strong<strong<Tag, Rep>> = true;

}  // namespace weft

template <class Tag, class Rep>
struct std::hash<weft::strong<Tag, Rep>> {
  std::size_t operator()(const weft::strong<Tag, Rep>& s) const { return std::hash<Rep>{}(s.value()); }
};
