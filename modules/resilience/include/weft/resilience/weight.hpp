#pragma once
// How many bytes a value really holds, for a cache's bound: with the memory that its strings and containers own.
//
//     template <>
//     struct weft::resilience::weigher<picture> {
//       static std::uint64_t bytes(const picture& p) { return sizeof(p) + p.pixels.size(); }
//     };
//
//     auto bytes = weft::resilience::weight_of(std::string(1000, 'x'));      // 1000 and the string itself
//
// Known are types without memory of their own, strings, containers, optional, variant, pair, tuple, smart pointers, and
// structs described by Boost.Describe of all these. Of any other type nobody guesses: a cache of it wants cache::weigh,
// or a weigher.
#include <boost/describe/bases.hpp>
#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <tuple>
#include <type_traits>
#include <variant>

namespace weft::resilience {

// Specialise it for types of your own: bytes() counts the object itself, too.
template <class T>
struct weigher;

template <class T>
[[nodiscard]] std::uint64_t weight_of(const T& value);

namespace detail {

template <class T>
concept weighed_by_user = requires(const T& v) {
  { weigher<T>::bytes(v) } -> std::convertible_to<std::uint64_t>;
};
template <class T>
concept described_struct = std::is_class_v<T> && boost::describe::has_describe_members<T>::value && !std::is_union_v<T>;
template <class T>
struct is_tuple : std::false_type {};
template <class... Ts>
struct is_tuple<std::tuple<Ts...>> : std::true_type {};
template <class A, class B>
struct is_tuple<std::pair<A, B>> : std::true_type {};
template <class T>
struct is_variant : std::false_type {};
template <class... Ts>
struct is_variant<std::variant<Ts...>> : std::true_type {};
template <class T>
concept pointer_like = requires(const T& v) {
  typename T::element_type;
  { v.get() } -> std::convertible_to<const typename T::element_type*>;
};
template <class T>
concept optional_like = requires(const T& v) {
  typename T::value_type;
  { v.has_value() } -> std::same_as<bool>;
  *v;
};
template <class T>
concept own_range = std::ranges::input_range<const T> && !std::ranges::view<T>;

template <class T>
constexpr bool can_weigh();
template <class T, std::size_t... I>
constexpr bool can_weigh_each(std::index_sequence<I...>) {
  return (can_weigh<std::remove_cvref_t<std::tuple_element_t<I, T>>>() && ...);
}
template <class V, std::size_t... I>
constexpr bool can_weigh_alternatives(std::index_sequence<I...>) {
  return (can_weigh<std::variant_alternative_t<I, V>>() && ...);
}
template <class T>
using described_members =
    boost::describe::describe_members<T, boost::describe::mod_any_access | boost::describe::mod_inherited>;
template <class T>
constexpr bool can_weigh_members() {
  bool all = true;
  boost::mp11::mp_for_each<described_members<T>>([&](auto d) {
    using member = std::remove_cvref_t<decltype(std::declval<const T&>().*d.pointer)>;
    if constexpr (!std::is_same_v<member, T>) all = all && can_weigh<member>();
  });
  return all;
}

template <class T>
constexpr bool can_weigh() {
  if constexpr (weighed_by_user<T>)
    return true;
  else if constexpr (std::is_pointer_v<T>)
    return false;  // what it points to may be anybody's
  else if constexpr (std::is_scalar_v<T>)
    return true;
  else if constexpr (is_tuple<T>::value)
    return can_weigh_each<T>(std::make_index_sequence<std::tuple_size_v<T>>{});
  else if constexpr (is_variant<T>::value)
    return can_weigh_alternatives<T>(std::make_index_sequence<std::variant_size_v<T>>{});
  else if constexpr (described_struct<T>)
    return can_weigh_members<T>();
  else if constexpr (optional_like<T>)
    return can_weigh<typename T::value_type>();
  else if constexpr (own_range<T>)
    return can_weigh<std::remove_cvref_t<std::ranges::range_value_t<T>>>();
  else if constexpr (pointer_like<T>)
    return can_weigh<std::remove_cv_t<typename T::element_type>>();
  else
    return std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>;
}

// What a value owns beyond its own bytes.
template <class T>
std::uint64_t held_by(const T& value) {
  return weight_of(value) - sizeof(T);
}

}  // namespace detail

// Whether weight_of() knows the type.
template <class T>
inline constexpr bool weighable = detail::can_weigh<T>();

template <class T>
std::uint64_t weight_of(const T& value) {
  static_assert(weighable<T>, "how much memory such a value holds is not known: specialise weft::resilience::weigher");
  std::uint64_t bytes = sizeof(T);
  if constexpr (detail::weighed_by_user<T>) {
    return weigher<T>::bytes(value);
  } else if constexpr (std::is_scalar_v<T>) {
    return bytes;
  } else if constexpr (detail::is_tuple<T>::value) {
    std::apply([&](const auto&... each) { ((bytes += detail::held_by(each)), ...); }, value);
  } else if constexpr (detail::is_variant<T>::value) {
    if (!value.valueless_by_exception()) bytes += std::visit([](const auto& v) { return detail::held_by(v); }, value);
  } else if constexpr (detail::described_struct<T>) {
    boost::mp11::mp_for_each<detail::described_members<T>>([&](auto d) { bytes += detail::held_by(value.*d.pointer); });
  } else if constexpr (detail::optional_like<T>) {
    if (value.has_value()) bytes += detail::held_by(*value);
  } else if constexpr (detail::own_range<T>) {
    using element = std::remove_cvref_t<std::ranges::range_value_t<const T>>;
    if constexpr (std::is_same_v<T, std::string>) {
      if (value.capacity() > std::string{}.capacity()) bytes += value.capacity() + 1;
    } else {
      constexpr bool contiguous = requires { value.capacity(); };
      // A list, a set or a map has a node for each element: links, colour or hash, and the allocator's own.
      constexpr std::uint64_t node = contiguous ? 0 : 5 * sizeof(void*);
      if constexpr (contiguous) bytes += (value.capacity() - std::ranges::size(value)) * sizeof(element);
      for (const auto& each : value) {
        const element& e = each;  // vector<bool>'s are copies
        bytes += node + weight_of(e);
      }
    }
  } else if constexpr (detail::pointer_like<T>) {
    if (value.get() != nullptr) bytes += weight_of<std::remove_cv_t<typename T::element_type>>(*value);
  }
  return bytes;
}

}  // namespace weft::resilience
