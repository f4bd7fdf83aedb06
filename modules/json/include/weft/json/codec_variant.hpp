#pragma once
// std::variant: described structs are told apart by a tag, everything else by its kind of JSON value.
//
//     using shape = std::variant<circle, square>;         // {"type":"circle","radius":2.0}
//     using id    = std::variant<std::int64_t, std::string>;
//     struct node;
//     using tree = std::variant<std::monostate, leaf, std::unique_ptr<node>>;   // null, or tagged
//
// The tag is "type" and its value the struct's unqualified name, unless traits<> say otherwise (traits.hpp). The tag
// may stand anywhere in the object; standing first, as it is written, is faster. Two alternatives of the same kind that
// are not described structs do not compile.
#include <weft/json/codec_described.hpp>

#include <memory>
#include <string>
#include <utility>
#include <variant>

namespace weft::json {

namespace detail {

template <class T>
struct alternative {
  using type = T;
  static T& made(T& held) { return held; }
  static const T* get(const T& held) { return &held; }
};
template <class T>
struct alternative<std::unique_ptr<T>> {
  using type = T;
  static T& made(std::unique_ptr<T>& held) { return *(held = std::make_unique<T>()); }
  static const T* get(const std::unique_ptr<T>& held) { return held.get(); }
};

// Reads the tag of the object that was just opened, wherever it stands. When it came first the cursor is behind it,
// and otherwise back at the start.
[[nodiscard]] bool find_tag(reader& r, tag_state& tag, std::span<const std::string_view> names, std::size_t& index);
// "expected one of a string, an object, got a number".
bool wrong_kind(reader& r, std::span<const kind> forms);

template <class Variant>
consteval std::string_view tag_key_of() {
  if constexpr (requires { traits<Variant>::tag; }) {
    return traits<Variant>::tag;
  } else {
    return "type";
  }
}

}  // namespace detail

template <class... T>
struct codec<std::variant<T...>> {
  using variant = std::variant<T...>;
  static constexpr std::string_view tag_key = detail::tag_key_of<variant>();

  static bool read(reader& r, variant& out) {
    static_assert(distinct(), "two alternatives of the variant cannot be told apart in JSON");
    kind next;
    if (!r.peek(next)) return false;
    if constexpr (tagged_count != 0) {
      if (next == kind::object) return read_tagged(r, out, std::index_sequence_for<T...>{});
    }
    return read_kind(r, out, next, std::index_sequence_for<T...>{});
  }

  static void write(writer& w, const variant& v) {
    std::visit([&]<class Held>(const Held& held) { write_held<Held>(w, held); }, v);
  }

  static void schema(schema_writer& s) { s.schemas("oneOf", {&alternative_schema<T>...}); }

 private:
  template <class Held>
  using target = typename detail::alternative<Held>::type;
  template <class Held>
  static constexpr bool tagged = described_struct<target<Held>>;
  static constexpr std::size_t tagged_count = (std::size_t{tagged<T>} + ... + 0);

  static consteval bool distinct() {
    constexpr kind forms[] = {codec<target<T>>::form...};
    constexpr bool tags[] = {tagged<T>...};
    constexpr std::string_view names[] = {detail::name_of<target<T>>()...};
    for (std::size_t i = 0; i < sizeof...(T); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (forms[i] == forms[j] && (!tags[i] || !tags[j] || names[i] == names[j])) return false;
      }
    }
    return true;
  }

  template <class Held>
  static constexpr std::string_view tag_of() {
    if constexpr (tagged<Held>) {
      static_assert(!codec<target<Held>>::has_field(tag_key), "a field has the name of the variant's tag");
      return detail::name_of<target<Held>>();
    } else {
      return {};
    }
  }

  template <std::size_t... I>
  static bool read_tagged(reader& r, variant& out, std::index_sequence<I...>) {
    static constexpr std::array<std::string_view, sizeof...(T)> names{tag_of<T>()...};
    detail::tag_state tag{.key = tag_key};
    std::size_t index;
    if (!r.begin_object() || !detail::find_tag(r, tag, names, index)) return false;
    bool read = false;
    (void)((index == I ? (read = read_alternative<I>(r, out, tag), true) : false) || ...);
    return read;
  }

  template <std::size_t I>
  static bool read_alternative(reader& r, variant& out, detail::tag_state& tag) {
    using held = std::variant_alternative_t<I, variant>;
    if constexpr (tagged<held>) {
      auto& made = detail::alternative<held>::made(out.template emplace<I>());
      return codec<target<held>>::read_fields(r, made, tag);
    } else {
      return false;
    }
  }

  template <std::size_t... I>
  static bool read_kind(reader& r, variant& out, kind next, std::index_sequence<I...>) {
    static constexpr kind forms[] = {codec<target<T>>::form...};
    bool read = false;
    const bool found = ((forms[I] == next ? (read = read_plain<I>(r, out), true) : false) || ...);
    return found ? read : detail::wrong_kind(r, forms);
  }

  template <std::size_t I>
  static bool read_plain(reader& r, variant& out) {
    using held = std::variant_alternative_t<I, variant>;
    return codec<target<held>>::read(r, detail::alternative<held>::made(out.template emplace<I>()));
  }

  template <class Held>
  static void write_held(writer& w, const Held& held) {
    const auto* value = detail::alternative<Held>::get(held);
    if (value == nullptr) return w.null();
    if constexpr (tagged<Held>) {
      codec<target<Held>>::write_tagged(w, *value, tag_key, tag_of<Held>());
    } else {
      codec<target<Held>>::write(w, *value);
    }
  }

  template <class Held>
  static void alternative_schema(schema_writer& s) {
    if constexpr (tagged<Held>) {
      codec<target<Held>>::template tagged_schema<variant>(s);
    } else {
      codec<target<Held>>::schema(s);
    }
  }
};

}  // namespace weft::json
