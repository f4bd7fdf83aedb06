// Settlements that fail end in something, and what is written about a failure fits where it is written.
#include <weft/base/utf8.hpp>

#include "model_scene.hpp"

namespace weft::messaging {
namespace {
using testing::ElementsAre;
using testing::UnorderedElementsAre;

error not_yet() { return error{errc::unavailable, "not yet"}; }

class Settling : public ModelScene {
 protected:
  Settling() : bus_{open()} {}
  std::unique_ptr<consumer> subscribe_with(std::uint32_t prefetch, ordering order = ordering::none) {
    return subscribe(*bus_, {.group = "g", .patterns = {"x"}, .prefetch = prefetch, .order = order});
  }
  void publish_ids(const std::vector<std::string>& ids, const std::string& key = {}) {
    for (const auto& id : ids) EXPECT_TRUE(publish(*bus_, make(id, key)));
  }
  void alarm() {
    rabbit_.set_alarm(true);
    sim_.run_for(20ms);  // until the clients have heard of it
  }
  std::unique_ptr<amqp_broker> bus_;
};

// A5: short of memory the broker takes no copies; what is to be retried waits in the consumer then.
TEST_F(Settling, RetriesUnderAMemoryAlarmWaitInTheConsumer) {
  for (const auto order : {ordering::none, ordering::per_key}) {
    const auto c = subscribe(
        *bus_, {.group = order == ordering::none ? "any" : "keyed", .patterns = {"x"}, .prefetch = 3, .order = order});
    publish_ids({"1", "2", "3"});
    alarm();
    for (int i = 0; i < 2; ++i) {
      const auto d = receive(*c);
      EXPECT_TRUE(settle(*c, d, settlement::retry(5s, not_yet()), 1s));
    }
    SCOPED_TRACE(order == ordering::none ? "any" : "keyed");
    EXPECT_EQ(take(*c), "3");  // what is held takes a place of the prefetch, and no more
    std::vector<std::string> again;
    for (int i = 0; i < 2; ++i) {
      const auto d = receive(*c);
      EXPECT_EQ(d.attempt, 2u);
      EXPECT_EQ(d.failures.size(), 1u);
      again.push_back(d.what->id);
      EXPECT_TRUE(settle(*c, d, settlement::ack()));
    }
    EXPECT_THAT(again, UnorderedElementsAre("1", "2"));
    rabbit_.set_alarm(false);
    EXPECT_TRUE(quiet(*c, 30s));
  }
}

// A5: a dead letter is nowhere yet, so the delivery stays out, and can be settled again, as before or otherwise.
TEST_F(Settling, ADeadLetterUnderAMemoryAlarmIsStillOut) {
  const auto c = subscribe_with(1);
  publish_ids({"1", "2"});
  alarm();
  const auto d = receive(*c);
  EXPECT_EQ(settle(*c, d, settlement::dead_letter("bad"), 1s).error().code(), errc::deadline_exceeded);
  EXPECT_TRUE(c->holds(d.tag));
  EXPECT_TRUE(settle(*c, d, settlement::retry(1s, not_yet(), attempt_counting::not_counted), 1s));
  const auto again = receive(*c);
  EXPECT_EQ(again.attempt, 1u);
  EXPECT_EQ(settle(*c, again, settlement::dead_letter("bad"), 1s).error().code(), errc::deadline_exceeded);
  rabbit_.set_alarm(false);
  EXPECT_TRUE(settle(*c, again, settlement::dead_letter("bad")));
  EXPECT_THAT(rabbit_.ids("weft.g.dead"), ElementsAre("1"));
  EXPECT_EQ(take(*c), "2");
}

// A5: the copy was sent, and its confirm does not come in time. It is not sent once more; the settlement goes on.
TEST_F(Settling, ACopyThatIsConfirmedTooLateSettlesAllTheSame) {
  const auto c = subscribe_with(1);
  publish_ids({"1", "2"});
  rabbit_.hold_confirms(true);
  const auto d = receive(*c);
  const auto sent = rabbit_.publications;
  EXPECT_EQ(settle(*c, d, settlement::dead_letter("bad"), 1s).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(settle(*c, d, settlement::retry(1s, not_yet()), 1s).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(rabbit_.publications, sent + 1);
  rabbit_.hold_confirms(false);
  EXPECT_EQ(take(*c), "2");  // the place is free, without another word
  EXPECT_EQ(settle(*c, d, settlement::ack()).error().code(), errc::aborted);
  EXPECT_THAT(rabbit_.ids("weft.g.dead"), ElementsAre("1"));
  EXPECT_TRUE(rabbit_.find("weft.g")->ready.empty());
}

// A5: or it turns out refused: then the message comes again after a while, its attempt not counted.
TEST_F(Settling, ADeadLetterThatIsRefusedTooLateComesAgain) {
  const auto c = subscribe_with(1);
  publish_ids({"1"});
  rabbit_.refusing.insert("weft.g.dead");
  rabbit_.hold_confirms(true);
  const auto d = receive(*c);
  EXPECT_EQ(settle(*c, d, settlement::dead_letter("bad"), 1s).error().code(), errc::deadline_exceeded);
  rabbit_.hold_confirms(false);
  const auto again = receive(*c);
  EXPECT_EQ(again.attempt, 1u);
  EXPECT_EQ(settle(*c, again, settlement::dead_letter("bad")).error().code(), errc::resource_exhausted);
  rabbit_.refusing.clear();
  EXPECT_TRUE(settle(*c, again, settlement::dead_letter("bad")));
  EXPECT_THAT(rabbit_.ids("weft.g.dead"), ElementsAre("1"));
}

// A5: a consumer that stops ends, whatever its settlements come to.
TEST_F(Settling, AStoppedConsumerGivesItsQueueAwayWhenALateConfirmSettlesTheLast) {
  const auto c = subscribe_with(1, ordering::per_key);
  publish_ids({"1", "2"}, "k");
  const auto d = receive(*c);
  rabbit_.hold_confirms(true);
  EXPECT_EQ(settle(*c, d, settlement::dead_letter("bad"), 1s).error().code(), errc::deadline_exceeded);
  EXPECT_TRUE(run(c->stop(in())));
  const auto other = open();
  const auto next = subscribe(*other, {.group = "g", .patterns = {"x"}});
  EXPECT_TRUE(quiet(*next));
  rabbit_.hold_confirms(false);
  EXPECT_EQ(take(*next), "2");
}

// F8: whatever the error says, however long, in whatever bytes, and with frames as small as they may be.
TEST_F(Settling, AnErrorOfAnyLengthCanBeWrittenDown) {
  std::string text;
  while (text.size() < 140'000) text += "caf\xc3\xa9 \xff\xc3 ";
  const error wide{errc::internal, text};
  for (const std::uint32_t frame_max : {131'072U, 4096U}) {
    rabbit_.frame_max = frame_max;
    auto bus = open();
    for (const auto order : {ordering::none, ordering::per_key}) {
      const auto group = "g" + std::to_string(frame_max) + (order == ordering::none ? "any" : "keyed");
      const auto c = subscribe(*bus, {.group = group, .patterns = {"x"}, .order = order});
      EXPECT_TRUE(publish(*bus, make("1", "k")));
      for (std::uint32_t attempt = 1; attempt <= 12; ++attempt) {
        const auto d = receive(*c);
        EXPECT_EQ(d.attempt, attempt);
        for (const auto& f : d.failures) EXPECT_TRUE(valid_utf8(f.what));
        EXPECT_TRUE(settle(*c, d, settlement::retry(1s, wide)));
      }
      EXPECT_TRUE(settle(*c, receive(*c), settlement::dead_letter(text, wide)));
      const auto letters = run(bus->dead_letters(in(), {.group = group})).value();
      ASSERT_EQ(letters.size(), 1u);
      EXPECT_TRUE(valid_utf8(letters[0].reason));
      EXPECT_LE(letters[0].reason.size(), 1024u);
      EXPECT_EQ(letters[0].attempts, 13u);
      EXPECT_EQ(letters[0].what->body, "{}");
    }
    EXPECT_TRUE(run(bus->remove_group(in(), "none")).error().code() == errc::not_found);
  }
}

// A11: times that never come.
TEST_F(Settling, ARetryThatIsNeverDueIsNotDueAtOnce) {
  for (const auto order : {ordering::none, ordering::per_key}) {
    const auto c =
        subscribe(*bus_, {.group = order == ordering::none ? "any" : "keyed", .patterns = {"x"}, .order = order});
    publish_ids({"1"}, "k");
    EXPECT_TRUE(settle(*c, receive(*c), settlement::retry(duration::max(), not_yet())));
    EXPECT_TRUE(quiet(*c, 10min));
  }
  auto m = make("lives for ever");
  m.time_to_live = duration::max();
  EXPECT_TRUE(publish(*bus_, m));
}

}  // namespace
}  // namespace weft::messaging
