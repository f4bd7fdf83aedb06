#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sansio/ack_batch.hpp"

namespace weft::messaging {
namespace {
using testing::ElementsAre;
using testing::IsEmpty;

ack_batch with_delivered(std::uint64_t count) {
  ack_batch b;
  for (std::uint64_t tag = 1; tag <= count; ++tag) b.delivered(tag);
  return b;
}

TEST(AckBatch, OneFrameSaysAllUpToWhatIsStillOut) {
  auto b = with_delivered(6);
  for (const std::uint64_t tag : {3, 1, 2, 6, 5}) b.acknowledge(tag);
  const auto f = b.take();
  EXPECT_EQ(f.up_to, 3u);
  EXPECT_THAT(f.single, ElementsAre(5, 6));
  EXPECT_EQ(b.waiting(), 0u);
  b.acknowledge(4);
  const auto rest = b.take();
  EXPECT_EQ(rest.up_to, 0u);
  EXPECT_THAT(rest.single, ElementsAre(4));
  const auto nothing = b.take();
  EXPECT_EQ(nothing.up_to, 0u);
  EXPECT_THAT(nothing.single, IsEmpty());
}

TEST(AckBatch, WhatWasAnsweredOtherwiseIsNotInTheWay) {
  auto b = with_delivered(4);
  b.answered(1);
  for (const std::uint64_t tag : {2, 3, 4}) b.acknowledge(tag);
  EXPECT_EQ(b.take().up_to, 4u);
}

TEST(AckBatch, NoTagStandsForOthersWhileOneIsNotNamedYet) {
  auto b = with_delivered(3);
  for (const std::uint64_t tag : {1, 2, 3}) b.acknowledge(tag);
  {
    const ack_batch::unnamed coming{b};
    EXPECT_THAT(b.take().single, ElementsAre(1, 2, 3));
  }
  for (const std::uint64_t tag : {4, 5}) {
    b.delivered(tag);
    b.acknowledge(tag);
  }
  EXPECT_EQ(b.take().up_to, 5u);
}

TEST(AckBatch, NothingOfALostChannelIsSaid) {
  auto b = with_delivered(3);
  b.acknowledge(1);
  b.clear();
  b.delivered(1);
  EXPECT_THAT(b.take().single, IsEmpty());
}

}  // namespace
}  // namespace weft::messaging
