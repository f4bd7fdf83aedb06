#pragma once
// The codec of a described struct, compiled in one source file instead of in each that reads or writes it. Worth it for
// large structs that many files see, such as settings: a codec costs the compiler about 0.1 s for each field.
//
//     namespace shop {
//     struct mail_settings { std::string host; std::uint16_t port = 25; };
//     BOOST_DESCRIBE_STRUCT(mail_settings, (), (host, port))
//     }
//     WEFT_JSON_DECLARE_CODEC(shop::mail_settings)       // in the header, behind that, outside of any namespace
//
//     WEFT_JSON_DEFINE_CODEC(shop::mail_settings)        // in one source file, behind the struct's traits
//
// Such a struct cannot be an alternative of a std::variant, and its fields are read as any described struct's are. What
// derives from it has a codec of its own.
#include <weft/json/reader.hpp>
#include <weft/json/schema_writer.hpp>
#include <weft/json/writer.hpp>

namespace weft::json {
template <class T>
struct codec;
}

#define WEFT_JSON_DECLARE_CODEC(...)                         \
  template <>                                                \
  struct weft::json::codec<__VA_ARGS__> {                    \
    static constexpr auto form = ::weft::json::kind::object; \
    static bool read(reader& r, __VA_ARGS__& out);           \
    static void write(writer& w, const __VA_ARGS__& v);      \
    static void schema(schema_writer& s);                    \
  };

// Needs weft/json/decode.hpp.
#define WEFT_JSON_DEFINE_CODEC(...)                                                          \
  bool weft::json::codec<__VA_ARGS__>::read(reader& r, __VA_ARGS__& out) {                   \
    return detail::struct_codec<__VA_ARGS__, detail::members_of<__VA_ARGS__>>::read(r, out); \
  }                                                                                          \
  void weft::json::codec<__VA_ARGS__>::write(writer& w, const __VA_ARGS__& v) {              \
    detail::struct_codec<__VA_ARGS__, detail::members_of<__VA_ARGS__>>::write(w, v);         \
  }                                                                                          \
  void weft::json::codec<__VA_ARGS__>::schema(schema_writer& s) {                            \
    detail::struct_codec<__VA_ARGS__, detail::members_of<__VA_ARGS__>>::schema(s);           \
  }
