// What becomes of deliveries when connections, channels and queues are lost.
#include <weft/messaging/router.hpp>
#include <weft/runtime/sleep.hpp>

#include <map>
#include <set>

#include "model_scene.hpp"

namespace weft::messaging {
namespace {
using testing::ElementsAre;

class Losses : public ModelScene {
 protected:
  Losses() : bus_{open()} {}
  void cut() {
    rabbit_.cut();
    sim_.run_for(20ms);
  }
  std::unique_ptr<amqp_broker> bus_;
};

// Survivor: what lies in the lanes when the connection is lost comes again, and is not handed out twice.
TEST_F(Losses, WhatNobodyTookBeforeAReconnectComesOnce) {
  const auto c = subscribe(*bus_, {.group = "g", .patterns = {"x"}});
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(publish(*bus_, make(std::to_string(i), i % 2 == 0 ? "k" : "l")));
  sim_.run_for(1s);
  cut();
  std::multiset<std::string> ids;
  for (int i = 0; i < 6; ++i) ids.insert(take(*c));
  EXPECT_THAT(ids, ElementsAre("0", "1", "2", "3", "4", "5"));
  EXPECT_TRUE(quiet(*c));
}

// F18: a delivery that was lost says so before it is handled.
TEST_F(Losses, ALostDeliveryIsNotHeldAnyMore) {
  const auto c = subscribe(*bus_, {.group = "g", .patterns = {"x"}, .order = ordering::none});
  EXPECT_TRUE(publish(*bus_, make("1")));
  const auto d = receive(*c);
  EXPECT_TRUE(c->holds(d.tag));
  cut();
  EXPECT_FALSE(c->holds(d.tag));
  EXPECT_EQ(settle(*c, d, settlement::ack()).error().code(), errc::aborted);
  const auto again = receive(*c);
  EXPECT_TRUE(c->holds(again.tag));
  EXPECT_FALSE(c->holds(d.tag));
  EXPECT_TRUE(settle(*c, again, settlement::ack()));
  EXPECT_FALSE(c->holds(again.tag));
}

// F18: of those that waited behind running handlers none is handled twice.
TEST_F(Losses, ARouterDropsWhatWasLostWhileItWaited) {
  std::map<std::string, int> calls;
  router r{on(), *bus_};
  r.on_raw("x", {.group = "g", .concurrency = 2, .order = ordering::none},
           // weft-style: closure outlives the coroutine
           [&](const context&, const raw_delivery& d) -> task<result<>> {
             ++calls[d.what->id];
             static_cast<void>(co_await sleep(on(), {}, 1s));
             co_return result<>{};
           });
  EXPECT_TRUE(run(r.start(in())));
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(publish(*bus_, make(std::to_string(i))));
  sim_.run_for(500ms);
  cut();
  sim_.run_for(60s);
  int twice = 0;
  for (const auto& [id, count] : calls) twice += count - 1;
  EXPECT_EQ(calls.size(), 8u);
  EXPECT_EQ(twice, 2);  // those that were being handled
  EXPECT_TRUE(run(r.stop(in())));
}

// F12: once, and when what is published reaches it again.
TEST_F(Losses, TheConsumerOfAnEphemeralGroupIsToldOfItsLoss) {
  const auto c = subscribe(*bus_, {.patterns = {"x"}, .lives = lifetime::ephemeral});
  EXPECT_TRUE(publish(*bus_, make("lost")));
  sim_.run_for(1s);
  cut();
  EXPECT_EQ(run(c->next(in())).error().code(), errc::aborted);
  EXPECT_TRUE(publish(*bus_, make("1"), {}, unroutable::refuse));
  EXPECT_EQ(take(*c), "1");
  EXPECT_TRUE(quiet(*c));
  for (const auto& [name, q] : std::map{rabbit_.queues()})
    if (name.starts_with("weft.ephemeral.")) rabbit_.delete_queue(name);
  EXPECT_EQ(run(c->next(in())).error().code(), errc::aborted);
  EXPECT_TRUE(publish(*bus_, make("2"), {}, unroutable::refuse));
  EXPECT_EQ(take(*c), "2");
}

// F12: whoever waits until it is attached waits for both, its return and that it was told of.
TEST_F(Losses, AConsumerIsAttachedWhenWhatIsPublishedReachesItAgain) {
  const auto c = subscribe(*bus_, {.patterns = {"x"}, .lives = lifetime::ephemeral});
  EXPECT_TRUE(run(c->attached(in(1ms))));
  cut();
  EXPECT_EQ(run(c->attached(in(10s))).error().code(), errc::deadline_exceeded);  // nobody was told
  EXPECT_EQ(run(c->next(in())).error().code(), errc::aborted);
  EXPECT_TRUE(run(c->attached(in())));
  const auto durable = subscribe(*bus_, {.group = "g", .patterns = {"x"}});
  cut();
  EXPECT_TRUE(run(durable->attached(in())));
  EXPECT_TRUE(run(durable->stop(in())));
  EXPECT_TRUE(run(durable->attached(in())));  // it waits for nothing more
}

// A5: a consumer whose broker was closed does not wait for ever.
TEST_F(Losses, AConsumerOfAClosedBrokerIsToldSo) {
  const auto c = subscribe(*bus_, {.group = "g", .patterns = {"x"}});
  run(bus_->close(in()));
  EXPECT_EQ(run(c->next(in())).error().code(), errc::failed_precondition);
}

// Of each key every message is settled before the next one is handed out, whatever is retried, given back and cut.
TEST_F(Losses, TheOrderOfAKeyHoldsUnderNacksRetriesAndCuts) {
  for (const auto* query : {"queues=quorum", "queues=classic", "partitions=3"}) {
    // However often it is cut, nothing here is what ends consumers.
    const auto bus = open(options(std::string{"?delivery_limit=0&"} + query));
    const subscription what{
        .group = std::string{"g."} + query, .patterns = {"x"}, .prefetch = 5, .order = ordering::per_key};
    auto c = subscribe(*bus, what);
    std::map<std::string, int> next;
    constexpr int keys = 4, each = 15;
    for (int i = 0; i < each; ++i)
      for (int k = 0; k < keys; ++k)
        EXPECT_TRUE(publish(*bus, make(std::to_string(i), std::string(1, static_cast<char>('a' + k)))));
    int done = 0;
    for (int steps = 0; done < keys * each && steps < 5000; ++steps) {
      auto got = run(c->next(in(5s)));
      if (!got || !*got) continue;
      const auto& d = **got;
      const auto number = std::stoi(d.what->id);
      auto& wanted = next[d.what->key];
      EXPECT_LE(number, wanted) << d.what->key << number << " for " << wanted;
      const auto dice = sim_.random().below(10);
      if (dice == 0) cut();
      if (dice == 1) {
        c.reset();
        c = subscribe(*bus, what);
        continue;
      }
      auto how = dice < 4   ? settlement::retry(std::chrono::milliseconds{sim_.random().below(300)},
                                                error{errc::unavailable, "not yet"})
                 : dice < 6 ? settlement::give_back()
                            : settlement::ack();
      const bool acks = how.what == settlement::kind::ack;
      if (settle(*c, d, std::move(how)) && acks && number == wanted) ++wanted, ++done;
    }
    EXPECT_EQ(done, keys * each) << query;
    sim_.run_for(5s);
  }
}

}  // namespace
}  // namespace weft::messaging
