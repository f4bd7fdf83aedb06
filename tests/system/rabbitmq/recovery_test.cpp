// Faults of the real broker: cut connections, a restart, a memory alarm, a queue that goes away.
#include "broker.hpp"

#include <weft/runtime/task_group.hpp>

#include <algorithm>
#include <set>

namespace weft::amqp {
namespace {
using testing::Contains;

// Publishing goes on from before the fault until well after it.
struct account {
  int published = 0, confirmed = 0, deliveries = 0;
  bool fault_is_over = false, all_published = false;
  std::set<int> seen;
  bool in_order = true;  // the first arrivals
};

task<void> publish_all(loop& l, channel& ch, context ctx, std::string queue, account& book) {
  for (int left = 1000; left > 0; left -= book.fault_is_over ? 1 : 0) {
    const auto body = std::to_string(book.published++);
    const auto taken = co_await ch.publish_nowait(ctx, {.routing_key = queue, .body = body},
                                                  [&book](result<> r) { book.confirmed += r ? 1 : 0; });
    EXPECT_TRUE(taken) << taken.error().describe();
    if (!taken) break;
    if (book.published % 50 == 0) static_cast<void>(co_await sleep(l, ctx, 10ms));
  }
  const auto flushed = co_await ch.flush(ctx);
  EXPECT_TRUE(flushed) << flushed.error().describe();
  book.all_published = true;
}

task<void> consume_all(loop& l, channel& ch, consumer& c, context ctx, account& book) {
  while (!book.all_published || static_cast<int>(book.seen.size()) < book.published) {
    // The last confirm may come after the last delivery, so look again now and then.
    const auto d = co_await c.next(ctx.with_timeout(l, 500ms));
    if (!d && ctx.check(l.now())) continue;
    if (!d) {
      ADD_FAILURE() << d.error().describe() << " after " << book.seen.size();
      co_return;
    }
    const auto n = std::stoi(d->message.body);
    ++book.deliveries;
    if (!book.seen.contains(n)) {
      if (n != (book.seen.empty() ? 0 : *book.seen.rbegin() + 1)) book.in_order = false;
      book.seen.insert(n);
    }
    ch.ack(*d);
  }
}

task<void> cut_while_busy(loop& l, context ctx, std::string name, std::string fault, int times, table arguments) {
  std::vector<std::string> events;
  auto [broker, ch] = co_await open(l, broker_url("?heartbeat=5"), {.prefetch = 50}, &events);
  static_cast<void>(co_await ch.remove(ctx, queue_delete{.queue = name}));
  EXPECT_TRUE(co_await ch.declare(ctx, fresh_queue(name, std::move(arguments))));
  auto c = (co_await ch.consume(ctx, {.queue = name})).value();
  account book;
  task_group work{l};
  work.spawn(publish_all(l, ch, ctx, name, book));
  work.spawn(consume_all(l, ch, c, ctx, book));
  for (int i = 0; i < times; ++i) EXPECT_EQ(co_await shell(l, fault), 0);
  book.fault_is_over = true;
  co_await work.join();
  EXPECT_EQ(book.confirmed, book.published);
  EXPECT_EQ(static_cast<int>(book.seen.size()), book.published);
  EXPECT_TRUE(book.in_order);
  EXPECT_GT(broker.connects(), 1u);
  EXPECT_THAT(events, Contains("recovered"));
  std::printf("%d published, %d delivered, %llu connections\n", book.published, book.deliveries,
              static_cast<unsigned long long>(broker.connects()));
  EXPECT_TRUE(co_await ch.remove(ctx, queue_delete{.queue = name}));
}
std::string ctl(const std::string& arguments) { return "bash " + services_folder() + "/rabbitmq/ctl " + arguments; }
TEST_F(Rabbit, CutConnectionsLoseNothing) {
  run(cut_while_busy(loop_, in(300s), named("queue"), ctl("close_all_connections cut"), 3, {}));
}
TEST_F(Rabbit, ARestartedBrokerLosesNothing) {
  const auto restart = "cd " WEFT_SOURCE_DIR " && ./dev services restart rabbitmq";
  run(cut_while_busy(loop_, in(300s), named("queue"), restart, 1, {{"x-queue-type", "quorum"}}));
}

task<void> deleted_queue(loop& l, context ctx, std::string name) {
  std::vector<std::string> events;
  auto [broker, ch] = co_await open(l, broker_url(), {}, &events);
  auto [other, other_ch] = co_await open(l, broker_url());
  EXPECT_TRUE(co_await ch.declare(ctx, fresh_queue(name)));
  auto c = (co_await ch.consume(ctx, {.queue = name})).value();
  EXPECT_TRUE(co_await other_ch.remove(ctx, queue_delete{.queue = name}));
  while (std::ranges::find(events, "consumer_recovered " + name) == events.end())
    if (!co_await sleep(l, ctx, 10ms)) break;
  EXPECT_THAT(events, Contains("consumer_cancelled " + name));
  EXPECT_TRUE(co_await other_ch.publish(ctx, {.routing_key = name, .body = "after"}));
  const auto d = co_await c.next(ctx);
  EXPECT_TRUE(d) << d.error().describe();
  EXPECT_EQ(d->message.body, "after");
  ch.ack(*d);
  EXPECT_EQ(ch.generation(), 1u);
  EXPECT_TRUE(co_await ch.remove(ctx, queue_delete{.queue = name}));
}
TEST_F(Rabbit, AConsumerOutlivesItsQueue) { run(deleted_queue(loop_, in(120s), named("queue"))); }

task<void> memory_alarm(loop& l, context ctx) {
  std::vector<std::string> events;
  auto [broker, ch] = co_await open(l, broker_url("?heartbeat=2"), {}, &events);
  const auto q = (co_await ch.declare(ctx, queue_declare{.exclusive = true})).value();
  EXPECT_EQ(co_await rabbitmqctl(l, "set_vm_memory_high_watermark absolute 1MB"), 0);
  // The broker says so when the connection publishes next.
  bool confirmed = false;
  EXPECT_TRUE(
      ch.try_publish({.routing_key = q.queue, .body = "first"}, [&](result<> r) { confirmed = r.has_value(); }));
  const auto blocked = co_await broker.wait_for(ctx, connection_state::blocked);
  EXPECT_TRUE(blocked) << blocked.error().describe();
  EXPECT_EQ(broker.blocked_reason(), "low on memory");
  // It waits unsent, so it is known not to be there; and the connection lives on, beyond its heartbeats.
  const auto waiting = co_await ch.publish(context{}.with_timeout(l, 5s), {.routing_key = q.queue, .body = "second"});
  EXPECT_EQ(waiting.error().code(), errc::deadline_exceeded);
  EXPECT_TRUE(waiting.error().unprocessed());
  EXPECT_EQ(co_await rabbitmqctl(l, "set_vm_memory_high_watermark absolute 2GB"), 0);
  EXPECT_TRUE(co_await broker.wait_for(ctx, connection_state::open));
  EXPECT_TRUE(co_await ch.publish(ctx, {.routing_key = q.queue, .body = "third"}));
  EXPECT_TRUE(co_await ch.flush(ctx));
  EXPECT_TRUE(confirmed);
  EXPECT_EQ(broker.connects(), 1u);
  EXPECT_EQ((co_await ch.get(ctx, q.queue)).value()->message.body, "first");
  EXPECT_EQ((co_await ch.get(ctx, q.queue)).value()->message.body, "third");
}
TEST_F(Rabbit, AMemoryAlarmPausesPublishing) { run(memory_alarm(loop_, in(180s))); }

task<void> stale_acks(loop& l, context ctx, std::string name) {
  auto [broker, ch] = co_await open(l, broker_url());
  static_cast<void>(co_await ch.remove(ctx, queue_delete{.queue = name}));
  EXPECT_TRUE(co_await ch.declare(ctx, fresh_queue(name)));
  EXPECT_TRUE(co_await ch.publish(ctx, {.routing_key = name, .body = "once more"}));
  auto c = (co_await ch.consume(ctx, {.queue = name})).value();
  const auto before = (co_await c.next(ctx)).value();
  EXPECT_EQ(co_await rabbitmqctl(l, "close_all_connections cut"), 0);
  const auto again = co_await c.next(ctx);
  EXPECT_TRUE(again) << again.error().describe();
  EXPECT_TRUE(again->redelivered);
  EXPECT_EQ(ch.ack(before), acknowledged::stale);
  EXPECT_EQ(ch.ack(*again), acknowledged::sent);
  EXPECT_TRUE(co_await ch.remove(ctx, queue_delete{.queue = name}));
  EXPECT_EQ(broker.connects(), 2u);
}
TEST_F(Rabbit, AcksOfAnEarlierConnectionAreDropped) { run(stale_acks(loop_, in(120s), named("queue"))); }

}  // namespace
}  // namespace weft::amqp
