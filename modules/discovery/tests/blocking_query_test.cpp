// The rules of Consul's blocking queries, one by one.
#include <weft/discovery/blocking_query.hpp>

#include <gtest/gtest.h>

#include "hosts.hpp"

namespace weft::discovery {
namespace {

struct index_row {
  const char* rule;
  std::vector<std::uint64_t> answers;
  std::uint64_t asks_with;
};

TEST(BlockingQuery, IndexTable) {
  const std::vector<index_row> table{
      {"the first question has none", {}, 0},
      {"then the last answer's", {17}, 17},
      {"it grows", {17, 18, 400}, 400},
      {"the same is kept", {17, 17}, 17},
      {"backwards is a reset", {17, 16}, 0},
      {"after the reset it starts again", {17, 16, 3}, 3},
      {"0 counts as 1", {0}, 1},
      {"0 after more is a reset", {17, 0}, 0},
      {"and then 1", {17, 0, 0}, 1},
      {"1 is 1", {1}, 1},
  };
  for (const auto& row : table) {
    blocking_query query;
    for (const auto index : row.answers) {
      static_cast<void>(query.next(start));
      query.answered(index, start);
    }
    EXPECT_EQ(query.next(start).index, row.asks_with) << row.rule;
  }
}

TEST(BlockingQuery, OnlyAQuestionWithAnIndexWaits) {
  blocking_query query{{.wait = 160s, .way = 2s}};
  EXPECT_EQ(query.next(start).wait, 0s);
  query.answered(5, start);
  const auto q = query.next(start);
  EXPECT_EQ(q.wait, 160s);
  EXPECT_EQ(q.timeout, 172s);  // wait, a sixteenth of it, the way
}

TEST(BlockingQuery, AnswersInQuickSuccessionAreLimited) {
  blocking_query query{{.burst = 3, .refill = 1s}};
  const auto wait_at = [&](steady_time now) {
    const auto q = query.next(now);
    query.answered(1, now);
    return q.not_before - now;
  };
  EXPECT_EQ(wait_at(start), 0s);
  EXPECT_EQ(wait_at(start), 0s);
  EXPECT_EQ(wait_at(start), 0s);
  EXPECT_EQ(wait_at(start), 1s);
  EXPECT_EQ(wait_at(start + 1s), 1s);
  EXPECT_EQ(wait_at(start + 3s), 0s);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(wait_at(start + 1h), 0s) << i;  // no more than the burst is saved up
  EXPECT_EQ(wait_at(start + 1h), 1s);
}

TEST(BlockingQuery, PausesDoubleUpToTheLastAndEndWithAnAnswer) {
  rng random{1};
  blocking_query query;
  auto now = start;
  for (const auto most : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s, 60s}) {
    query.failed(now, random);
    const auto q = query.next(now);
    EXPECT_GE(q.not_before - now, most / 2) << most.count();
    EXPECT_LE(q.not_before - now, most) << most.count();
    now = q.not_before + 1h;
  }
  EXPECT_EQ(query.failures(), 9u);
  // A14: the answer to the first question, and then a failure of the one that blocks, is no reason to hurry.
  query.answered(7, now);
  EXPECT_EQ(query.next(now).not_before, now);
  query.failed(now, random);
  EXPECT_GE(query.next(now).not_before - now, 30s);
  query.answered(7, now);
  now += 1h;
  query.failed(now, random);
  EXPECT_EQ(query.index(), 7u);  // a failure says nothing about the index
  EXPECT_LE(query.next(now).not_before - now, 1s);
}

}  // namespace
}  // namespace weft::discovery
