// Durations as text: one number and its unit, exact or refused.
#include <weft/json/codec.hpp>

#include <array>
#include <limits>
#include <optional>

namespace weft::json::detail {

namespace {

__extension__ using wide = __int128;  // the nanoseconds in 2^63 days, say

struct unit {
  std::string_view name;
  std::int64_t nanoseconds;
};
constexpr std::array<unit, 7> units{{{"d", 86'400'000'000'000},
                                     {"h", 3'600'000'000'000},
                                     {"m", 60'000'000'000},
                                     {"s", 1'000'000'000},
                                     {"ms", 1'000'000},
                                     {"us", 1'000},
                                     {"ns", 1}}};
constexpr std::int64_t nanoseconds_per_second = 1'000'000'000;

// 10^20 of the largest unit are below 2^127 nanoseconds.
constexpr std::size_t most_digits = 20;

// Nanoseconds; nothing when the text is not a duration or is finer than that.
std::optional<wide> parse(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  wide digits = 0;
  wide scale = 1;
  std::size_t count = 0;
  bool fraction = false;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.' && !fraction && count != 0) {
      fraction = true;
    } else if (c >= '0' && c <= '9') {
      if (++count > most_digits) return std::nullopt;
      digits = digits * 10 + (c - '0');
      if (fraction) scale *= 10;
    } else {
      break;
    }
  }
  if (count == 0 || text[i - 1] == '.') return std::nullopt;
  for (const unit& u : units) {
    if (text.substr(i) != u.name) continue;
    const wide nanoseconds = digits * u.nanoseconds;
    if (nanoseconds % scale != 0) return std::nullopt;
    return (negative ? -1 : 1) * (nanoseconds / scale);
  }
  return std::nullopt;
}

constexpr std::string_view example = "expected a duration such as \"250ms\", \"5s\" or \"1m\" (units ns us ms s m h d)";

std::string named_period(std::intmax_t numerator, std::intmax_t denominator) {
  for (const unit& u : units) {
    if (wide{u.nanoseconds} * denominator == wide{numerator} * nanoseconds_per_second) return std::string{u.name};
  }
  return std::to_string(numerator) + "/" + std::to_string(denominator) + " s";
}

}  // namespace

bool read_duration(reader& r, std::intmax_t numerator, std::intmax_t denominator, std::int64_t& out) {
  kind next;
  if (!r.peek(next)) return false;
  if (next == kind::number) {
    number ignored;
    return r.read_number(ignored) && r.fail("a bare number has no unit: write it as text, such as \"250ms\" or \"5s\"");
  }
  if (next != kind::string) return r.mismatch("a duration such as \"250ms\"");
  std::string_view text;
  if (!r.read_text(text)) return false;
  const auto nanoseconds = parse(text);
  if (!nanoseconds) return r.fail(std::string{example});
  // count = nanoseconds / 1e9 / (numerator / denominator)
  wide scaled;
  const wide period = wide{numerator} * nanoseconds_per_second;
  if (__builtin_mul_overflow(*nanoseconds, wide{denominator}, &scaled)) return r.fail("the duration is too long");
  if (scaled % period != 0) {
    return r.fail("the duration must be a multiple of 1 " + named_period(numerator, denominator));
  }
  const wide count = scaled / period;
  if (count < std::numeric_limits<std::int64_t>::min() || count > std::numeric_limits<std::int64_t>::max()) {
    return r.fail("the duration is too long");
  }
  out = static_cast<std::int64_t>(count);
  return true;
}

void write_duration(writer& w, std::intmax_t numerator, std::intmax_t denominator, std::int64_t count) {
  if (count == 0) return w.string("0s");
  // Rounded towards zero for a period that is no multiple of a nanosecond.
  const wide nanoseconds = wide{count} * numerator * nanoseconds_per_second / denominator;
  for (const unit& u : units) {
    if (nanoseconds % u.nanoseconds != 0) continue;
    const wide amount = nanoseconds / u.nanoseconds;
    // More digits than are read back: only for counts near the ends of 64 bits, such as hours::max().
    return w.string(std::to_string(static_cast<std::int64_t>(amount)) + std::string{u.name});
  }
}

void duration_schema(schema_writer& s) {
  s.keyword("type", "string");
  s.keyword("pattern", "^-?[0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h|d)$");
}

}  // namespace weft::json::detail
