#include <weft/base/replay.hpp>

#include <gtest/gtest.h>

namespace weft {
namespace {

// A2: one question, one answer.
TEST(Replay, OnlyWhatCertainlyHadNoEffectIsRepeatedWhateverItIs) {
  EXPECT_TRUE(may_send_again(replay::safe, prior_effect::possible));
  EXPECT_TRUE(may_send_again(replay::keyed, prior_effect::possible));
  EXPECT_FALSE(may_send_again(replay::unsafe, prior_effect::possible));
  EXPECT_TRUE(may_send_again(replay::unsafe, prior_effect::none));
  EXPECT_EQ(effect_of(error{errc::unavailable}), prior_effect::possible);
  EXPECT_EQ(effect_of(error{errc::unavailable}.as_unprocessed()), prior_effect::none);
}

}  // namespace
}  // namespace weft
