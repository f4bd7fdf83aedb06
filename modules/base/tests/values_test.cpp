#include <weft/base.hpp>

#include <gtest/gtest.h>

#include <unordered_set>

namespace weft {
namespace {
using namespace std::chrono_literals;

TEST(Uuid, V4HasItsVersionAndVariant) {
  const auto id = uuid::v4(0, 0);
  EXPECT_EQ(id.to_string(), "00000000-0000-4000-8000-000000000000");
  EXPECT_EQ(uuid::v4(~0ULL, ~0ULL).to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
}

TEST(Uuid, V7SortsByTimeAndCarriesIt) {
  const wall_time at{1'645'557'742'000ms};  // RFC 9562, appendix A.6
  const auto id = uuid::v7(at, 0xCC3, 0x18C4DC0C0C07398FULL);
  EXPECT_EQ(id.to_string(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
  EXPECT_EQ(id.time(), at);
  EXPECT_LT(id, uuid::v7(at + 1ms, 0, 0));
}

TEST(Uuid, ParsesEitherCaseAndRefusesTheRest) {
  const auto id = uuid::parse("F81D4FAE-7dec-11d0-a765-00a0c91e6bf6");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->to_string(), "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
  for (const auto* bad : {"", "f81d4fae", "f81d4fae-7dec-11d0-a765-00a0c91e6bf",
                          "f81d4fae-7dec-11d0-a765-00a0c91e6bf67", "f81d4fae07dec-11d0-a765-00a0c91e6bf6",
                          "g81d4fae-7dec-11d0-a765-00a0c91e6bf6", "{81d4fae-7dec-11d0-a765-00a0c91e6bf6}"})
    EXPECT_FALSE(uuid::parse(bad)) << bad;
}

TEST(Rfc3339, WritesUtcWithTheFractionItHas) {
  const wall_time at{1'770'000'000s};
  EXPECT_EQ(format_rfc3339(at), "2026-02-02T02:40:00Z");
  EXPECT_EQ(format_rfc3339(at + 250ms), "2026-02-02T02:40:00.250Z");
  EXPECT_EQ(format_rfc3339(at + 1us), "2026-02-02T02:40:00.000001Z");
  EXPECT_EQ(format_rfc3339(at + 1ns), "2026-02-02T02:40:00.000000001Z");
  EXPECT_EQ(format_rfc3339(wall_time{-1s}), "1969-12-31T23:59:59Z");
}

TEST(Rfc3339, ReadsOffsetsAndFractions) {
  EXPECT_EQ(parse_rfc3339("2026-02-02T02:40:00Z").value(), wall_time{1'770'000'000s});
  EXPECT_EQ(parse_rfc3339("2026-02-02t04:40:00.5+02:00").value(), wall_time{1'770'000'000s} + 500ms);
  EXPECT_EQ(parse_rfc3339("2026-02-01T20:10:00-06:30").value(), wall_time{1'770'000'000s});
  EXPECT_EQ(parse_rfc3339("1990-12-31T23:59:60Z").value(), parse_rfc3339("1991-01-01T00:00:00Z").value());
}

TEST(Rfc3339, RefusesWhatIsNotATime) {
  for (const auto* bad : {"", "2026-02-02", "2026-02-30T00:00:00Z", "2026-02-02T24:00:00Z", "2026-02-02T02:40:00",
                          "2026-02-02T02:40:00.Z", "2026-02-02 02:40:00Z", "2026-2-2T02:40:00Z",
                          "2026-02-02T02:40:00Zx", "2026-02-02T02:40:00+24:00", "3000-01-01T00:00:00Z"})
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
}

TEST(HttpDate, ReadsAllThreeForms) {
  const wall_time at{784'111'777s}, now{1'770'000'000s};
  EXPECT_EQ(format_http_date(at), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT", now).value(), at);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", now).value(), at);
  EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994", now).value(), at);
  for (const auto* bad :
       {"", "120", "Sun, 06 Nov 1994 08:49:37", "Sun, 32 Nov 1994 08:49:37 GMT", "Sun Nov 6 08:49:37"})
    EXPECT_FALSE(parse_http_date(bad, now)) << bad;
}

TEST(Strong, IsItsOwnType) {
  using order_id = strong<struct order_id_tag>;
  using user_id = strong<struct user_id_tag>;
  static_assert(!std::is_convertible_v<order_id, user_id> && !std::is_convertible_v<std::string, order_id>);
  EXPECT_EQ(order_id{"a"}, order_id{"a"});
  EXPECT_LT(order_id{"a"}, order_id{"b"});
  EXPECT_TRUE((std::unordered_set<order_id>{order_id{"a"}}.contains(order_id{"a"})));
}

TEST(Hex, RoundTripsAndRefusesUpperCaseWhereAsked) {
  const std::uint8_t bytes[] = {0x00, 0xaf, 0x10};
  EXPECT_EQ(hex_encode(bytes), "00af10");
  std::uint8_t back[3];
  EXPECT_TRUE(hex_decode("00AF10", back));
  EXPECT_FALSE(hex_decode("00AF10", back, hex_case::lower_only));
  EXPECT_FALSE(hex_decode("00af1", back));
}

}  // namespace
}  // namespace weft
