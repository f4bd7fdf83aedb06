#pragma once
// Described structs as objects, described enums as the names of their enumerators.
//
// Reading tries the fields in the order they are declared, which is how most writers send them: then a field costs one
// comparison with its quoted name. Any other order works, a little slower. A field that appears twice is refused
// (as RFC 7493 asks); an unknown field that appears twice is ignored with the rest of what is unknown.
// A name that an enum does not have is refused, unless its traits name an enumerator for it.
// An enum value that has no described name is a bug of the writer's; it is written as its number, which no reader
// takes.
#include <weft/json/codec.hpp>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace weft::json {

namespace detail {

// How a described struct is read as an alternative of a tagged variant.
struct tag_state {
  std::string_view key;  // empty: not tagged
  bool seen = false;     // the tag was read already; once more is a repeated field
};

// Reads a key that was not the expected one. `field`: its place is in `index`, its value comes next. `passed`: it is
// the tag or unknown, and its value was skipped.
enum class other_key : std::uint8_t { field, passed, failed };
[[nodiscard]] other_key read_other_key(reader& r, std::span<const std::string_view> names, tag_state& tag,
                                       std::size_t& index);

template <class T>
inline constexpr char type_id = 0;
template <class T, class Variant>
inline constexpr char tagged_type_id = 0;

template <std::size_t Count>
class field_set {
 public:
  [[nodiscard]] constexpr bool has(std::size_t i) const { return (words_[i / 64] >> (i % 64) & 1) != 0; }
  constexpr void add(std::size_t i) { words_[i / 64] |= std::uint64_t{1} << (i % 64); }
  // The first that is in this and not in `other`; Count when there is none.
  [[nodiscard]] constexpr std::size_t first_not_in(const field_set& other) const {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      if (const std::uint64_t left = words_[w] & ~other.words_[w]; left != 0) {
        return w * 64 + static_cast<std::size_t>(__builtin_ctzll(left));
      }
    }
    return Count;
  }

 private:
  std::array<std::uint64_t, Count / 64 + 1> words_{};
};

template <class T, class List>
struct struct_codec;

template <class T, template <class...> class List, class... D>
struct struct_codec<T, List<D...>> {
  static constexpr auto form = kind::object;
  static constexpr std::size_t count = sizeof...(D);
  static constexpr std::array<std::string_view, count> names{field_name<T, D>::value...};

  static bool read(reader& r, T& out) {
    tag_state tag;
    return r.begin_object() && read_fields(r, out, tag);
  }

  static void write(writer& w, const T& v) {
    w.begin_object();
    (write_field<D>(w, v), ...);
    w.end_object();
  }

  static void schema(schema_writer& s) { s.refer(&type_id<T>, name_of<T>(), &write_definition); }

  // After the opening brace, and the tag when that came first.
  static bool read_fields(reader& r, T& out, tag_state& tag) {
    fields seen;
    while (true) {
      step at = r.next_member();
      if (at == step::item) at = read_in_order(r, out, seen, std::index_sequence_for<D...>{});
      if (at == step::end) break;
      if (at == step::failed) return false;
      std::size_t index;
      const other_key other = read_other_key(r, names, tag, index);
      if (other == other_key::failed) return false;
      if (other == other_key::field && !read_by_index(r, out, seen, index)) return false;
    }
    const std::size_t absent = required().first_not_in(seen);
    if (absent == count || r.options().missing_fields == missing_fields::keep_default) [[likely]]
      return true;
    return r.missing(names[absent]);
  }

  static void write_tagged(writer& w, const T& v, std::string_view key, std::string_view name) {
    w.begin_object();
    w.member(key);
    w.string(name);
    (write_field<D>(w, v), ...);
    w.end_object();
  }

  template <class Variant>
  static void tagged_schema(schema_writer& s);

  static constexpr bool has_field(std::string_view name) { return std::ranges::find(names, name) != names.end(); }

 private:
  using fields = field_set<count>;
  template <class Field>
  using member_type = std::remove_cvref_t<decltype(std::declval<T&>().*Field::pointer)>;

  template <class Field>
  static constexpr bool may_be_missing =
      optional_field<member_type<Field>> || field_name<T, Field>::note.missing == missing_fields::keep_default;

  static consteval fields find_required() {
    fields out;
    std::size_t i = 0;
    ((may_be_missing<D> ? void() : out.add(i), ++i), ...);
    return out;
  }
  static const fields& required() {
    static constexpr fields value = find_required();
    return value;
  }

  template <std::size_t I, class Field>
  static bool read_field(reader& r, T& out, fields& seen) {
    if (seen.has(I)) [[unlikely]] {
      r.repeated_field();
    } else {
      seen.add(I);
      if (codec<member_type<Field>>::read(r, out.*Field::pointer)) [[likely]]
        return true;
    }
    return r.in_field(field_name<T, Field>::value);
  }

  enum class place : std::uint8_t { at_key, after_value, end, failed };

  // One pass over the fields, taking each that comes next. step::item: a key follows that the rest did not expect.
  template <std::size_t... I>
  static step read_in_order(reader& r, T& out, fields& seen, std::index_sequence<I...>) {
    place at = place::at_key;
    (void)((at = read_expected<I, D>(r, out, seen, at), at <= place::after_value) && ...);
    if (at == place::after_value) return r.next_member();
    return at == place::at_key ? step::item : at == place::end ? step::end : step::failed;
  }

  template <std::size_t I, class Field>
  static place read_expected(reader& r, T& out, fields& seen, place at) {
    constexpr const auto& quoted = field_name<T, Field>::quoted;  // with the comma before it
    if (at == place::at_key || !r.match_next_member(quoted.chars.data(), quoted.size)) {
      if (at == place::after_value) {
        const step next = r.next_member();
        if (next != step::item) return next == step::end ? place::end : place::failed;
      }
      if (!r.match_key(quoted.chars.data() + 1, quoted.size - 1)) return place::at_key;
    }
    return read_field<I, Field>(r, out, seen) ? place::after_value : place::failed;
  }

  static bool read_by_index(reader& r, T& out, fields& seen, std::size_t index) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      using read_one = bool (*)(reader&, T&, fields&);
      static constexpr std::array<read_one, count> table{&read_field<I, D>...};
      return table[index](r, out, seen);
    }(std::index_sequence_for<D...>{});
  }

  template <class Member>
  static bool left_out([[maybe_unused]] const Member& v) {
    if constexpr (optional_field<Member>) {
      return codec<Member>::absent(v);
    } else {
      return false;
    }
  }

  template <class Field>
  static void write_field(writer& w, const T& v) {
    using member = member_type<Field>;
    if (left_out<member>(v.*Field::pointer)) return;
    constexpr const auto& quoted = field_name<T, Field>::quoted;
    w.quoted_member(quoted.chars.data(), quoted.size);
    codec<member>::write(w, v.*Field::pointer);
  }

  template <class Field>
  static void write_property(schema_writer& s, [[maybe_unused]] const T* defaults,
                             std::vector<std::string_view>& required_names) {
    using member = member_type<Field>;
    constexpr std::string_view name = field_name<T, Field>::value;
    if constexpr (!may_be_missing<Field>) {
      if (defaults == nullptr) required_names.push_back(name);
    } else if constexpr (!optional_field<member>) {
      if (defaults == nullptr) {
        const T own{};
        return write_property<Field>(s, &own, required_names);
      }
    }
    std::string default_json;
    if (defaults != nullptr && !left_out<member>(defaults->*Field::pointer)) {
      writer w;
      codec<member>::write(w, defaults->*Field::pointer);
      default_json = std::move(w).take();
    }
    s.property(name, field_name<T, Field>::note.description, &codec<member>::schema, default_json);
  }

  static void write_properties(schema_writer& s, std::vector<std::string_view>& required_names) {
    if (s.options().missing_fields == missing_fields::keep_default) {
      const T defaults{};
      (write_property<D>(s, &defaults, required_names), ...);
    } else {
      (write_property<D>(s, nullptr, required_names), ...);
    }
  }

  static void write_definition(schema_writer& s) {
    if (!description_of<T>().empty()) s.keyword("description", description_of<T>());
    std::vector<std::string_view> required_names;
    s.begin_properties();
    write_properties(s, required_names);
    s.end_properties(required_names);
  }

  template <class Variant>
  static void write_tagged_definition(schema_writer& s) {
    if (!description_of<T>().empty()) s.keyword("description", description_of<T>());
    std::vector<std::string_view> required_names{codec<Variant>::tag_key};
    s.begin_properties();
    s.constant(codec<Variant>::tag_key, name_of<T>());
    write_properties(s, required_names);
    s.end_properties(required_names);
  }
};

template <class T, template <class...> class List, class... D>
template <class Variant>
void struct_codec<T, List<D...>>::tagged_schema(schema_writer& s) {
  s.refer(&tagged_type_id<T, Variant>, std::string{name_of<T>()} + "_tagged", &write_tagged_definition<Variant>);
}

template <class E, class List>
struct enum_codec;

template <class E, template <class...> class List, class... D>
struct enum_codec<E, List<D...>> {
  static constexpr auto form = kind::string;
  static constexpr std::array<std::string_view, sizeof...(D)> names{field_name<E, D>::value...};
  static constexpr std::array<E, sizeof...(D)> values{D::value...};
  // Of an enumerator that stands for names that are not known here. Keys of maps stay strict: two would be one.
  static constexpr bool has_unknown = requires { traits<E>::unknown; };

  static bool read(reader& r, E& out) {
    std::string_view text;
    if (!r.read_text(text)) return false;
    if (parse_key(text, out)) return true;
    if constexpr (has_unknown) {
      out = traits<E>::unknown;
      return true;
    } else {
      return r.unknown_name(text, names);
    }
  }

  static void write(writer& w, E v) {
    const std::size_t i = index_of(v);
    if (i == values.size()) return codec<std::underlying_type_t<E>>::write(w, std::to_underlying(v));
    w.string(names[i]);
  }

  static void schema(schema_writer& s) {
    s.keyword("type", "string");
    if constexpr (!has_unknown)
      s.raw("enum", name_list());
    else
      s.raw("examples", name_list());
  }

  static std::string name_list() {
    writer list;
    list.begin_array();
    for (const auto name : names) {
      list.element();
      list.string(name);
    }
    list.end_array();
    return std::move(list).take();
  }

  static bool parse_key(std::string_view text, E& out) {
    const std::size_t i = find_name(names, text);
    if (i == names.size()) return false;
    out = values[i];
    return true;
  }
  static std::string format_key(E v) {
    const std::size_t i = index_of(v);
    return i == values.size() ? std::to_string(std::to_underlying(v)) : std::string{names[i]};
  }

 private:
  static std::size_t index_of(E v) { return static_cast<std::size_t>(std::ranges::find(values, v) - values.begin()); }
};

}  // namespace detail

template <described_struct T>
struct codec<T> : detail::struct_codec<T, detail::members_of<T>> {};

template <described_enum T>
struct codec<T> : detail::enum_codec<T, detail::enumerators_of<T>> {};

}  // namespace weft::json
