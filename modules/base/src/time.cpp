#include <weft/base/time.hpp>

#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>

namespace weft {
namespace {
using namespace std::chrono;
using nanosecond_time = time_point<system_clock, nanoseconds>;

constexpr std::array<std::string_view, 7> weekdays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> long_weekdays{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                        "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Reads a text from the left; the first mismatch sticks.
class reader {
 public:
  explicit reader(std::string_view text) : rest_{text} {}

  int number(std::size_t width) {
    if (rest_.size() < width) return refuse();
    int value = 0;
    for (std::size_t i = 0; i < width; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return refuse();
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(width);
    return value;
  }
  reader& literal(std::string_view expected) {
    if (rest_.starts_with(expected))
      rest_.remove_prefix(expected.size());
    else
      refuse();
    return *this;
  }
  template <std::size_t N>
  unsigned one_of(const std::array<std::string_view, N>& names) {
    for (unsigned i = 0; i < N; ++i)
      if (rest_.starts_with(names[i])) {
        rest_.remove_prefix(names[i].size());
        return i;
      }
    refuse();
    return 0;
  }
  bool next_is(char c) const { return !rest_.empty() && rest_.front() == c; }
  char take() {
    if (rest_.empty()) return refuse(), '\0';
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  bool done() const { return good_ && rest_.empty(); }
  bool good() const { return good_; }
  int refuse() {
    good_ = false;
    rest_ = {};
    return 0;
  }

 private:
  std::string_view rest_;
  bool good_ = true;
};

struct civil {
  int year = 0;
  unsigned month = 1, day = 1;
  int hour = 0, minute = 0, second = 0;

  std::optional<sys_seconds> seconds() const {
    const year_month_day date{std::chrono::year{year}, std::chrono::month{month}, std::chrono::day{day}};
    if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
    return sys_days{date} + hours{hour} + minutes{minute} + std::chrono::seconds{second};
  }
};

civil civil_of(sys_seconds at) {
  const auto days = floor<std::chrono::days>(at);
  const year_month_day date{days};
  const hh_mm_ss time{at - days};
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          static_cast<int>(time.hours().count()),
          static_cast<int>(time.minutes().count()),
          static_cast<int>(time.seconds().count())};
}
}  // namespace

std::string format_rfc3339(wall_time at) {
  if (at == wall_time::max()) return "9999-12-31T23:59:59Z";
  if (at == wall_time::min()) return "0001-01-01T00:00:00Z";
  const auto whole = floor<seconds>(at);
  const auto fraction = duration_cast<nanoseconds>(at - whole).count();
  const auto c = civil_of(whole);
  // By hand: every event and every log line has a time, and snprintf takes longer than all the rest of it.
  char text[32];
  char* end = text;
  const auto digits = [&end](std::int64_t value, int width) {
    for (int i = width - 1; i >= 0; --i, value /= 10) end[i] = static_cast<char>('0' + value % 10);
    end += width;
  };
  const auto part = [&](char before, std::int64_t value) {
    *end++ = before;
    digits(value, 2);
  };
  digits(c.year, 4);
  part('-', c.month);
  part('-', c.day);
  part('T', c.hour);
  part(':', c.minute);
  part(':', c.second);
  if (fraction != 0) {
    *end++ = '.';
    if (fraction % 1'000'000 == 0)
      digits(fraction / 1'000'000, 3);
    else if (fraction % 1'000 == 0)
      digits(fraction / 1'000, 6);
    else
      digits(fraction, 9);
  }
  *end++ = 'Z';
  return {text, end};
}

result<wall_time> parse_rfc3339(std::string_view text) {
  const auto malformed = [] {
    return fail(errc::invalid_argument, "expected a time as RFC 3339 has it, such as 2026-02-01T09:30:00Z");
  };
  reader in{text};
  civil c;
  c.year = in.number(4);
  c.month = static_cast<unsigned>(in.literal("-").number(2));
  c.day = static_cast<unsigned>(in.literal("-").number(2));
  if (const char t = in.take(); t != 'T' && t != 't') return malformed();
  c.hour = in.number(2);
  c.minute = in.literal(":").number(2);
  c.second = in.literal(":").number(2);
  std::int64_t nanos = 0;
  if (in.next_is('.')) {
    in.take();
    std::int64_t unit = 100'000'000;
    do {
      nanos += in.number(1) * unit;
      unit /= 10;
    } while (in.good() && !in.next_is('Z') && !in.next_is('z') && !in.next_is('+') && !in.next_is('-'));
  }
  minutes offset{0};
  if (const char sign = in.take(); sign == '+' || sign == '-') {
    const int hour = in.number(2), minute = in.literal(":").number(2);
    if (hour > 23 || minute > 59) return malformed();
    offset = (sign == '-' ? -1 : 1) * (hours{hour} + minutes{minute});
  } else if (sign != 'Z' && sign != 'z') {
    return malformed();
  }
  const auto base = c.seconds();
  if (!in.done() || !base) return malformed();
  // What is far beyond is how many programs write "always" and "never".
  if (c.year <= 1) return wall_time::min();
  if (c.year == 9999) return wall_time::max();
  __extension__ using wide = __int128;
  const auto since_epoch = wide{(*base - offset).time_since_epoch().count()} * 1'000'000'000 + nanos;
  // A system_clock of nanoseconds reaches from 1677-09-21 to 2262-04-11.
  if (since_epoch < nanoseconds::min().count() || since_epoch > nanoseconds::max().count())
    return fail(errc::invalid_argument,
                "the time is not between 1677-09-21 and 2262-04-11, the range that can be kept");
  return time_point_cast<system_clock::duration>(nanosecond_time{nanoseconds{static_cast<std::int64_t>(since_epoch)}});
}

std::string format_http_date(wall_time at) {
  const auto whole = floor<seconds>(at);
  const auto c = civil_of(whole);
  const weekday day{floor<days>(whole)};
  char text[64];
  const int size =
      std::snprintf(text, sizeof text, "%s, %02u %s %04d %02d:%02d:%02d GMT", weekdays[day.c_encoding()].data(), c.day,
                    months[c.month - 1].data(), c.year, c.hour, c.minute, c.second);
  return {text, static_cast<std::size_t>(size)};
}

result<wall_time> parse_http_date(std::string_view text, wall_time now) {
  reader in{text};
  civil c;
  const auto clock = [&] {
    c.hour = in.number(2);
    c.minute = in.literal(":").number(2);
    c.second = in.literal(":").number(2);
  };
  const auto comma = text.find(',');
  if (comma == 3) {  // IMF-fixdate
    in.one_of(weekdays);
    c.day = static_cast<unsigned>(in.literal(", ").number(2));
    c.month = in.literal(" ").one_of(months) + 1;
    c.year = in.literal(" ").number(4);
    in.literal(" ");
    clock();
    in.literal(" GMT");
  } else if (comma != std::string_view::npos) {  // RFC 850
    in.one_of(long_weekdays);
    c.day = static_cast<unsigned>(in.literal(", ").number(2));
    c.month = in.literal("-").one_of(months) + 1;
    const int two_digits = in.literal("-").number(2);
    const int this_year = civil_of(floor<seconds>(now)).year;
    c.year = this_year - this_year % 100 + two_digits;
    if (c.year > this_year + 50) c.year -= 100;
    in.literal(" ");
    clock();
    in.literal(" GMT");
  } else {  // asctime
    in.one_of(weekdays);
    c.month = in.literal(" ").one_of(months) + 1;
    in.literal(" ");
    if (in.next_is(' ')) {
      in.take();
      c.day = static_cast<unsigned>(in.number(1));
    } else {
      c.day = static_cast<unsigned>(in.number(2));
    }
    in.literal(" ");
    clock();
    c.year = in.literal(" ").number(4);
  }
  const auto at = c.seconds();
  if (!in.done() || !at || c.year < 1678 || c.year > 2261)
    return fail(errc::invalid_argument, "expected an HTTP date, such as Sun, 06 Nov 1994 08:49:37 GMT");
  return wall_time{at->time_since_epoch()};
}

}  // namespace weft
