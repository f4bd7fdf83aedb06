// Publishing and consuming, against the real broker.
#include "broker.hpp"

namespace weft::amqp {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;

task<void> recreate(channel& ch, context ctx, queue_declare q) {
  EXPECT_TRUE(co_await ch.remove(ctx, queue_delete{.queue = q.queue}));
  const auto made = co_await ch.declare(ctx, q);
  EXPECT_TRUE(made) << made.error().describe();
}

task<void> round_trip(loop& l, context ctx, std::string name) {
  auto [broker, ch] = co_await open(l, broker_url());
  EXPECT_TRUE(co_await ch.declare(ctx, exchange_declare{.exchange = name, .type = "topic", .auto_delete = true}));
  const auto q = co_await ch.declare(ctx, queue_declare{.exclusive = true});
  EXPECT_TRUE(q) << q.error().describe();
  EXPECT_TRUE(co_await ch.bind(ctx, queue_bind{.queue = q->queue, .exchange = name, .routing_key = "user.*"}));
  message m{.exchange = name, .routing_key = "user.created", .body = std::string(300'000, 'b')};
  m.properties.headers = {{"tenant", "a"}, {"n", 7}, {"deep", table{{"list", array{1, "two", true}}}}};
  m.properties.content_type = "application/json";
  m.properties.timestamp = timestamp{1'700'000'000};
  const auto published = co_await ch.publish(ctx, m);
  EXPECT_TRUE(published) << published.error().describe();
  auto c = co_await ch.consume(ctx, {.queue = q->queue});
  EXPECT_TRUE(c) << c.error().describe();
  const auto d = co_await c->next(ctx);
  EXPECT_TRUE(d) << d.error().describe();
  EXPECT_EQ(d->message.body, m.body);
  EXPECT_EQ(d->message.properties.headers, m.properties.headers);
  EXPECT_EQ(d->message.properties.timestamp, m.properties.timestamp);
  EXPECT_EQ(d->message.properties.message_id.size(), 36u);
  EXPECT_EQ(d->message.routing_key, "user.created");
  EXPECT_FALSE(d->redelivered);
  EXPECT_EQ(ch.ack(*d), acknowledged::sent);
  EXPECT_TRUE(co_await c->cancel(ctx));
  EXPECT_FALSE((co_await ch.get(ctx, q->queue)).value());
  EXPECT_TRUE(co_await ch.close(ctx));
  const auto closed = co_await broker.close(ctx);
  EXPECT_TRUE(closed) << closed.error().describe();
  EXPECT_EQ(broker.state(), connection_state::closed);
}
TEST_F(Rabbit, AMessageArrivesAsItWasPublished) { run(round_trip(loop_, in(120s), named("exchange"))); }

task<void> many(loop& l, context ctx, std::string name, table arguments) {
  constexpr int count = 10'000;
  auto [broker, ch] = co_await open(l, broker_url(), {.confirm_window = 256, .prefetch = 250});
  co_await recreate(ch, ctx, fresh_queue(name, std::move(arguments)));
  int confirmed = 0;
  std::size_t widest = 0;
  for (int i = 0; i < count; ++i) {
    const auto taken = co_await ch.publish_nowait(ctx, {.routing_key = name, .body = std::to_string(i)},
                                                  [&confirmed](result<> r) { confirmed += r ? 1 : 0; });
    if (!taken) throw std::runtime_error{taken.error().describe()};
    widest = std::max(widest, ch.unconfirmed());
  }
  EXPECT_TRUE(co_await ch.flush(ctx));
  EXPECT_EQ(confirmed, count);
  EXPECT_LE(widest, 256u);
  auto c = co_await ch.consume(ctx, {.queue = name});
  for (int i = 0; i < count; ++i) {
    const auto d = co_await c->next(ctx);
    if (!d) throw std::runtime_error{d.error().describe()};
    EXPECT_EQ(d->message.body, std::to_string(i));
    EXPECT_LE(c->waiting(), 250u);
    EXPECT_EQ(ch.ack(*d), acknowledged::sent);
  }
  EXPECT_TRUE(co_await c->cancel(ctx));
  EXPECT_EQ((co_await ch.remove(ctx, queue_delete{.queue = name})).value(), 0u);
}
TEST_F(Rabbit, TenThousandMessagesKeepTheirOrderInAWindowOf256) {
  run(many(loop_, in(120s), named("classic"), {}));
  run(many(loop_, in(120s), named("quorum"), {{"x-queue-type", "quorum"}}));
}

task<void> returns(loop& l, context ctx) {
  auto [broker, ch] = co_await open(l, broker_url());
  const auto q = (co_await ch.declare(ctx, queue_declare{.exclusive = true})).value();
  // Returned ones between others, settled each with its own outcome.
  std::vector<std::string> outcomes(6, "none");
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    EXPECT_TRUE(ch.try_publish({.routing_key = i % 2 == 0 ? q.queue : "weft.test.nowhere", .body = "x"},
                               [&outcomes, i](result<> r) { outcomes[i] = r ? "ok" : to_string(r.error().code()); }));
  EXPECT_TRUE(co_await ch.flush(ctx));
  EXPECT_THAT(outcomes, ElementsAre("ok", "not_found", "ok", "not_found", "ok", "not_found"));
  const auto dropped =
      co_await ch.publish(ctx, {.routing_key = "weft.test.nowhere", .unroutable = unroutable::is_dropped});
  EXPECT_TRUE(dropped);
}
TEST_F(Rabbit, AnUnroutableMessageIsAnErrorOfItsOwn) { run(returns(loop_, in(120s))); }

task<void> overflow(loop& l, context ctx, std::string name) {
  auto [broker, ch] = co_await open(l, broker_url());
  co_await recreate(ch, ctx, fresh_queue(name, {{"x-max-length", 2}, {"x-overflow", "reject-publish"}}));
  std::vector<std::string> outcomes;
  for (int i = 0; i < 4; ++i) {
    const auto r = co_await ch.publish(ctx, {.routing_key = name, .body = "x"});
    outcomes.emplace_back(r ? "ok" : to_string(r.error().code()));
  }
  EXPECT_THAT(outcomes, ElementsAre("ok", "ok", "resource_exhausted", "resource_exhausted"));
  EXPECT_TRUE(co_await ch.remove(ctx, queue_delete{.queue = name}));
}
TEST_F(Rabbit, AFullQueueRefusesByNack) { run(overflow(loop_, in(120s), named("full"))); }

task<void> prefetching(loop& l, context ctx, std::string name) {
  auto [broker, ch] = co_await open(l, broker_url(), {.prefetch = 3});
  co_await recreate(ch, ctx, fresh_queue(name));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(co_await ch.publish(ctx, {.routing_key = name, .body = std::to_string(i)}));
  auto c = co_await ch.consume(ctx, {.queue = name});
  std::vector<delivery> held;
  for (int i = 0; i < 3; ++i) held.push_back((co_await c->next(ctx)).value());
  EXPECT_FALSE(co_await c->next(context{}.with_timeout(l, 200ms)));
  EXPECT_EQ(ch.ack(held[2], cumulative::yes), acknowledged::sent);
  const auto next = (co_await c->next(ctx)).value();
  EXPECT_EQ(next.message.body, "3");
  EXPECT_EQ(ch.nack(next, rejected::requeue), acknowledged::sent);
  bool again = false;
  for (int i = 0; i < 7 && !again; ++i) {
    const auto d = (co_await c->next(ctx)).value();
    again = d.message.body == "3" && d.redelivered;
    ch.ack(d);
  }
  EXPECT_TRUE(again);
  EXPECT_TRUE(co_await ch.remove(ctx, queue_delete{.queue = name}));
}
TEST_F(Rabbit, PrefetchBoundsWhatIsNotAcknowledged) { run(prefetching(loop_, in(120s), named("queue"))); }

task<void> delivery_counts(loop& l, context ctx, std::string name) {
  auto [broker, ch] = co_await open(l, broker_url());
  co_await recreate(ch, ctx, fresh_queue(name, {{"x-queue-type", "quorum"}}));
  EXPECT_TRUE(co_await ch.publish(ctx, {.routing_key = name, .body = "poison"}));
  auto c = co_await ch.consume(ctx, {.queue = name});
  std::vector<std::int64_t> counts;
  for (int i = 0; i < 3; ++i) {
    const auto d = (co_await c->next(ctx)).value();
    counts.push_back(d.delivery_count().value_or(0));
    ch.nack(d);
  }
  EXPECT_THAT(counts, ElementsAre(0, 1, 2));
  EXPECT_TRUE(co_await ch.remove(ctx, queue_delete{.queue = name}));
}
TEST_F(Rabbit, AQuorumQueueCountsDeliveries) { run(delivery_counts(loop_, in(120s), named("queue"))); }

task<errc> open_code(loop& l, context ctx, std::string url) {
  auto made = co_await connection::open(l, ctx, connection_options::parse(url).value());
  if (made) co_return errc{};
  EXPECT_THAT(made.error().describe(), testing::Not(HasSubstr("not-the-password")));
  co_return made.error().code();
}
TEST_F(Rabbit, OpeningSaysWhyItFails) {
  const auto at = "@127.0.0.1:" + broker_port();
  EXPECT_EQ(run(open_code(loop_, in(10s), "amqp://weft:not-the-password" + at)), errc::unauthenticated);
  EXPECT_EQ(run(open_code(loop_, in(10s), "amqp://weft:weft" + at + "/no-such-host")), errc::not_found);
  EXPECT_EQ(run(open_code(loop_, in(10s), "amqp://weft:weft@127.0.0.1:1")), errc::unavailable);
}

task<void> encrypted(loop& l, context ctx) {
  const auto folder = services_folder() + "/rabbitmq/";
  const auto port = std::to_string(std::stoi(broker_port()) - 1);
  auto [broker, ch] = co_await open(l, "amqps://weft:weft@localhost:" + port + "/?cacertfile=" + folder + "ca.pem");
  const auto q = (co_await ch.declare(ctx, queue_declare{.exclusive = true})).value();
  EXPECT_TRUE(co_await ch.publish(ctx, {.routing_key = q.queue, .body = std::string(200'000, 's')}));
  EXPECT_EQ((co_await ch.get(ctx, q.queue)).value()->message.body.size(), 200'000u);
  EXPECT_EQ(co_await open_code(l, ctx, "amqps://weft:weft@localhost:" + port), errc::unauthenticated);
}
TEST_F(Rabbit, SpeaksTls) { run(encrypted(loop_, in(120s))); }

task<void> refused_requests(loop& l, context ctx, std::string name) {
  std::vector<std::string> events;
  auto [broker, ch] = co_await open(l, broker_url(), {}, &events);
  co_await recreate(ch, ctx, fresh_queue(name));
  const auto other = co_await ch.declare(ctx, fresh_queue(name, {{"x-max-length", 1}}));
  EXPECT_EQ(other.error().code(), errc::failed_precondition);
  EXPECT_EQ((co_await ch.consume(ctx, {.queue = "weft.test.missing"})).error().code(), errc::not_found);
  EXPECT_EQ(ch.generation(), 1u);
  // A publication to a missing exchange closes the channel: only it fails, the others around it arrive.
  std::vector<std::string> outcomes(5, "none");
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    EXPECT_TRUE(ch.try_publish({.exchange = i == 2 ? "weft.test.missing" : "", .routing_key = name, .body = "x"},
                               [&outcomes, i](result<> r) { outcomes[i] = r ? "ok" : to_string(r.error().code()); }));
  EXPECT_TRUE(co_await ch.flush(ctx));
  EXPECT_THAT(outcomes, ElementsAre("ok", "ok", "failed_precondition", "ok", "ok"));
  EXPECT_GT(ch.generation(), 1u);
  EXPECT_EQ(broker.connects(), 1u);
  EXPECT_TRUE(co_await ch.remove(ctx, queue_delete{.queue = name}));
}
TEST_F(Rabbit, ARefusedRequestFailsAloneAndTheChannelComesBack) {
  run(refused_requests(loop_, in(120s), named("queue")));
}

}  // namespace
}  // namespace weft::amqp
