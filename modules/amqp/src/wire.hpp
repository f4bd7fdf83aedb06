#pragma once
// Reading and writing the elementary types of AMQP 0-9-1 (4.2.5). Both remember the first problem and go on as if
// nothing had happened, so that the description of a method's fields stays a plain list.
#include <weft/amqp/value.hpp>
#include <weft/base/error.hpp>

#include <concepts>
#include <limits>

namespace weft::amqp {

class wire_writer {
 public:
  explicit wire_writer(std::string& out) noexcept : out_{out} {}

  void octet(std::uint8_t v) { integer(v); }
  void short_uint(std::uint16_t v) { integer(v); }
  void long_uint(std::uint32_t v) { integer(v); }
  void long_long_uint(std::uint64_t v) { integer(v); }
  void short_string(std::string_view v);
  void long_string(std::string_view v);
  // Consecutive bits share an octet, the first in its lowest bit.
  void bit(bool v);
  void table(const amqp::table& v);

  void reserved_short_uint() { short_uint(0); }
  void reserved_short_string() { short_string({}); }
  void reserved_long_string() { long_string({}); }
  void reserved_bit() { bit(false); }

  [[nodiscard]] result<> outcome() const;

  template <std::integral T>
  void integer(T v) {
    bits_ = 0;
    using bits = std::make_unsigned_t<T>;
    char bytes[sizeof(T)];
    for (std::size_t i = 0; i < sizeof(T); ++i)
      bytes[i] = static_cast<char>(static_cast<bits>(v) >> (8 * (sizeof(T) - 1 - i)) & 0xff);
    out_.append(bytes, sizeof(T));
  }

 private:
  void content(const value& v);
  void open_length(std::size_t& mark);
  void close_length(std::size_t mark);
  void problem(std::string text);

  std::string& out_;
  unsigned bits_ = 0;  // used in the last octet
  unsigned depth_ = 0;
  std::string problem_;
};

class wire_reader {
 public:
  explicit wire_reader(std::string_view bytes) noexcept : all_{bytes}, rest_{bytes} {}

  void octet(std::uint8_t& v) { v = integer<std::uint8_t>(); }
  void short_uint(std::uint16_t& v) { v = integer<std::uint16_t>(); }
  void long_uint(std::uint32_t& v) { v = integer<std::uint32_t>(); }
  void long_long_uint(std::uint64_t& v) { v = integer<std::uint64_t>(); }
  void short_string(std::string& v) { v = take(integer<std::uint8_t>(), "a short string is cut short"); }
  void long_string(std::string& v) { v = take(integer<std::uint32_t>(), "a long string is cut short"); }
  void bit(bool& v);
  void table(amqp::table& v);

  void reserved_short_uint() { integer<std::uint16_t>(); }
  void reserved_short_string() { take(integer<std::uint8_t>(), "a short string is cut short"); }
  void reserved_long_string() { take(integer<std::uint32_t>(), "a long string is cut short"); }
  void reserved_bit() {
    bool ignored = false;
    bit(ignored);
  }

  [[nodiscard]] bool failed() const noexcept { return problem_ != nullptr; }
  // Also fails when something is left. `what` was being read.
  [[nodiscard]] result<> outcome(std::string_view what) const;

  template <std::integral T>
  T integer() {
    bits_ = 8;
    const auto bytes = take(sizeof(T), "a number is cut short");
    std::make_unsigned_t<T> v = 0;
    for (const char c : bytes)
      v = static_cast<std::make_unsigned_t<T>>(std::uint64_t{v} << 8 | static_cast<unsigned char>(c));
    return static_cast<T>(v);
  }

 private:
  std::string_view take(std::size_t size, const char* when_short);
  value content();
  void problem(const char* text);

  static constexpr unsigned most_depth = 32;
  static constexpr unsigned most_values = 16'384;

  std::string_view all_, rest_;
  unsigned bits_ = 8;  // used in the octet before `rest_`
  unsigned depth_ = 0, values_ = 0;
  const char* problem_ = nullptr;
  std::size_t problem_at_ = 0;
};

}  // namespace weft::amqp
