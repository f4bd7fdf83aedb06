#include <weft/base.hpp>

#include <gtest/gtest.h>

namespace weft {
namespace {

result<int> half(int n) {
  if (n % 2 != 0) return fail(errc::invalid_argument, "odd");
  return n / 2;
}
result<int> quarter(int n) {
  WEFT_TRY(const int h, half(n));
  return half(h);
}

TEST(Error, SaysWhatWhereAndWhatToDo) {
  const auto e = error{errc::unavailable, "connection refused"}
                     .with_operation("GET /users/7")
                     .with_peer("10.0.0.3:8080")
                     .with_remedy("is the service running?");
  EXPECT_EQ(e.code(), errc::unavailable);
  EXPECT_EQ(e.describe(), "unavailable: connection refused (GET /users/7 to 10.0.0.3:8080): is the service running?");
}

TEST(Error, KeepsTheContextNearestTheCause) {
  const auto e = error{errc::internal, "x"}.with_operation("inner").with_operation("outer");
  EXPECT_EQ(e.operation(), "inner");
}

TEST(Error, WithoutMessageIsItsCode) { EXPECT_EQ(error{errc::not_found}.describe(), "not_found"); }

TEST(Error, RemembersThatNothingWasProcessed) {
  EXPECT_FALSE(error{errc::unavailable}.unprocessed());
  EXPECT_TRUE(error{errc::unavailable}.as_unprocessed().with_peer("10.0.0.3:80").unprocessed());
}

TEST(Error, OnlySomeCodesAreTransient) {
  EXPECT_TRUE(error{errc::unavailable}.transient());
  EXPECT_TRUE(error{errc::deadline_exceeded}.transient());
  EXPECT_FALSE(error{errc::invalid_argument}.transient());
  EXPECT_FALSE(error{errc::cancelled}.transient());
}

// G4: what is too large, and a disk that is full, are not retried as a quota is.
TEST(Error, SaysWhichKindOfLimitWasReached) {
  const error quota{errc::resource_exhausted};
  EXPECT_EQ(quota.limit(), limit_kind::quota);
  EXPECT_TRUE(quota.transient());
  EXPECT_FALSE(quota.with_limit(limit_kind::size).transient());
  EXPECT_FALSE(quota.with_limit(limit_kind::space).transient());
  EXPECT_EQ(quota.with_limit(limit_kind::size).with_peer("10.0.0.3:80").as_unprocessed().limit(), limit_kind::size);
}

TEST(Result, TryPassesTheErrorOn) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().code(), errc::invalid_argument);
  EXPECT_EQ(quarter(5).error().message(), "odd");
}

}  // namespace
}  // namespace weft
