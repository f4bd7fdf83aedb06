// Faults of the real broker, seen through the broker interface.
#include <weft/amqp/connection.hpp>
#include <weft/runtime/task_group.hpp>

#include <algorithm>
#include <set>

#include "sansio/delay_steps.hpp"
#include "scene.hpp"

namespace weft::messaging {
namespace {
using testing::HasSubstr;
using testing::IsSupersetOf;

using ids = std::set<std::string>;

task<void> publish_numbered(scene& s, broker& bus, ids& confirmed, const bool& over) {
  int number = 0;
  for (int left = 500; left > 0; left -= over ? 1 : 0) {
    std::vector<outgoing> batch;
    for (int i = 0; i < 10; ++i, ++number)
      batch.push_back({.what = s.make("k" + std::to_string(number), "k" + std::to_string(number % 7))});
    const auto first = number - 10;
    const auto results = co_await bus.publish(s.in(), std::move(batch));
    for (int i = 0; i < 10; ++i) {
      const auto& r = results[static_cast<std::size_t>(i)];
      // On a loaded machine the server may be away for longer than this caller waits; nothing is known of those.
      EXPECT_TRUE(r || r.error().code() == errc::deadline_exceeded) << r.error().describe();
      if (r) confirmed.insert("k" + std::to_string(first + i));
    }
  }
}

task<void> consume_numbered(scene& s, consumer& c, const ids& confirmed, const bool& all_published, ids& seen,
                            bool& in_order) {
  std::map<std::string, int> last;
  while (!all_published || !std::ranges::includes(seen, confirmed)) {
    const auto d = co_await c.next(s.in(500ms));
    if (!d || !*d) continue;
    const auto number = std::stoi((**d).what->id.substr(1));
    if (seen.insert((**d).what->id).second) {  // the first arrivals of a key are in order
      auto& before = last.try_emplace((**d).what->key, -1).first->second;
      in_order = in_order && before < number;
      before = number;
    }
    static_cast<void>(co_await c.settle(s.in(), (**d).tag, settlement::ack()));
  }
}

task<void> restart_once(scene& s, bool& over) {
  co_await restart_rabbitmq(s.l);
  over = true;
}

task<void> publish_and_say(scene& s, broker& bus, ids& confirmed, const bool& over, bool& all_published) {
  co_await publish_numbered(s, bus, confirmed, over);
  all_published = true;
}

// Due long after the restart: that it is kept can be seen without waiting for it. (What falls due while the broker
// starts is tried again by it after three minutes, as often as its queues are not there yet.)
constexpr auto delay = 10min;

task<void> delay_something(scene& s, amqp_broker& bus, const std::string& group) {
  const auto c = co_await s.subscribe(bus, {.group = group, .patterns = {s.name("y")}, .order = ordering::none});
  auto m = s.make("again");
  m.topic = s.name("y");
  co_await s.publish(bus, m);
  co_await s.settle(*c, co_await s.receive(*c), settlement::retry(delay, error{errc::unavailable, "not yet"}));
  m.id = "later";
  co_await s.publish(bus, m, delay);
}

task<void> see_what_is_delayed(scene& s, const std::string& group) {
  auto direct =
      sure(co_await amqp::connection::open(s.l, s.in(), amqp::connection_options::parse(rabbitmq_url()).value()));
  auto ch = sure(co_await direct.open_channel(s.in()));
  const auto ms = std::to_string(delay_step(delay));
  for (const auto& name : {"weft." + group + ".retry." + ms, "weft.events.delay." + ms}) {
    // Quorum queues count a little late.
    for (std::uint32_t messages = 0; messages == 0;)
      messages = sure(co_await ch.declare(s.in(), amqp::queue_declare{.queue = name, .passive = true})).messages;
    sure(co_await ch.remove(s.in(), amqp::queue_delete{.queue = name}));
  }
}

task<void> restart_while_busy(scene& s) {
  observe::registry metrics;
  auto o = options_for("?heartbeat=5");
  o.metrics = &metrics;
  const auto bus = co_await s.open(std::move(o));
  co_await delay_something(s, *co_await s.open(), s.name("h"));
  const auto c = co_await s.subscribe(*bus, {.group = s.name("g"), .patterns = {s.name("x")}, .prefetch = 50});
  ids confirmed, seen;
  bool over = false, all_published = false, in_order = true;
  task_group work{s.l};
  work.spawn(publish_and_say(s, *bus, confirmed, over, all_published));
  work.spawn(consume_numbered(s, *c, confirmed, all_published, seen, in_order));
  work.spawn(restart_once(s, over));
  co_await work.join();
  EXPECT_GE(confirmed.size(), 5000U);
  EXPECT_THAT(seen, IsSupersetOf(confirmed));
  EXPECT_TRUE(in_order);
  const auto text = metrics.expose();
  EXPECT_THAT(text, HasSubstr("weft_amqp_published_total{outcome=\"refused\"} 0"));
  EXPECT_THAT(text, HasSubstr("weft_amqp_connects_total{connection=\"consume\"} 2"));
  co_await see_what_is_delayed(s, s.name("h"));
}
TEST_F(RabbitScene, ARestartLosesNothingThatWasConfirmedOrWaitsForIt) { run(restart_while_busy); }

task<void> deleted_queue(scene& s) {
  const auto bus = co_await s.open();
  const auto group = s.name("g");
  const auto c = co_await s.subscribe(*bus, {.group = group, .patterns = {s.name("x")}});
  co_await s.publish_ids(*bus, {"a1", "a2"});
  const auto out = co_await s.receive(*c);
  auto other =
      sure(co_await amqp::connection::open(s.l, s.in(), amqp::connection_options::parse(rabbitmq_url()).value()));
  auto ch = sure(co_await other.open_channel(s.in()));
  sure(co_await ch.remove(s.in(), amqp::queue_delete{.queue = "weft." + group}));
  // It comes back with its bindings; what was in it is gone, and publishers are told as long as it is.
  std::string id;
  for (int i = 0; id.empty(); ++i) {
    outgoing again{.what = s.make("b" + std::to_string(i), "b"), .if_unroutable = unroutable::refuse};
    if (const auto sent = co_await publish_one(*bus, s.in(), std::move(again)); !sent) {
      EXPECT_EQ(sent.error().code(), errc::not_found);
      co_await s.quiet(*c, 50ms);
      continue;
    }
    while (!id.starts_with('b')) id = co_await s.take(*c);
  }
  static_cast<void>(out);
}
TEST_F(RabbitScene, AConsumerOutlivesTheQueueOfItsGroup) { run(deleted_queue); }

// A5: what is to be retried waits in the consumer, and a dead letter is still out; it comes back.
task<raw_delivery> settle_under_the_alarm(scene& s, consumer& c) {
  const auto a = co_await s.receive(c);
  auto b = co_await s.receive(c);
  sure(co_await c.settle(s.in(1s), a.tag, settlement::retry({}, error{errc::unavailable, "not yet"})));
  EXPECT_FALSE(co_await c.settle(s.in(1s), b.tag, settlement::dead_letter("bad")));
  const auto again = co_await s.receive(c);  // its place was free
  EXPECT_EQ(again.what->id, a.what->id);
  EXPECT_EQ(again.attempt, 2u);
  co_await s.settle(c, again, settlement::ack());
  co_return b;
}

task<void> memory_alarm(scene& s) {
  const auto bus = co_await s.open(options_for("?heartbeat=5"));
  const auto c = co_await s.subscribe(*bus, {.group = s.name("g"), .patterns = {s.name("x")}});
  const auto failing = co_await s.subscribe(
      *bus, {.group = s.name("f"), .patterns = {s.name("x")}, .prefetch = 2, .order = ordering::none});
  co_await s.publish_ids(*bus, {"a1", "b1"});
  EXPECT_TRUE(co_await bus->check(s.in()));
  co_await rabbitmqctl(s.l, "set_vm_memory_high_watermark absolute 1MB");
  // The broker stops reading when the connection publishes next; this one may still get through.
  static_cast<void>(co_await publish_one(*bus, s.in(2s), {.what = s.make("c1", "c")}));
  const auto waiting = co_await publish_one(*bus, s.in(1s), {.what = s.make("d1", "d")});
  EXPECT_FALSE(waiting);
  if (!waiting) EXPECT_EQ(waiting.error().code(), errc::deadline_exceeded);
  const auto health = co_await bus->check(s.in());
  EXPECT_FALSE(health);
  if (!health) EXPECT_THAT(health.error().describe(), HasSubstr("low on memory"));
  // What is in the queues goes on meanwhile, and its acknowledgements arrive.
  EXPECT_THAT(co_await s.take(*c), "a1");
  EXPECT_THAT(co_await s.take(*c), "b1");
  const auto bad = co_await settle_under_the_alarm(s, *failing);
  co_await rabbitmqctl(s.l, "set_vm_memory_high_watermark absolute 2GB");
  const auto settled = co_await failing->settle(s.in(), bad.tag, settlement::dead_letter("bad"));
  EXPECT_TRUE(settled || settled.error().code() == errc::aborted);
  EXPECT_EQ(sure(co_await bus->dead_letters(s.in(), {.group = s.name("f")})).size(), 1u);
  co_await s.publish(*bus, s.make("e1", "e"));
  std::string id;
  while (id != "e1") id = co_await s.take(*c);  // the others, too: they were only given up by their publisher
}
TEST_F(RabbitScene, AMemoryAlarmMakesPublishersWaitAndNoConsumer) { run(memory_alarm); }

// F9, F1: what the server says to what it never takes, and to an exchange that is not there.
task<void> refused_publications(scene& s) {
  auto o = options_for();
  o.exchange = s.name("events");
  const auto bus = co_await s.open(o);
  const auto c = co_await s.subscribe(*bus, {.group = s.name("g"), .patterns = {s.name("x")}});
  auto other =
      sure(co_await amqp::connection::open(s.l, s.in(), amqp::connection_options::parse(rabbitmq_url()).value()));
  auto ch = sure(co_await other.open_channel(s.in()));
  sure(co_await ch.remove(s.in(), amqp::exchange_delete{.exchange = o.exchange}));
  const auto gone = co_await publish_one(*bus, s.in(), {.what = s.make("a1", "a")});
  EXPECT_EQ(gone.error().code(), errc::unavailable);
  co_await s.publish(*bus, s.make("a1", "a"));
  EXPECT_EQ(co_await s.take(*c), "a1");
  const auto nobody = co_await publish_one(*bus, s.in(),
                                           {.what = {.id = "1", .topic = s.name("none"), .body = "{}"},
                                            .delay = 300ms,
                                            .if_unroutable = unroutable::refuse});
  EXPECT_EQ(nobody.error().code(), errc::not_found);
  amqp::message wrong{.routing_key = "weft." + s.name("g"), .body = "x"};
  wrong.properties.user_id = "somebody else";
  const auto refused = co_await ch.publish(s.in(), std::move(wrong));
  EXPECT_EQ(refused.error().code(), errc::invalid_argument);
  sure(co_await ch.remove(s.in(), amqp::exchange_delete{.exchange = o.exchange}));
}
TEST_F(RabbitScene, WhatWasDeletedComesBackAndWhatIsNeverTakenIsRefused) { run(refused_publications); }

task<void> several_hosts(scene& s) {
  auto o = amqp_options::parse("amqp://weft:weft@127.0.0.1:1,127.0.0.1:" + rabbitmq_port() + "/").value();
  o.connection.backoff_first = 50ms;
  for (int i = 0; i < 4; ++i) {  // in either order
    const auto bus = co_await s.open(o);
    const auto c = co_await s.subscribe(*bus, {.patterns = {s.name("x")}, .lives = lifetime::ephemeral});
    co_await s.publish_ids(*bus, {"a1"});
    EXPECT_EQ(co_await s.take(*c), "a1");
    if (i == 0) {
      co_await rabbitmqctl(s.l, "close_all_connections cut");
      std::string id;
      while (id.empty()) {  // the ephemeral group is made anew, empty
        co_await s.publish_ids(*bus, {"a2"});
        if (const auto d = co_await c->next(s.in(300ms)); d && *d) id = (**d).what->id;
      }
    }
    co_await bus->close(s.in());
  }
}
TEST_F(RabbitScene, AnotherHostOfTheUrlIsTried) { run(several_hosts); }

task<void> encrypted(scene& s) {
  const auto port = std::to_string(std::stoi(rabbitmq_port()) - 1);
  broker_factory brokers;
  brokers.add("amqp", amqp_brokers()).add("amqps", amqp_brokers());
  const auto bus = sure(co_await brokers.open(
      s.l, s.in(),
      "amqps://weft:weft@localhost:" + port + "/?queues=classic&cacertfile=" + services_folder() + "/rabbitmq/ca.pem"));
  EXPECT_TRUE(bus->features().set.has(feature::priorities));
  const auto c = co_await s.subscribe(*bus, {.group = s.name("g"), .patterns = {s.name("x")}});
  co_await s.publish_ids(*bus, {"a1"});
  EXPECT_EQ(co_await s.take(*c), "a1");
  const auto unknown = co_await brokers.open(s.l, s.in(), "amqps://weft:not-the-password@localhost:" + port);
  EXPECT_EQ(unknown.error().code(), errc::unauthenticated);
  EXPECT_THAT(unknown.error().describe(), testing::Not(HasSubstr("not-the-password")));
}
TEST_F(RabbitScene, OpensByUrlAndSpeaksTls) { run(encrypted); }

task<void> closing(scene& s) {
  const auto bus = co_await s.open();
  auto c = co_await s.subscribe(*bus, {.group = s.name("g"), .patterns = {s.name("x")}});
  co_await s.publish_ids(*bus, {"a1", "a2"});
  const auto d = co_await s.receive(*c);
  sure(co_await c->stop(s.in()));
  // Its key stays in order: the next consumer waits until what is out here has been answered.
  const auto next = co_await s.open();
  const auto successor = co_await s.subscribe(*next, {.group = s.name("g"), .patterns = {s.name("x")}});
  EXPECT_TRUE(co_await s.quiet(*successor));
  co_await s.settle(*c, d, settlement::ack());
  EXPECT_EQ(co_await s.take(*successor), "a2");
  c.reset();
  co_await bus->close(s.in());
  const auto closed = co_await publish_one(*bus, s.in(), {.what = s.make("a3")});
  EXPECT_FALSE(closed);
}
TEST_F(RabbitScene, AConsumerThatStopsHandsOverInOrder) { run(closing); }

}  // namespace
}  // namespace weft::messaging
