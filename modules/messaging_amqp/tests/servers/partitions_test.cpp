// A group of several queues, shared by its consumers.
#include <weft/runtime/task_group.hpp>

#include <set>

#include "scene.hpp"

namespace weft::messaging {
namespace {
using testing::ElementsAre;

constexpr int count = 2000, keys = 50;

struct account {
  std::map<std::string, int> last;  // of each key
  std::set<std::string> seen;
  bool in_order = true;
};

task<void> consume(scene& s, consumer& c, account& book, int& mine, const int wanted) {
  while (static_cast<int>(book.seen.size()) < wanted) {
    const auto d = co_await c.next(s.in(200ms));
    if (!d || !*d) continue;
    const auto& m = *(**d).what;
    if (book.seen.insert(m.id).second) {
      const auto number = std::stoi(m.id);
      auto& before = book.last.try_emplace(m.key, -1).first->second;
      book.in_order = book.in_order && before < number;
      before = number;
      ++mine;
    }
    static_cast<void>(co_await c.settle(s.in(), (**d).tag, settlement::ack()));
  }
}

task<void> publish(scene& s, broker& bus, int from, int to) {
  std::vector<outgoing> batch;
  for (int i = from; i < to; ++i) batch.push_back({.what = s.make(std::to_string(i), "k" + std::to_string(i % keys))});
  for (const auto& r : co_await bus.publish(s.in(), std::move(batch))) sure(r);
}

amqp_options with_partitions() {
  auto o = options_for("?partitions=8");
  o.share_every = 200ms;
  return o;
}

// Until what is published reaches each of them.
task<void> until_shared(scene& s, account& book, std::vector<consumer*> all, amqp_broker& bus, int& number) {
  for (;;) {
    std::set<consumer*> reached;
    co_await publish(s, bus, number, number + keys);
    number += keys;
    for (int got = 0; got < keys;) {
      for (auto* c : all) {
        const auto d = co_await c->next(s.in(20ms));
        if (!d || !*d) continue;
        book.seen.insert((**d).what->id);
        static_cast<void>(co_await c->settle(s.in(), (**d).tag, settlement::ack()));
        reached.insert(c);
        ++got;
      }
    }
    if (reached.size() == all.size()) co_return;
  }
}

task<void> shared(scene& s) {
  const auto first = co_await s.open(with_partitions()), second = co_await s.open(with_partitions());
  const subscription what{.group = s.name("g"), .patterns = {s.name("x")}, .prefetch = 20};
  const auto a = co_await s.subscribe(*first, what);
  account warm_up;
  int number = 0;
  co_await until_shared(s, warm_up, {a.get()}, *first, number);  // alone it has them all
  auto b = co_await s.subscribe(*second, what);
  co_await until_shared(s, warm_up, {a.get(), b.get()}, *first, number);

  account book;
  int at_a = 0, at_b = 0;
  task_group work{s.l};
  work.spawn(publish(s, *first, number, number + count));
  work.spawn(consume(s, *a, book, at_a, count));
  work.spawn(consume(s, *b, book, at_b, count));
  co_await work.join();
  EXPECT_TRUE(book.in_order);
  EXPECT_EQ(book.seen.size(), static_cast<std::size_t>(count));
  // Each has four of eight partitions; keys are not spread quite evenly over them.
  EXPECT_GT(at_a, count / 8);
  EXPECT_GT(at_b, count / 8);

  b.reset();  // the other one takes over what it had
  number += count;
  co_await until_shared(s, warm_up, {a.get()}, *first, number);
}
TEST_F(RabbitScene, ConsumersShareThePartitionsAndKeysStayInOrder) { run(shared); }

task<void> retried(scene& s) {
  const auto bus = co_await s.open(with_partitions());
  const auto group = s.name("g");
  const auto c = co_await s.subscribe(*bus, {.group = group, .patterns = {s.name("x")}});
  co_await s.publish_ids(*bus, {"k1", "k2"});
  const auto d = co_await s.receive(*c);
  co_await s.settle(*c, d, settlement::retry(300ms, error{errc::unavailable, "not yet"}));
  const auto again = co_await s.receive(*c);
  EXPECT_EQ(again.what->id, "k1");
  EXPECT_EQ(again.attempt, 2u);
  co_await s.settle(*c, again, settlement::dead_letter("bad"));
  EXPECT_EQ(co_await s.take(*c), "k2");
  const auto letters = sure(co_await bus->dead_letters(s.in(), {.group = group}));
  EXPECT_EQ(letters.size(), 1u);
  EXPECT_EQ(sure(co_await bus->replay(s.in(), group, {})), 1u);
  EXPECT_EQ(co_await s.take(*c), "k1");
  for (const auto& depth : sure(co_await bus->depths(s.in())))
    if (depth.group == group) {
      EXPECT_EQ(depth.consumers, 8u);
      EXPECT_EQ(depth.dead, 0u);
    }
}
TEST_F(RabbitScene, RetriesAndDeadLettersWorkWithPartitions) { run(retried); }

}  // namespace
}  // namespace weft::messaging
