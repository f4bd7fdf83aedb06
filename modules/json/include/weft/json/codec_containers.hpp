#pragma once
// Standard containers as arrays and objects; std::optional and owning pointers as "or null".
//
// A field whose type is std::optional, std::unique_ptr or std::shared_ptr may be missing and is left out when empty;
// elsewhere empty is null. Unordered maps are written in the order of their keys' text, so that equal maps are equal
// text. A key that appears twice in an object is refused.
#include <weft/json/codec.hpp>

#include <algorithm>
#include <array>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weft::json {

template <class T>
struct codec<std::optional<T>> {
  static bool absent(const std::optional<T>& v) { return !v.has_value(); }

  static bool read(reader& r, std::optional<T>& out) {
    kind next;
    if (!r.peek(next)) return false;
    if (next == kind::null) {
      out.reset();
      return r.read_null();
    }
    return codec<T>::read(r, out.emplace());
  }
  static void write(writer& w, const std::optional<T>& v) {
    if (!v) return w.null();
    codec<T>::write(w, *v);
  }
  static void schema(schema_writer& s) { s.schemas("anyOf", {&codec<T>::schema, &codec<std::nullptr_t>::schema}); }
};

namespace detail {

template <class Pointer, class T>
struct pointer_codec {
  static bool absent(const Pointer& v) { return v == nullptr; }

  static bool read(reader& r, Pointer& out) {
    kind next;
    if (!r.peek(next)) return false;
    if (next == kind::null) {
      out.reset();
      return r.read_null();
    }
    auto made = std::make_unique<T>();
    if (!codec<T>::read(r, *made)) return false;
    out = std::move(made);
    return true;
  }
  static void write(writer& w, const Pointer& v) {
    if (v == nullptr) return w.null();
    codec<T>::write(w, *v);
  }
  static void schema(schema_writer& s) { s.schemas("anyOf", {&codec<T>::schema, &codec<std::nullptr_t>::schema}); }
};

template <class Sequence>
struct sequence_codec {
  using element = typename Sequence::value_type;
  static constexpr auto form = kind::array;

  static bool read(reader& r, Sequence& out) {
    out.clear();
    if (!r.begin_array()) return false;
    [[maybe_unused]] const std::size_t text_left = r.bytes_left();
    while (true) {
      const step at = r.next_element();
      if (at != step::item) {
        if constexpr (reservable) r.remember_size(slot, out.size());
        return at == step::end;
      }
      if constexpr (reservable) {
        if (out.size() == out.capacity()) make_room(r, out, text_left);
      }
      if (!read_one(r, out)) [[unlikely]]
        return r.in_element(out.size() - 1);
    }
  }
  static void write(writer& w, const Sequence& v) {
    w.begin_array();
    for (const auto& one : v) {
      w.element();
      codec<element>::write(w, one);
    }
    w.end_array();
  }
  static void schema(schema_writer& s) {
    s.keyword("type", "array");
    s.schema("items", &codec<element>::schema);
  }

 private:
  static bool read_one(reader& r, Sequence& out) {
    if constexpr (std::same_as<Sequence, std::vector<bool>>) {  // its elements have no address
      bool value = false;
      const bool read = codec<bool>::read(r, value);
      out.push_back(value);
      return read;
    } else {
      return codec<element>::read(r, out.emplace_back());
    }
  }

  static constexpr bool reservable = requires(Sequence& s) {
    s.reserve(1);
    s.capacity();
  };
  static constexpr std::size_t first_capacity = std::clamp<std::size_t>(512 / sizeof(element), 2, 8);
  // Of what one array said about the next, this much is believed.
  static constexpr std::size_t most_remembered = std::max<std::size_t>(1024 / sizeof(element), first_capacity);

  static constexpr std::size_t slot = sizeof(element) / 8;  // tells most kinds of arrays apart
  // Growing by one, two, four is what short lists would pay for, and moving what is there what long ones would.
  [[gnu::noinline]] static void make_room(const reader& r, Sequence& out, std::size_t text_left) {
    const std::size_t size = out.size();
    if (size == 0) {
      const std::size_t last = r.remembered_size(slot);
      out.reserve(last == 0 ? first_capacity : std::min(last, most_remembered));
    } else {
      out.reserve(r.expected_size(size, text_left));
    }
  }
};

template <class Map>
struct map_codec {
  using key = typename Map::key_type;
  using mapped = typename Map::mapped_type;
  static_assert(map_key<key>, "the key of a JSON object is text: a string, strong string, enum, uuid or integer");
  static constexpr auto form = kind::object;

  static bool read(reader& r, Map& out) {
    out.clear();
    if (!r.begin_object()) return false;
    while (true) {
      const step at = r.next_member();
      if (at != step::item) return at == step::end;
      if (!read_one(r, out)) return false;
    }
  }
  static void write(writer& w, const Map& v) {
    w.begin_object();
    if constexpr (requires { typename Map::hasher; }) {
      std::vector<std::pair<std::string, const mapped*>> sorted;
      sorted.reserve(v.size());
      for (const auto& [k, one] : v) sorted.emplace_back(codec<key>::format_key(k), &one);
      std::ranges::sort(sorted, {}, [](const auto& pair) -> const std::string& { return pair.first; });
      for (const auto& [k, one] : sorted) write_one(w, k, *one);
    } else {
      for (const auto& [k, one] : v) write_one(w, codec<key>::format_key(k), one);
    }
    w.end_object();
  }
  static void schema(schema_writer& s) {
    s.keyword("type", "object");
    s.schema("additionalProperties", &codec<mapped>::schema);
  }

 private:
  static bool read_one(reader& r, Map& out) {
    std::string_view text;
    if (!r.read_key(text)) return false;
    key k{};
    if (!codec<key>::parse_key(text, k)) {
      const std::string name{text};  // a failure may use what `text` points to
      r.fail("the key is not valid here");
      return r.in_field(name);
    }
    const auto [place, added] = out.try_emplace(std::move(k));
    if (added ? codec<mapped>::read(r, place->second) : r.repeated_field()) [[likely]]
      return true;
    return r.in_field(codec<key>::format_key(place->first));
  }
  static void write_one(writer& w, std::string_view name, const mapped& v) {
    w.member(name);
    codec<mapped>::write(w, v);
  }
};

}  // namespace detail

template <class T, class D>
struct codec<std::unique_ptr<T, D>> : detail::pointer_codec<std::unique_ptr<T, D>, std::remove_const_t<T>> {};
template <class T>
struct codec<std::shared_ptr<T>> : detail::pointer_codec<std::shared_ptr<T>, std::remove_const_t<T>> {};

template <class T, class A>
struct codec<std::vector<T, A>> : detail::sequence_codec<std::vector<T, A>> {};
template <class T, class A>
struct codec<std::deque<T, A>> : detail::sequence_codec<std::deque<T, A>> {};
template <class T, class A>
struct codec<std::list<T, A>> : detail::sequence_codec<std::list<T, A>> {};

template <class K, class T, class C, class A>
struct codec<std::map<K, T, C, A>> : detail::map_codec<std::map<K, T, C, A>> {};
template <class K, class T, class H, class E, class A>
struct codec<std::unordered_map<K, T, H, E, A>> : detail::map_codec<std::unordered_map<K, T, H, E, A>> {};

// In order; an element that appears twice counts once.
template <class T, class C, class A>
struct codec<std::set<T, C, A>> {
  static constexpr auto form = kind::array;

  static bool read(reader& r, std::set<T, C, A>& out) {
    out.clear();
    if (!r.begin_array()) return false;
    for (std::size_t i = 0;; ++i) {
      const step at = r.next_element();
      if (at != step::item) return at == step::end;
      T value{};
      if (!codec<T>::read(r, value)) return r.in_element(i);
      out.insert(std::move(value));
    }
  }
  static void write(writer& w, const std::set<T, C, A>& v) {
    w.begin_array();
    for (const auto& one : v) {
      w.element();
      codec<T>::write(w, one);
    }
    w.end_array();
  }
  static void schema(schema_writer& s) {
    s.keyword("type", "array");
    s.schema("items", &codec<T>::schema);
    s.boolean("uniqueItems", true);
  }
};

// Exactly N elements.
template <class T, std::size_t N>
struct codec<std::array<T, N>> {
  static constexpr auto form = kind::array;

  static bool read(reader& r, std::array<T, N>& out) {
    if (!r.begin_array()) return false;
    for (std::size_t i = 0;; ++i) {
      const step at = r.next_element();
      if (at == step::failed) return false;
      if ((at == step::item) != (i < N)) return r.fail("expected " + std::to_string(N) + " elements");
      if (at == step::end) return true;
      if (!codec<T>::read(r, out[i])) return r.in_element(i);
    }
  }
  static void write(writer& w, const std::array<T, N>& v) {
    w.begin_array();
    for (const auto& one : v) {
      w.element();
      codec<T>::write(w, one);
    }
    w.end_array();
  }
  static void schema(schema_writer& s) {
    s.keyword("type", "array");
    s.schema("items", &codec<T>::schema);
    s.unsigned_integer("minItems", N);
    s.unsigned_integer("maxItems", N);
  }
};

}  // namespace weft::json
