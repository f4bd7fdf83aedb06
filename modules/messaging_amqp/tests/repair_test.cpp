// What somebody deletes in the broker comes back, and what the broker never takes is told from what it does not take
// now.
#include "model_scene.hpp"

namespace weft::messaging {
namespace {
using testing::ElementsAre;
using testing::UnorderedElementsAre;

using Repair = ModelScene;

std::vector<std::string> codes(const std::vector<result<>>& outcomes) {
  std::vector<std::string> list;
  for (const auto& each : outcomes) list.emplace_back(each ? "ok" : to_string(each.error().code()));
  return list;
}

// F9: it alone fails, for good.
TEST_F(Repair, AMessageLargerThanTheServersMaximumIsRefusedForGood) {
  const auto bus = open();
  const auto c = subscribe(*bus, {.group = "g", .patterns = {"x"}});
  rabbit_.max_message_bytes = 100;
  rabbit_.refusal = "PRECONDITION_FAILED - message size of 'caf\xc3";  // A6: cut inside a character
  std::vector<outgoing> batch;
  for (const auto* id : {"1", "2", "3"}) batch.push_back({.what = make(id)});
  batch[1].what.body = std::string(200, 'x');
  const auto outcomes = run(bus->publish(in(), std::move(batch)));
  EXPECT_THAT(codes(outcomes), ElementsAre("ok", "invalid_argument", "ok"));
  EXPECT_FALSE(outcomes[1].error().transient());
  std::vector<std::string> ids{take(*c), take(*c)};
  EXPECT_THAT(ids, ElementsAre("1", "3"));
}

// F9: it is declared again, with what was bound to it here and elsewhere, and the publication may be repeated.
TEST_F(Repair, AnExchangeThatWasDeletedComesBackWithItsBindings) {
  const auto bus = open(), other = open();
  const auto c = subscribe(*bus, {.group = "g", .patterns = {"x"}});
  const auto inbox = subscribe(*bus, {.patterns = {"x"}, .lives = lifetime::ephemeral});
  const auto elsewhere = subscribe(*other, {.group = "h", .patterns = {"#"}});
  rabbit_.delete_exchange("weft.events");
  const auto refused = publish(*bus, make("1"));
  EXPECT_EQ(refused.error().code(), errc::unavailable);
  EXPECT_TRUE(refused.error().unprocessed());
  EXPECT_TRUE(publish(*bus, make("1"), {}, unroutable::refuse));
  for (auto* each : {c.get(), inbox.get(), elsewhere.get()}) EXPECT_EQ(take(*each), "1");
  // Many that meet its absence at once, and what is delayed.
  rabbit_.delete_exchange("weft.events");
  std::vector<outgoing> batch;
  for (const auto* id : {"2", "3", "4"}) batch.push_back({.what = make(id)});
  EXPECT_THAT(codes(run(bus->publish(in(), std::move(batch)))),
              ElementsAre("unavailable", "unavailable", "unavailable"));
  EXPECT_TRUE(publish(*bus, make("5"), 1s));
  EXPECT_EQ(take(*c), "5");
}

// F9: the exchange may be gone when a consumer comes back.
TEST_F(Repair, AConsumerComesBackThoughItsExchangeIsGone) {
  const auto bus = open();
  const auto c = subscribe(*bus, {.group = "g", .patterns = {"x"}});
  rabbit_.delete_exchange("weft.events");
  rabbit_.delete_queue("weft.g");
  sim_.run_for(30s);
  EXPECT_TRUE(publish(*bus, make("1"), {}, unroutable::refuse));
  EXPECT_EQ(take(*c), "1");
}

TEST_F(Repair, QueuesOfWeftsOwnAreDeclaredAgain) {
  const auto bus = open();
  const auto c = subscribe(*bus, {.group = "g", .patterns = {"x"}});
  EXPECT_TRUE(publish(*bus, make("1", "k")));
  rabbit_.delete_queue("weft.g.attempts");
  EXPECT_TRUE(settle(*c, receive(*c), settlement::retry(1s, error{errc::unavailable, "not yet"})));
  rabbit_.delete_queue("weft.g.dead");
  const auto again = receive(*c);
  EXPECT_EQ(again.attempt, 2u);
  EXPECT_TRUE(settle(*c, again, settlement::dead_letter("bad")));
  EXPECT_THAT(rabbit_.ids("weft.g.dead"), ElementsAre("1"));
  // A delay queue within the time for which it is believed to be there.
  EXPECT_TRUE(publish(*bus, make("2"), 8ms));
  EXPECT_EQ(take(*c), "2");
  rabbit_.delete_queue("weft.events.delay.8");
  EXPECT_EQ(publish(*bus, make("3"), 8ms).error().code(), errc::unavailable);
  EXPECT_TRUE(publish(*bus, make("3"), 8ms));
  EXPECT_EQ(take(*c), "3");
}

// F1: success means that a group will have it.
TEST_F(Repair, ADelayedMessageThatNobodyTakesIsRefusedAtOnce) {
  const auto bus = open();
  EXPECT_EQ(publish(*bus, make("1"), 1s, unroutable::refuse).error().code(), errc::not_found);
  const auto other = open();
  auto c = subscribe(*other, {.group = "g", .patterns = {"*"}});
  EXPECT_TRUE(publish(*bus, make("2"), 1s, unroutable::refuse));
  EXPECT_EQ(take(*c), "2");
  c.reset();  // a durable group has it also while nobody is there
  EXPECT_TRUE(publish(*bus, make("3"), 1s, unroutable::refuse));
  sim_.run_for(5s);
  EXPECT_THAT(rabbit_.ids("weft.g"), ElementsAre("3"));
  // One that was removed is not believed in for long.
  EXPECT_TRUE(run(other->remove_group(in(), "g")));
  sim_.run_for(10s);
  EXPECT_EQ(publish(*bus, make("4"), 1s, unroutable::refuse).error().code(), errc::not_found);
  // Of this very object's ephemeral groups it knows.
  const auto inbox = subscribe(*bus, {.patterns = {"x"}, .lives = lifetime::ephemeral});
  EXPECT_TRUE(publish(*bus, make("5"), 1s, unroutable::refuse));
  EXPECT_EQ(take(*inbox), "5");
}

}  // namespace
}  // namespace weft::messaging
