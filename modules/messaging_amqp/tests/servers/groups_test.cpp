// Groups as they are in the broker: retries, dead letters, what others publish, what the admin sees.
#include <weft/amqp/connection.hpp>
#include <weft/messaging/cloud_events.hpp>

#include "scene.hpp"

namespace weft::messaging {
namespace {
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto not_yet = [] { return error{errc::unavailable, "not yet"}; };

task<void> foreign(scene& s) {
  const auto bus = co_await s.open();
  const auto c = co_await s.subscribe(*bus, {.group = s.name("g"), .patterns = {s.name("x")}});
  auto other =
      sure(co_await amqp::connection::open(s.l, s.in(), amqp::connection_options::parse(rabbitmq_url()).value()));
  auto ch = sure(co_await other.open_channel(s.in()));
  amqp::message m{.exchange = "weft.events", .routing_key = s.name("x")};
  m.body =
      R"({"eventType":"user.created","eventId":"e-7","aggregateId":"7","aggregateType":"user","eventData":{"id":7},)"
      R"("metadata":{"timestamp":"2026-02-01T09:30:00Z","version":"1","source":"users","correlationId":"c-1"}})";
  m.properties.headers = {{"tenant", "a"}, {"tries", 2}};
  sure(co_await ch.publish(s.in(), std::move(m)));
  const auto d = co_await s.receive(*c);
  EXPECT_EQ(d.what->topic, s.name("x"));
  EXPECT_EQ(d.what->key, "");
  EXPECT_EQ(d.what->fields.get("tries"), "2");
  EXPECT_EQ(d.attempt, 1u);
  const auto e = to_event(*d.what);
  EXPECT_TRUE(e) << e.error().describe();
  EXPECT_EQ(e->type, "user.created");
  EXPECT_EQ(e->get(extension::correlationid), "c-1");
  // It can be retried and dead-lettered like any other.
  co_await s.settle(*c, d, settlement::retry({}, not_yet()));
  const auto again = co_await s.receive(*c);
  EXPECT_EQ(again.attempt, 2u);
  EXPECT_EQ(again.failures.size(), 1u);
  EXPECT_EQ(again.what->body, d.what->body);
  co_await s.settle(*c, again, settlement::ack());
}
TEST_F(RabbitScene, AMessageOfAnotherLibraryArrivesWithSensibleValues) { run(foreign); }

task<void> takeover(scene& s) {
  const auto first = co_await s.open(), second = co_await s.open();
  const subscription what{.group = s.name("g"), .patterns = {s.name("x")}};
  auto a = co_await s.subscribe(*first, what);
  const auto b = co_await s.subscribe(*second, what);
  co_await s.publish_ids(*first, {"k1", "k2", "l1", "k3"});
  const auto d = co_await s.receive(*a);
  EXPECT_EQ(d.what->id, "k1");
  const auto failed_at = s.l.now();
  co_await s.settle(*a, d, settlement::retry(1500ms, not_yet()));
  EXPECT_EQ(co_await s.take(*a), "l1");
  a.reset();  // the other one takes over while the retry waits
  const auto again = co_await s.receive(*b);
  EXPECT_EQ(again.what->id, "k1");
  EXPECT_EQ(again.attempt, 2u);
  EXPECT_TRUE(again.redelivered);
  EXPECT_EQ(again.failures.size(), 1u);
  EXPECT_GE(s.l.now() - failed_at, 1450ms);  // its time is written in milliseconds of the wall clock
  co_await s.settle(*b, again, settlement::ack());
  EXPECT_THAT(co_await s.take(*b, 2), ElementsAre("k2", "k3"));
  EXPECT_TRUE(co_await s.quiet(*b));
}
TEST_F(RabbitScene, AnotherConsumerGoesOnWithARetryInItsOrder) { run(takeover); }

task<void> retry_over_a_cut(scene& s) {
  const auto bus = co_await s.open();
  const auto c = co_await s.subscribe(*bus, {.group = s.name("g"), .patterns = {s.name("x")}});
  co_await s.publish_ids(*bus, {"k1", "k2"});
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    const auto d = co_await s.receive(*c);
    EXPECT_EQ(d.what->id, "k1");
    EXPECT_EQ(d.attempt, attempt);
    co_await s.settle(*c, d, settlement::retry(200ms, not_yet()));
    if (attempt == 2) co_await rabbitmqctl(s.l, "close_all_connections cut");
  }
  const auto d = co_await s.receive(*c);
  EXPECT_EQ(d.attempt, 4u);
  EXPECT_EQ(d.failures.size(), 3u);
  co_await s.settle(*c, d, settlement::ack());
  EXPECT_EQ(co_await s.take(*c), "k2");
}
TEST_F(RabbitScene, AttemptsAreCountedOverALostConnection) { run(retry_over_a_cut); }

// The messages of one key under nacks: retries, messages given back, and a consumer that goes with some of them.
task<void> order_under_nacks(scene& s) {
  for (const auto* queues : {"?queues=quorum", "?queues=classic"}) {
    const auto bus = co_await s.open(options_for(queues));
    const subscription what{.group = s.name(std::string_view{queues}.substr(8)), .patterns = {s.name("x")}};
    auto c = co_await s.subscribe(*bus, what);
    std::vector<std::string> ids;
    for (int i = 10; i < 20; ++i) ids.push_back("k" + std::to_string(i));
    co_await s.publish_ids(*bus, ids);
    std::vector<std::string> done;
    for (int turn = 0; done.size() < ids.size(); ++turn) {
      const auto d = co_await s.receive(*c);
      EXPECT_EQ(d.what->id, ids[done.size()]);
      if (turn % 4 == 0) {
        co_await s.settle(*c, d, settlement::retry(10ms, not_yet()));
      } else if (turn % 4 == 1) {
        co_await s.settle(*c, d, settlement::give_back());
      } else if (turn % 8 == 2) {
        c = co_await s.subscribe(*bus, what);  // the one before it goes, with what it held
      } else {
        co_await s.settle(*c, d, settlement::ack());
        done.push_back(d.what->id);
      }
    }
  }
}
TEST_F(RabbitScene, AKeyKeepsItsOrderUnderNacks) { run(order_under_nacks); }

task<void> unordered_retries(scene& s) {
  const auto bus = co_await s.open();
  const auto c = co_await s.subscribe(
      *bus, {.group = s.name("g"), .patterns = {s.name("x")}, .prefetch = 1, .order = ordering::none});
  for (const auto* id : {"slow", "quick", "none"}) co_await s.publish(*bus, s.make(id, "k"));
  const auto began = s.l.now();
  co_await s.settle(*c, co_await s.receive(*c), settlement::retry(1200ms, not_yet()));
  co_await s.settle(*c, co_await s.receive(*c), settlement::retry(300ms, not_yet()));
  // With a prefetch of 1: what waits takes no place, and the shorter time is not held up by the longer before it.
  EXPECT_THAT(co_await s.take(*c, 2), ElementsAre("none", "quick"));
  EXPECT_LT(s.l.now() - began, 1200ms);
  const auto slow = co_await s.receive(*c);
  EXPECT_EQ(slow.what->id, "slow");
  EXPECT_EQ(slow.attempt, 2u);
  EXPECT_GE(s.l.now() - began, 1200ms);
  co_await s.settle(*c, slow, settlement::ack());
}
TEST_F(RabbitScene, WithoutAnOrderRetriesOfDifferentDelaysDoNotWaitForEachOther) { run(unordered_retries); }

task<void> poison(scene& s) {
  const auto bus = co_await s.open(options_for("?delivery_limit=2"));
  const subscription what{.group = s.name("g"), .patterns = {s.name("x")}, .prefetch = 1};
  auto c = co_await s.subscribe(*bus, what);
  co_await s.publish_ids(*bus, {"k1", "l1"});
  for (int i = 0; i < 4; ++i) {  // whoever gets it ends; the other one was fetched with it each time
    EXPECT_EQ((co_await s.receive(*c)).what->id, "k1");
    c.reset();
    c = co_await s.subscribe(*bus, what);
  }
  EXPECT_EQ(co_await s.take(*c), "l1");
  const auto letters = sure(co_await bus->dead_letters(s.in(), {.group = what.group}));
  EXPECT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters.at(0).what->id, "k1");
  EXPECT_THAT(letters.at(0).reason, HasSubstr("delivered 4 times before, and never answered"));
}
TEST_F(RabbitScene, WhatEndsEveryConsumerGoesToTheDeadLetters) { run(poison); }

task<void> dead_letters(scene& s) {
  const auto bus = co_await s.open();
  const subscription what{.group = s.name("g"), .patterns = {s.name("x")}};
  const auto c = co_await s.subscribe(*bus, what);
  const auto code = [](const auto& r) { return r ? errc{} : r.error().code(); };
  co_await s.publish_ids(*bus, {"a1", "b1", "c1", "d1"});
  for (int i = 0; i < 4; ++i) co_await s.settle(*c, co_await s.receive(*c), settlement::dead_letter("bad"));
  const auto ids = [](const std::vector<dead_letter_entry>& list) {
    std::string text;
    for (const auto& d : list) text += d.what->id + " ";
    return text;
  };
  // Looking does not change anything.
  const auto all = sure(co_await bus->dead_letters(s.in(), {.group = what.group}));
  EXPECT_EQ(ids(all), "a1 b1 c1 d1 ");
  EXPECT_EQ(ids(sure(co_await bus->dead_letters(s.in(), {.group = what.group, .limit = 2}))), "a1 b1 ");
  EXPECT_EQ(ids(sure(co_await bus->dead_letters(s.in(), {.group = what.group, .after = all[1].number}))), "c1 d1 ");
  EXPECT_EQ(all[0].group, what.group);
  EXPECT_GT(all[0].at, s.l.wall_now() - 5min);
  // A number that is not there: nothing happens.
  EXPECT_EQ(code(co_await bus->replay(s.in(), what.group, {all[0].number, 1})), errc::not_found);
  EXPECT_EQ(code(co_await bus->purge(s.in(), what.group, {1})), errc::not_found);
  EXPECT_EQ(code(co_await bus->dead_letters(s.in(), {.group = s.name("none")})), errc::not_found);
  EXPECT_EQ(sure(co_await bus->purge(s.in(), what.group, {all[1].number})), 1u);
  EXPECT_EQ(sure(co_await bus->replay(s.in(), what.group, {all[2].number})), 1u);
  EXPECT_EQ(co_await s.take(*c), "c1");
  EXPECT_EQ(sure(co_await bus->replay(s.in(), what.group, {})), 2u);
  EXPECT_THAT(co_await s.take(*c, 2), ElementsAre("a1", "d1"));
}
TEST_F(RabbitScene, DeadLettersAreListedReplayedAndPurgedByNumber) { run(dead_letters); }

task<void> depths(scene& s) {
  const auto bus = co_await s.open(), tool = co_await s.open();
  const auto group = s.name("g");
  auto c =
      co_await s.subscribe(*bus, {.group = group, .patterns = {s.name("x")}, .prefetch = 1, .order = ordering::none});
  co_await s.subscribe(*bus, {.group = group, .patterns = {s.name("y.#")}, .prefetch = 1, .order = ordering::none});
  co_await s.publish_ids(*bus, {"a1", "a2", "a3"});
  co_await s.settle(*c, co_await s.receive(*c), settlement::dead_letter("bad"));
  const auto held = co_await s.receive(*c);
  std::optional<group_depth> mine;
  while (!mine || mine->ready != 1) {  // quorum queues tell a little late
    for (const auto& d : sure(co_await tool->depths(s.in())))
      if (d.group == group) mine = d;
  }
  EXPECT_THAT(mine->patterns, ElementsAre(s.name("x"), s.name("y.#")));
  EXPECT_EQ(mine->dead, 1u);
  EXPECT_EQ(mine->consumers, 1u);
  const auto refused = co_await tool->remove_group(s.in(), group);
  EXPECT_EQ(refused.error().code(), errc::failed_precondition);
  c.reset();
  while (!co_await tool->remove_group(s.in(), group))
    co_await s.quiet(*(co_await s.subscribe(*tool, {.patterns = {s.name("z")}})), 50ms);
  for (const auto& d : sure(co_await tool->depths(s.in()))) EXPECT_NE(d.group, group);
  EXPECT_EQ((co_await tool->dead_letters(s.in(), {.group = group})).error().code(), errc::not_found);
}
TEST_F(RabbitScene, AToolSeesTheGroupsAndRemovesThem) { run(depths); }

task<void> shapes(scene& s) {
  const auto bus = co_await s.open();
  const auto group = s.name("g");
  co_await s.subscribe(*bus, {.group = group, .patterns = {s.name("x")}});
  const auto other =
      co_await bus->subscribe(s.in(), {.group = group, .patterns = {s.name("x")}, .order = ordering::none});
  EXPECT_EQ(other.error().code(), errc::failed_precondition);
  EXPECT_THAT(other.error().describe(), HasSubstr("remove it, or keep to that"));
  for (const std::string& wrong : {group + ".dead", std::string(250, 'g')})
    EXPECT_EQ((co_await bus->subscribe(s.in(), {.group = wrong, .patterns = {"x"}})).error().code(),
              errc::invalid_argument);
}
TEST_F(RabbitScene, AGroupKeepsItsShape) { run(shapes); }

task<void> full(scene& s) {
  const auto bus = co_await s.open(options_for("?max_length=3&queues=classic"));
  const auto c = co_await s.subscribe(*bus, {.group = s.name("g"), .patterns = {s.name("x")}});
  sure(co_await c->stop(s.in()));  // what a consumer has fetched does not count
  std::vector<outgoing> batch;
  for (int i = 0; i < 5; ++i) batch.push_back({.what = s.make(std::to_string(i))});
  std::vector<std::string> outcomes;
  for (const auto& r : co_await bus->publish(s.in(), std::move(batch)))
    outcomes.emplace_back(r ? "ok" : to_string(r.error().code()));
  EXPECT_THAT(outcomes, ElementsAre("ok", "ok", "ok", "resource_exhausted", "resource_exhausted"));
}
TEST_F(RabbitScene, AFullGroupRefuses) { run(full); }

task<void> expiry_on_the_way(scene& s) {
  const auto bus = co_await s.open();
  const auto c = co_await s.subscribe(*bus, {.group = s.name("g"), .patterns = {s.name("x")}, .order = ordering::none});
  auto m = s.make("gone");
  m.time_to_live = 300ms;
  co_await s.publish(*bus, m, 200ms);
  m.id = "never due";
  co_await s.publish(*bus, m, 400ms);
  m.id = "retried";
  co_await s.publish(*bus, m);
  co_await s.settle(*c, co_await s.receive(*c), settlement::retry(500ms, not_yet()));
  co_await s.publish(*bus, s.make("last"), 700ms);
  std::string id;
  while (id != "last") {
    id = co_await s.take(*c);
    EXPECT_TRUE(id == "gone" || id == "last") << id;  // the first may still be in time
  }
}
TEST_F(RabbitScene, TimeToLiveCountsThroughDelaysAndRetries) { run(expiry_on_the_way); }

}  // namespace
}  // namespace weft::messaging
