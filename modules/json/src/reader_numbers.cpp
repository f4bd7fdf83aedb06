#include <weft/json/reader.hpp>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

namespace weft::json {

// A number as it is written: (-) mantissa * 10^exponent, when the mantissa fits.
struct reader::token {
  const char* begin = nullptr;
  const char* end = nullptr;
  std::uint64_t mantissa = 0;
  std::int64_t exponent = 0;
  std::int64_t digits = 0;  // of the mantissa, leading zeros included
  bool negative = false;
  bool whole = true;  // neither a fraction nor an exponent
  bool fits = true;   // all digits are in `mantissa`
};

namespace {

bool is_digit(const char* at, const char* end) noexcept { return at != end && static_cast<unsigned>(*at - '0') < 10; }

constexpr double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr std::uint64_t exact_in_double = std::uint64_t{1} << 53;

}  // namespace

bool reader::lex_number(token& t, std::string_view expected) {
  const char c = look();
  if (c != '-' && static_cast<unsigned>(c - '0') >= 10) [[unlikely]]
    return mismatch(expected);
  const char* at = at_;
  t.begin = at;
  t.negative = c == '-';
  if (t.negative) ++at;
  const auto take_digits = [&] {
    const char* from = at;
    std::uint64_t mantissa = t.mantissa;
    // 19 digits always fit; one more may.
    const char* safe = at + std::min<std::ptrdiff_t>(end_ - at, std::max<std::int64_t>(19 - t.digits, 0));
    while (at != safe && static_cast<unsigned>(*at - '0') < 10)
      mantissa = mantissa * 10 + static_cast<unsigned>(*at++ - '0');
    while (is_digit(at, end_)) [[unlikely]] {
      const auto digit = static_cast<unsigned>(*at++ - '0');
      if (t.fits &&
          (__builtin_mul_overflow(mantissa, 10u, &mantissa) || __builtin_add_overflow(mantissa, digit, &mantissa))) {
        t.fits = false;
      }
    }
    t.mantissa = mantissa;
    t.digits += at - from;
    return at - from;
  };
  if (at != end_ && *at == '0') {
    ++at;
    t.digits = 1;
    if (is_digit(at, end_)) return syntax("a number must not begin with 0", t.begin);
  } else if (take_digits() == 0) {
    return syntax("a number needs a digit here", at);
  }
  if (at != end_ && *at == '.') {
    t.whole = false;
    ++at;
    const auto fraction = take_digits();
    if (fraction == 0) return syntax("a number needs a digit after the point", at);
    t.exponent = -fraction;
  }
  if (at != end_ && (*at == 'e' || *at == 'E')) {
    t.whole = false;
    ++at;
    const bool down = at != end_ && *at == '-';
    if (at != end_ && (*at == '-' || *at == '+')) ++at;
    if (!is_digit(at, end_)) return syntax("a number needs a digit in its exponent", at);
    std::int64_t exponent = 0;
    while (is_digit(at, end_)) exponent = std::min<std::int64_t>(exponent * 10 + (*at++ - '0'), 1'000'000'000'000);
    t.exponent += down ? -exponent : exponent;
  }
  t.end = at;
  at_ = at;
  return true;
}

namespace {

// The power of ten of the first digit that is not 0; nothing for a zero. "0.001" and "1e-3" have -3.
template <class Token>
std::optional<std::int64_t> order_of(const Token& t) {
  std::int64_t order = 0, behind_point = 0;
  bool point = false, found = false;
  for (const char* at = t.begin; at != t.end && (*at | 0x20) != 'e'; ++at) {
    if (*at == '-') continue;
    if (*at == '.') {
      point = true;
      continue;
    }
    behind_point += point ? 1 : 0;
    if (found)
      order += point ? 0 : 1;
    else if (found = *at != '0'; found)
      order = -behind_point;
  }
  if (!found) return std::nullopt;
  return order + t.exponent + behind_point;  // t.exponent counts the digits behind the point already
}

}  // namespace

bool reader::to_double(const token& t, double& out) {
  if (t.fits && t.mantissa <= exact_in_double && t.exponent >= -22 && t.exponent <= 22) [[likely]] {
    // Both are exact doubles, so that one rounding gives the nearest (Clinger 1990).
    const auto mantissa = static_cast<double>(t.mantissa);
    const double value = t.exponent < 0 ? mantissa / powers_of_ten[-t.exponent] : mantissa * powers_of_ten[t.exponent];
    out = t.negative ? -value : value;
    return true;
  }
  const auto [end, failure] = std::from_chars(t.begin, t.end, out);
  if (failure == std::errc{}) return true;
  // Out of range: either way.
  if (!order_of(t) || *order_of(t) < 0) {
    out = t.negative ? -0.0 : 0.0;
    return true;
  }
  return syntax("the number is too large for a double", t.begin);
}

// Most numbers have few digits: those that end within 16 characters, without an exponent, are read without a token and
// without asking for the end of the text at each of them.
struct reader::short_number {
  std::uint64_t mantissa = 0;
  unsigned fraction = 0;  // digits behind the point
  bool negative = false;
};

// Where it ends; null when it is none, which the long way then judges. The cursor stands on its first character.
inline const char* reader::lex_short(short_number& out) const noexcept {
  const char* at = at_;
  if (end_ - at < 18) return nullptr;
  out.negative = *at == '-';
  at += out.negative ? 1 : 0;
  const char* const first = at;
  const char* const last = at + 15;
  auto digit = static_cast<unsigned>(*at - '0');
  if (digit >= 10) return nullptr;
  std::uint64_t mantissa = digit;
  while ((digit = static_cast<unsigned>(*++at - '0')) < 10 && at != last) mantissa = mantissa * 10 + digit;
  if (*first == '0' && at - first > 1) return nullptr;
  if (*at == '.') {
    const char* const point = at;
    while ((digit = static_cast<unsigned>(*++at - '0')) < 10 && at <= last) mantissa = mantissa * 10 + digit;
    out.fraction = static_cast<unsigned>(at - point) - 1;
    if (out.fraction == 0) return nullptr;
  }
  if (digit < 10 || (*at | 0x20) == 'e') return nullptr;
  out.mantissa = mantissa;
  return at;
}

bool reader::read_double(double& out) {
  look();
  short_number s;
  const char* const end = lex_short(s);
  if (end == nullptr) [[unlikely]]
    return read_double_slow(out);
  const double value = static_cast<double>(s.mantissa) / powers_of_ten[s.fraction];
  out = s.negative ? -value : value;
  at_ = end;
  return true;
}

bool reader::read_double_slow(double& out) {
  token t;
  return lex_number(t, "a number") && to_double(t, out);
}

bool reader::skip_value() {
  kind k;
  if (!peek(k)) return false;
  switch (k) {
    case kind::null:
      return read_null();
    case kind::boolean: {
      bool ignored;
      return read_bool(ignored);
    }
    case kind::number: {  // of any size: nobody asks for its value
      token ignored;
      return lex_number(ignored, "a number");
    }
    case kind::string: {
      std::string_view ignored;
      return read_text(ignored);
    }
    case kind::array: {
      if (!begin_array()) return false;
      for (step at = next_element();; at = next_element()) {
        if (at != step::item) return at == step::end;
        if (!skip_value()) return false;
      }
    }
    case kind::object: {
      if (!begin_object()) return false;
      std::string_view ignored;
      for (step at = next_member();; at = next_member()) {
        if (at != step::item) return at == step::end;
        if (!read_key(ignored) || !skip_value()) return false;
      }
    }
  }
  return false;
}

bool reader::read_number(number& out) {
  token t;
  if (!lex_number(t, "a number")) return false;
  if (t.whole && t.fits) {
    constexpr auto max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (t.mantissa <= max + (t.negative ? 1 : 0)) {
      out.is = number::form::int64;
      out.int64 = static_cast<std::int64_t>(t.negative ? 0 - t.mantissa : t.mantissa);
      return true;
    }
    if (!t.negative) {
      out.is = number::form::uint64;
      out.uint64 = t.mantissa;
      return true;
    }
  }
  out.is = number::form::real;
  return to_double(t, out.real);
}

namespace {

// The value of a number with a point or an exponent, by its digits: a double would round some fractions away, and
// cannot hold all whole numbers. False when it has a fraction.
template <class Token>
bool make_whole(Token& t) {
  auto whole_digits = t.digits + t.exponent;  // before the point, once the exponent has moved it
  t.mantissa = 0;
  t.fits = true;
  const auto append = [&t](unsigned digit) {
    t.fits = t.fits && !__builtin_mul_overflow(t.mantissa, 10u, &t.mantissa) &&
             !__builtin_add_overflow(t.mantissa, digit, &t.mantissa);
  };
  for (const char* at = t.begin; at != t.end && (*at | 0x20) != 'e'; ++at) {
    if (*at == '-' || *at == '.') continue;
    const auto digit = static_cast<unsigned>(*at - '0');
    if (whole_digits-- > 0)
      append(digit);
    else if (digit != 0)
      return false;
  }
  for (; whole_digits > 0 && t.fits && t.mantissa != 0; --whole_digits) append(0);
  return true;
}

std::string whole_number_between(const std::string& min, const std::string& max) {
  return "must be a whole number from " + min + " to " + max;
}

}  // namespace

bool reader::read_signed(std::int64_t& out, std::int64_t min, std::int64_t max) {
  look();
  short_number s;
  const char* const end = lex_short(s);
  const auto value = static_cast<std::int64_t>(s.negative ? 0 - s.mantissa : s.mantissa);
  if (end == nullptr || s.fraction != 0 || value < min || value > max) [[unlikely]]
    return read_signed_slow(out, min, max);
  out = value;
  at_ = end;
  return true;
}

bool reader::read_signed_slow(std::int64_t& out, std::int64_t min, std::int64_t max) {
  token t;
  if (!lex_number(t, "a whole number")) return false;
  if (!t.whole && !make_whole(t)) return fail("expected a whole number, got one with a fraction");
  constexpr auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (t.fits && t.mantissa <= limit + (t.negative ? 1 : 0)) [[likely]] {
    const auto value = static_cast<std::int64_t>(t.negative ? 0 - t.mantissa : t.mantissa);
    if (value >= min && value <= max) [[likely]] {
      out = value;
      return true;
    }
  }
  return fail(whole_number_between(std::to_string(min), std::to_string(max)));
}

bool reader::read_unsigned(std::uint64_t& out, std::uint64_t max) {
  look();
  short_number s;
  const char* const end = lex_short(s);
  if (end == nullptr || s.fraction != 0 || s.negative || s.mantissa > max) [[unlikely]]
    return read_unsigned_slow(out, max);
  out = s.mantissa;
  at_ = end;
  return true;
}

bool reader::read_unsigned_slow(std::uint64_t& out, std::uint64_t max) {
  token t;
  if (!lex_number(t, "a whole number")) return false;
  if (!t.whole && !make_whole(t)) return fail("expected a whole number, got one with a fraction");
  if (t.fits && t.mantissa <= max && (!t.negative || t.mantissa == 0)) [[likely]] {
    out = t.mantissa;
    return true;
  }
  return fail(whole_number_between("0", std::to_string(max)));
}

}  // namespace weft::json
