#pragma once
// How a described type is written in JSON, where that differs from how it is written in C++.
//
//     struct line { std::string sku; int unit_price = 0; };
//     BOOST_DESCRIBE_STRUCT(line, (), (sku, unit_price))
//
//     template <>
//     struct weft::json::traits<line> {                       // every member is optional
//       static constexpr auto names = weft::json::case_style::camel;           // "unitPrice"
//       static constexpr std::string_view name = "order_line";                 // in tags and in schemas
//       static constexpr std::string_view description = "One line of an order";
//       static constexpr weft::json::field_note fields[] = {
//           {.member = "sku", .name = "SKU", .description = "Stock keeping unit"},
//           {.member = "unit_price", .missing = weft::json::missing_fields::keep_default}};   // may be left out
//     };
//
// An enum that others may extend names the enumerator that stands for what is not known here:
//
//     template <>
//     struct weft::json::traits<payment> {
//       static constexpr auto unknown = payment::other;       // "cheque" is read as payment::other, not refused
//     };
//
// `names` and `fields` hold for enumerators of a described enum as well. For an inherited member, what the traits of
// the derived struct leave open is taken from those of the struct that declares it. A std::variant's traits may name
// its tag: `static constexpr std::string_view tag = "kind";` (default "type").
#include <weft/json/options.hpp>

#include <array>
#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>
#include <boost/describe/modifiers.hpp>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace weft::json {

enum class case_style : std::uint8_t {
  as_written,
  camel,  // unit_price becomes unitPrice
};

struct field_note {
  std::string_view member;            // the C++ name
  std::string_view name = {};         // the JSON name, when it is another than `names` makes
  std::string_view description = {};  // for the schema
  // keep_default: the field may be missing, and then keeps what its default member initialiser gave it.
  missing_fields missing = missing_fields::refuse;
};

template <class T>
struct traits {};

template <class T>
concept described_struct = std::is_class_v<T> && boost::describe::has_describe_members<T>::value;
template <class T>
concept described_enum = std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value;

namespace detail {

// "circle" for shop::circle, "page" for shop::page<user>.
template <class T>
consteval std::string_view type_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("T = ") + 4);
  text = text.substr(0, text.find_first_of("<;]"));
  if (const auto colon = text.rfind(':'); colon != text.npos) text.remove_prefix(colon + 1);
  return text;
}

template <class T>
consteval std::string_view name_of() {
  if constexpr (requires { traits<T>::name; }) {
    return traits<T>::name;
  } else {
    return type_name<T>();
  }
}

template <class T>
consteval std::string_view description_of() {
  if constexpr (requires { traits<T>::description; }) {
    return traits<T>::description;
  } else {
    return {};
  }
}

// The struct that declares member D, which T may inherit; T for an enumerator.
template <class T, class D>
struct declared_by {
  using type = T;
};
template <class Member, class Owner>
std::type_identity<Owner> owner_of(Member Owner::*);
template <class T, class D>
  requires requires { owner_of(D::pointer); }
struct declared_by<T, D> {
  using type = typename decltype(owner_of(D::pointer))::type;
};

template <class T, class Owner>
consteval case_style style_of() {
  if constexpr (requires { traits<T>::names; }) {
    return traits<T>::names;
  } else if constexpr (requires { traits<Owner>::names; }) {
    return traits<Owner>::names;
  } else {
    return case_style::as_written;
  }
}

template <class T>
consteval field_note own_note_of(std::string_view member) {
  if constexpr (requires { traits<T>::fields; }) {
    for (const field_note& note : traits<T>::fields) {
      if (note.member == member) return note;
    }
  }
  return {.member = member};
}

template <class T, class Owner>
consteval field_note note_of(std::string_view member) {
  field_note note = own_note_of<T>(member);
  if constexpr (!std::is_same_v<T, Owner>) {
    const field_note inherited = own_note_of<Owner>(member);
    if (note.name.empty()) note.name = inherited.name;
    if (note.description.empty()) note.description = inherited.description;
    if (note.missing == missing_fields::refuse) note.missing = inherited.missing;
  }
  return note;
}

// The JSON name of member or enumerator D of T, as the text that stands before its value: ",\"name\":".
template <class T, class D>
struct field_name {
  using owner = typename declared_by<T, D>::type;
  static constexpr field_note note = note_of<T, owner>(D::name);
  static constexpr std::size_t room = (note.name.empty() ? note.member.size() : note.name.size()) + 4;
  struct text {
    std::array<char, room> chars{};
    std::size_t size = 0;
  };
  static constexpr text quoted = [] {
    text out;
    const auto put = [&](char c) { out.chars[out.size++] = c; };
    put(',');
    put('"');
    if (!note.name.empty()) {
      for (const char c : note.name) put(c);
    } else {
      bool upper = false;
      for (const char c : note.member) {
        if (style_of<T, owner>() == case_style::camel && c == '_' && out.size > 2) {
          upper = true;
          continue;
        }
        put(upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
        upper = false;
      }
    }
    put('"');
    put(':');
    return out;
  }();
  static constexpr std::string_view value{quoted.chars.data() + 2, quoted.size - 4};
  static_assert(value.find_first_of("\"\\") == value.npos, "a JSON name must not need escapes");
};

template <class T>
using members_of = boost::describe::describe_members<T, boost::describe::mod_public | boost::describe::mod_inherited>;
template <class T>
using enumerators_of = boost::describe::describe_enumerators<T>;

}  // namespace detail
}  // namespace weft::json
