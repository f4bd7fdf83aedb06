// What happens while a commit is on its way, and who sees to it that it goes on.
// weft-style: allow thread in this file: loops of several threads share a file
#include <weft/messaging_sqlite/sqlite_broker.hpp>
#include <weft/runtime/cores.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/runtime/when.hpp>
#include <weft/storage/sqlite_file.hpp>

#include <gtest/gtest.h>

#include <latch>
#include <optional>
#include <thread>

#include "gated_disk.hpp"

namespace weft::messaging {
namespace {

using namespace std::chrono_literals;

context patience(loop& l) { return context{}.with_timeout(l, 60s); }

outgoing numbered(std::string id) { return {.what = {.id = std::move(id), .topic = "x"}}; }

struct SqliteCommit : testing::Test {
  gated_disk disk;
  epoll_loop l;
  sqlite_broker_options options{.path = "broker.db", .disk = &disk};
  std::shared_ptr<sqlite_hub> hub;
  std::unique_ptr<sqlite_broker> bus;

  void open() {
    hub = l.run(open_sqlite_hub(l, options)).value();
    bus = std::make_unique<sqlite_broker>(l, hub);
  }
  std::unique_ptr<consumer> subscribe(epoll_loop& on, sqlite_broker& b) {
    return on.run(b.subscribe(patience(on), {.group = "g", .patterns = {"x"}})).value();
  }
  result<> publish(std::string id) { return l.run(publish_one(*bus, patience(l), numbered(std::move(id)))); }
  std::uint64_t ready() { return l.run(bus->admin()->depths(patience(l))).value().at(0).ready; }
};

task<void> keep(task<result<>> work, std::optional<result<>>& outcome) { outcome = co_await std::move(work); }

// What has been begun on the loop goes on until its commit is held up.
task<void> until_held(loop& l, gated_disk& disk) {
  while (!disk.sync_waits()) co_await sleep(l, context{}, 1ms);
}

task<void> turns(loop& l) {
  for (int i = 0; i < 5; ++i) co_await sleep(l, context{}, 1ms);
}

task<void> until(loop& l, const std::optional<result<>>& outcome) {
  const auto limit = l.now() + 60s;
  while (!outcome && l.now() < limit) co_await sleep(l, context{}, 1ms);
}

task<void> take_and_ack(loop& l, consumer& c) {
  const auto d = (co_await c.next(patience(l))).value().value();
  EXPECT_TRUE(co_await c.settle(patience(l), d.tag, settlement::ack()));
}

// A1: one loop takes and acknowledges a message, and turns no more: nobody waits for it.
TEST_F(SqliteCommit, GoesOnWhenALoopTurnsNoMore) {
  open();
  auto here = subscribe(l, *bus);
  epoll_loop other;
  sqlite_broker there{other, hub};
  const auto c = subscribe(other, there);
  ASSERT_TRUE(publish("1"));
  other.run(take_and_ack(other, *c));
  EXPECT_TRUE(publish("2")) << "the acknowledgement lies in the queue of the other loop";
  here.reset();
  l.run(bus->close(patience(l)));
  EXPECT_EQ(hub->statistics().published, 2u);
}

task<void> compute(loop& l, sqlite_broker& bus, epoll_loop& reader, std::latch& go, std::latch& done) {
  task_group publishing{l};
  std::optional<result<>> sent;
  publishing.spawn(keep(publish_one(bus, patience(l), numbered("slow")), sent));
  for (int i = 0; i < 3; ++i) co_await yield{l};  // its commit is asked for, and may have begun
  reader.post([&] { go.count_down(); });
  done.wait();  // computes
  co_await publishing.join();
  EXPECT_TRUE(sent && *sent);
}

task<void> publish_meanwhile(loop& l, sqlite_broker& bus, std::latch& go, std::latch& done) {
  while (!go.try_wait()) co_await sleep(l, context{}, 1ms);
  for (int i = 0; i < 20; ++i) {
    const auto sent = co_await publish_one(bus, patience(l), numbered(std::to_string(i)));
    EXPECT_TRUE(sent) << sent.error().describe();
  }
  done.count_down();
}

// A1: a loop that merely computes delays nobody's commits.
TEST_F(SqliteCommit, GoesOnWhileALoopComputes) {
  open();
  const auto c = subscribe(l, *bus);
  cores all{{.count = 2}};
  std::latch go{1}, done{1};
  all.run([&](loop& on, unsigned core) -> task<void> {  // weft-style: closure outlives the coroutine
    sqlite_broker own{on, hub};
    if (core == 0)
      co_await publish_meanwhile(on, own, go, done);
    else
      co_await compute(on, own, all.at(0), go, done);
  });
  EXPECT_EQ(ready(), 21u);
}

task<void> publish_many(loop& l, sqlite_broker& bus, int count, std::latch& done) {
  for (int i = 0; i < count; ++i) {
    const auto sent = co_await publish_one(bus, patience(l), numbered("a" + std::to_string(i)));
    EXPECT_TRUE(sent) << sent.error().describe();
  }
  done.count_down();
}

task<void> come_and_go(loop& l, std::shared_ptr<sqlite_hub> hub, std::latch& done) {
  for (int round = 0; !done.try_wait(); ++round) {
    sqlite_broker bus{l, hub};
    EXPECT_TRUE(co_await publish_one(bus, patience(l), numbered("b" + std::to_string(round))));
    co_await bus.close(patience(l));
  }
}

// F5: brokers that close in good order, in the middle of the others' work.
TEST_F(SqliteCommit, GoesOnWhenBrokersClose) {
  open();
  const auto c = subscribe(l, *bus);
  cores all{{.count = 2}};
  std::latch done{1};
  all.run([&](loop& on, unsigned core) -> task<void> {  // weft-style: closure outlives the coroutine
    if (core == 1) co_return co_await come_and_go(on, hub, done);
    sqlite_broker own{on, hub};
    co_await publish_many(on, own, 1000, done);
  });
  EXPECT_GE(ready(), 1000u);
}

// A loop ends whose pool's thread is at work; who waits for that work elsewhere makes no further call.
TEST_F(SqliteCommit, GoesOnWhenTheLoopEndsThatBeganIt) {
  open();
  const auto c = subscribe(l, *bus);
  std::optional<result<>> sent, abandoned;
  task_group publishing{l};
  {
    epoll_loop other;
    auto there = std::make_unique<sqlite_broker>(other, hub);
    disk.hold();
    {
      task_group begun{other};
      begun.spawn(keep(publish_one(*there, patience(other), numbered("abandoned")), abandoned));
      other.run(until_held(other, disk));
      publishing.spawn(keep(publish_one(*bus, patience(l), numbered("waits")), sent));
      l.run(turns(l));
    }
    there.reset();
    disk.release();
  }
  l.run(until(l, sent));
  ASSERT_TRUE(sent.has_value());
  EXPECT_TRUE(*sent);
  EXPECT_EQ(ready(), 2u) << "a publish that nobody waits for goes on by itself";
}

// Of a loop that ends before it could even begin, nothing is left that others believe in.
TEST_F(SqliteCommit, IsAskedForAgainWhenALoopEndsBeforeItBegan) {
  open();
  const auto c = subscribe(l, *bus);
  for (int i = 0; i < 3; ++i) {
    std::optional<result<>> never;
    epoll_loop other;  // at the place of the one before it, most likely
    sqlite_broker there{other, hub};
    task_group begun{other};
    begun.spawn(keep(publish_one(there, patience(other), numbered("n" + std::to_string(i))), never));
  }
  EXPECT_TRUE(publish("1"));
}

// A publisher gave up and went, with all of its loop, while its commit was on its way.
TEST_F(SqliteCommit, OutlivesALoopWhosePublisherGaveUp) {
  open();
  const auto c = subscribe(l, *bus);
  disk.hold();
  {
    epoll_loop other;
    sqlite_broker there{other, hub};
    const auto gave_up = other.run(publish_one(there, context{}.with_timeout(other, 20ms), numbered("1")));
    ASSERT_FALSE(gave_up);
    EXPECT_EQ(gave_up.error().code(), errc::deadline_exceeded);
    disk.release();
  }
  EXPECT_TRUE(publish("2"));
  EXPECT_EQ(ready(), 2u);
}

// The bound counts what is in a commit.
TEST_F(SqliteCommit, CountsWhatIsInIt) {
  options.max_messages = 2;
  options.publish_wait = 10ms;
  open();
  const auto c = subscribe(l, *bus);
  std::optional<result<>> first, second;
  task_group publishing{l};
  disk.hold();
  publishing.spawn(keep(publish_one(*bus, patience(l), numbered("1")), first));
  publishing.spawn(keep(publish_one(*bus, patience(l), numbered("2")), second));
  l.run(until_held(l, disk));
  const auto third = publish("3");
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code(), errc::resource_exhausted);
  disk.release();
  l.run(until(l, second));
  EXPECT_EQ(ready(), 2u);
}

// F7: a duplicate's room is given back, and whoever waits for it gets it.
TEST_F(SqliteCommit, GivesTheRoomOfADuplicateToWhoWaits) {
  options.max_messages = 2;
  options.remember_ids = 1min;
  open();
  const auto c = subscribe(l, *bus);
  const auto other = l.run(bus->subscribe(patience(l), {.group = "h", .patterns = {"y"}})).value();
  ASSERT_TRUE(publish("1"));
  std::optional<result<>> again, beside, waits;
  task_group publishing{l};
  disk.hold();
  publishing.spawn(keep(publish_one(*bus, patience(l), {.what = {.id = "y", .topic = "y"}}), beside));
  publishing.spawn(keep(publish_one(*bus, patience(l), numbered("1")), again));
  l.run(until_held(l, disk));
  publishing.spawn(keep(publish_one(*bus, patience(l), numbered("2")), waits));
  l.run(turns(l));
  disk.release();
  const auto began = l.now();
  l.run(until(l, waits));
  EXPECT_TRUE(waits && *waits);
  EXPECT_LT(l.now() - began, options.publish_wait);
  EXPECT_EQ(ready(), 2u);
}

// Two of the same id in one commit, where no memory of earlier ones helps.
TEST_F(SqliteCommit, DropsDuplicatesWithinIt) {
  options.remember_ids = 1min;
  open();
  const auto c = subscribe(l, *bus);
  std::optional<result<>> before, first, second;
  task_group publishing{l};
  disk.hold();
  publishing.spawn(keep(publish_one(*bus, patience(l), numbered("0")), before));
  l.run(until_held(l, disk));
  publishing.spawn(keep(publish_one(*bus, patience(l), numbered("1")), first));
  publishing.spawn(keep(publish_one(*bus, patience(l), numbered("1")), second));
  l.run(turns(l));
  const auto commits = hub->statistics().commits;
  disk.release();
  l.run(until(l, second));
  EXPECT_TRUE(first && *first && second && *second);
  EXPECT_EQ(hub->statistics().commits, commits + 2);
  EXPECT_EQ(hub->statistics().duplicates, 1u);
  EXPECT_EQ(ready(), 2u);
}

// A group goes while a message for it is in its commit: the file does not keep it for nobody.
TEST_F(SqliteCommit, LeavesNothingOfAGroupThatWentMeanwhile) {
  open();
  subscribe(l, *bus).reset();
  std::optional<result<>> sent, removed;
  task_group work{l};
  disk.hold();
  work.spawn(keep(publish_one(*bus, patience(l), numbered("1")), sent));
  l.run(until_held(l, disk));
  work.spawn(keep(bus->admin()->remove_group(patience(l), "g"), removed));
  l.run(turns(l));
  disk.release();
  l.run(until(l, sent));
  l.run(until(l, removed));
  EXPECT_TRUE(sent && *sent && removed && *removed);
  l.run(bus->close(patience(l)));
  bus.reset();
  hub.reset();
  auto file = storage::sqlite_file::open(l, {.path = "broker.db", .disk = &disk});
  ASSERT_TRUE(file) << file.error().describe();
  std::int64_t left = -1;
  ASSERT_TRUE((*file)->read([&](storage::sqlite_session& s) -> result<> {
    WEFT_TRY(const auto rows, s.run("SELECT count(*) FROM messages"));
    WEFT_TRY(left, rows.scalar<std::int64_t>());
    return {};
  }));
  EXPECT_EQ(left, 0);
}

// What happened to a message while the disk failed is written once it does not.
TEST_F(SqliteCommit, KeepsWhatHappenedWhileItFailed) {
  open();
  auto c = subscribe(l, *bus);
  ASSERT_TRUE(publish("1"));
  disk.fail_writes(true);
  const auto d = l.run(c->next(patience(l))).value().value();  // handed out all the same
  ASSERT_TRUE(l.run(c->settle(patience(l), d.tag, settlement::retry(1h, error{errc::unavailable, "no ledger"}))));
  EXPECT_FALSE(publish("2"));
  disk.fail_writes(false);
  ASSERT_TRUE(publish("3"));
  ASSERT_TRUE(l.run(hub->reopen(l)));
  const auto depth = l.run(bus->admin()->depths(patience(l))).value().at(0);
  EXPECT_EQ(depth.delayed, 1u) << "its due time is kept";
  EXPECT_EQ(depth.ready, 1u);
  EXPECT_GE(hub->statistics().failed_commits, 1u);
  c.reset();
  l.run(bus->close(patience(l)));
  bus.reset();
  hub.reset();
  auto file = storage::sqlite_file::open(l, {.path = "broker.db", .disk = &disk});
  ASSERT_TRUE(file) << file.error().describe();
  std::int64_t attempt = 0;
  ASSERT_TRUE((*file)->read([&](storage::sqlite_session& s) -> result<> {
    WEFT_TRY(const auto rows, s.run("SELECT attempt FROM progress WHERE taken = 0 AND due IS NOT NULL"));
    WEFT_TRY(attempt, rows.scalar<std::int64_t>());
    return {};
  }));
  EXPECT_EQ(attempt, 2);
}

}  // namespace
}  // namespace weft::messaging
