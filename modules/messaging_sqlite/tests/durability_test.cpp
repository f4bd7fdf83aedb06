// What is there again after the process was killed, and what happens while the disk fails.
#include <weft/messaging_sqlite/sqlite_broker.hpp>
#include <weft/observe/metrics.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/testkit/simulation.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace weft::messaging {
namespace {

using namespace std::chrono_literals;

// A broker on one host, with its file on the disk of another, whose power goes at kill().
struct setting {
  testkit::host& home;
  testkit::host& storage;
  std::shared_ptr<sqlite_hub> hub;
  std::unique_ptr<sqlite_broker> bus;

  [[nodiscard]] context patience() const { return context{}.with_timeout(home.loop(), 30s); }
  task<void> open(sqlite_broker_options options = {}) {
    options.path = "broker.db";
    options.disk = &storage.blocking_disk();
    hub = (co_await open_sqlite_hub(home.loop(), options)).value();
    bus = std::make_unique<sqlite_broker>(home.loop(), hub);
  }
  task<void> kill() {
    storage.crash(testkit::crash_kind::power);
    storage.restart();
    (co_await hub->reopen(home.loop(), &storage.blocking_disk())).value();
  }
  // The process alone: what it has written the kernel keeps.
  task<void> end_process() {
    storage.crash(testkit::crash_kind::process);
    storage.restart();
    (co_await hub->reopen(home.loop(), &storage.blocking_disk())).value();
  }
  task<std::unique_ptr<consumer>> subscribe(std::string group = "g") {
    co_return (co_await bus->subscribe(patience(), {.group = std::move(group), .patterns = {"x"}})).value();
  }
  task<result<>> publish(std::string id, std::string key = {}, duration delay = {}) {
    return publish_one(*bus, patience(),
                       {.what = {.id = std::move(id), .topic = "x", .key = std::move(key)}, .delay = delay});
  }
  task<raw_delivery> receive(consumer& c) { co_return (co_await c.next(patience())).value().value(); }
};

struct SqliteBrokerDurability : testing::Test {
  observe::registry registry;  // outlives what the simulation still holds
  testkit::simulation sim{1};
  setting s{sim.add_host("home"), sim.add_host("storage"), nullptr, nullptr};
  ~SqliteBrokerDurability() override {
    s.bus.reset();
    s.hub.reset();
  }
  void run(task<void> body) { sim.run(s.home, std::move(body)); }
};

task<void> attempts_and_failures(setting& s) {
  co_await s.open();
  auto c = co_await s.subscribe();
  (co_await s.publish("1", "k")).value();
  auto d = co_await s.receive(*c);
  EXPECT_EQ(d.attempt, 1u);
  (co_await c->settle(s.patience(), d.tag, settlement::retry({}, error{errc::unavailable, "no connection"}))).value();
  d = co_await s.receive(*c);
  EXPECT_EQ(d.attempt, 2u);
  co_await sleep(s.home.loop(), context{}, 10ms);  // it is being handled, and the file knows
  co_await s.kill();
  d = co_await s.receive(*c);
  EXPECT_EQ(d.attempt, 3u) << "the attempt that ended with the process counts";
  EXPECT_TRUE(d.redelivered);
  EXPECT_EQ(d.failures.at(0).what, "no connection");
  co_await sleep(s.home.loop(), context{}, 10ms);
  co_await s.kill();
  EXPECT_EQ((co_await s.receive(*c)).attempt, 4u);
}
// F14: a handler that ends its process as soon as it has its message has made an attempt, each time.
task<void> killing_handler(setting& s) {
  co_await s.open();
  auto c = co_await s.subscribe();
  (co_await s.publish("1", "k")).value();
  for (std::uint32_t life = 1; life <= 4; ++life) {
    const auto d = co_await s.receive(*c);
    EXPECT_EQ(d.attempt, life);
    EXPECT_EQ(d.redelivered, life > 1);
    co_await s.end_process();
  }
  (co_await c->settle(s.patience(), (co_await s.receive(*c)).tag, settlement::give_back())).value();
  co_await s.end_process();
  EXPECT_EQ((co_await s.receive(*c)).attempt, 5u) << "what was given back was no attempt";
}
TEST_F(SqliteBrokerDurability, CountsAnAttemptBeforeItBegins) { run(killing_handler(s)); }

// F14: those that were handed out beside it are not held responsible again and again.
task<void> innocent_ones(setting& s) {
  co_await s.open();
  auto c = co_await s.subscribe();
  for (const auto* id : {"1", "2", "3"}) (co_await s.publish(id)).value();
  EXPECT_EQ((co_await c->next_some(s.patience())).value().size(), 3u) << "those that are there";
  co_await s.end_process();
  for (std::uint32_t life = 2; life <= 5; ++life) {
    const auto some = (co_await c->next_some(s.patience())).value();
    EXPECT_EQ(some.size(), 1u) << "what was out when the process ended goes alone";
    EXPECT_EQ(some.at(0).what->id, "1");
    EXPECT_EQ(some.at(0).attempt, life);
    co_await s.end_process();
  }
  (co_await c->settle(s.patience(), (co_await s.receive(*c)).tag, settlement::ack())).value();
  const auto next = co_await s.receive(*c);
  EXPECT_EQ(next.what->id, "2");
  EXPECT_EQ(next.attempt, 2u);
}
TEST_F(SqliteBrokerDurability, CountsNoAttemptsOfThoseBesideIt) { run(innocent_ones(s)); }

// What is there is to be had without waiting, and that it is out is known to the next process.
task<void> without_waiting(setting& s) {
  co_await s.open();
  auto c = co_await s.subscribe();
  for (const auto* id : {"1", "2"}) (co_await s.publish(id)).value();
  EXPECT_EQ(c->try_next().value().what->id, "1");
  co_await s.end_process();
  const auto d = c->try_next().value();
  EXPECT_EQ(d.what->id, "1");
  EXPECT_EQ(d.attempt, 2u);
  const auto next = c->try_next().value();
  EXPECT_EQ(next.what->id, "2");
  EXPECT_EQ(next.attempt, 1u) << "it was not out";
}
TEST_F(SqliteBrokerDurability, GivesWithoutWaitingWhatIsThere) { run(without_waiting(s)); }

// The number of a message may be given anew after a restart: what was noted of the one before it is not its own.
task<void> numbers_given_anew(setting& s) {
  co_await s.open();
  auto c = co_await s.subscribe();
  for (int life = 0; life < 3; ++life) {
    (co_await s.publish("1")).value();
    const auto d = co_await s.receive(*c);
    EXPECT_EQ(d.attempt, 1u);
    EXPECT_FALSE(d.redelivered);
    (co_await c->settle(s.patience(), d.tag, settlement::ack())).value();
    co_await sleep(s.home.loop(), context{}, 10ms);
    c.reset();
    s.bus.reset();
    s.hub.reset();
    co_await sleep(s.home.loop(), context{}, 10ms);
    if (life == 1) {
      s.storage.crash(testkit::crash_kind::power);
      s.storage.restart();
    }
    co_await s.open();
    c = co_await s.subscribe();
  }
}
TEST_F(SqliteBrokerDurability, TakesNoNotesOfOthersForItsOwn) { run(numbers_given_anew(s)); }

// A retry that is not written yet is none of the attempts that are lost.
task<void> retried_before_its_end(setting& s) {
  co_await s.open();
  auto c = co_await s.subscribe();
  (co_await s.publish("1", "k")).value();
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    const auto d = co_await s.receive(*c);
    EXPECT_EQ(d.attempt, attempt);
    (co_await c->settle(s.patience(), d.tag, settlement::retry(0s))).value();
    co_await s.end_process();
  }
}
TEST_F(SqliteBrokerDurability, CountsARetryOnce) { run(retried_before_its_end(s)); }

// What is taken after its delay is not due again.
task<void> taken_after_a_delay(setting& s) {
  co_await s.open();
  auto c = co_await s.subscribe();
  (co_await s.publish("late", {}, 5s)).value();
  EXPECT_EQ((co_await s.receive(*c)).what->id, "late");
  const auto began = s.home.loop().now();
  co_await s.end_process();
  EXPECT_EQ((co_await s.receive(*c)).attempt, 2u);
  EXPECT_LT(s.home.loop().now() - began, 1s);
}
TEST_F(SqliteBrokerDurability, IsNotDueAgainAfterItWasTaken) { run(taken_after_a_delay(s)); }

TEST_F(SqliteBrokerDurability, KeepsAttemptsAndFailures) { run(attempts_and_failures(s)); }

task<void> delays(setting& s) {
  co_await s.open();
  auto c = co_await s.subscribe();
  const auto began = s.home.loop().now();
  (co_await s.publish("later", {}, 5s)).value();
  (co_await s.publish("retried", "k")).value();
  const auto d = co_await s.receive(*c);
  (co_await c->settle(s.patience(), d.tag, settlement::retry(3s))).value();
  co_await sleep(s.home.loop(), context{}, 10ms);
  co_await s.kill();
  EXPECT_EQ((co_await s.receive(*c)).what->id, "retried");
  EXPECT_GE(s.home.loop().now() - began, 3s);
  EXPECT_EQ((co_await s.receive(*c)).what->id, "later");
  EXPECT_GE(s.home.loop().now() - began, 5s);
}
TEST_F(SqliteBrokerDurability, KeepsDelays) { run(delays(s)); }

task<void> dead_letters(setting& s) {
  co_await s.open();
  auto c = co_await s.subscribe();
  for (const auto* id : {"a1", "a2", "b1"}) (co_await s.publish(id, std::string(1, id[0]))).value();
  const auto d = co_await s.receive(*c);
  (co_await c->settle(s.patience(), d.tag,
                      settlement::dead_letter("bad", error{errc::not_found, "user 7"}, dead_letter_scope::key)))
      .value();
  co_await s.kill();  // at once: what settle() has confirmed is kept
  auto letters = (co_await s.bus->admin()->dead_letters(s.patience(), {.group = "g"})).value();
  EXPECT_EQ(letters.size(), 2u);
  EXPECT_EQ(letters[0].what->id, "a1");
  EXPECT_EQ(letters[0].reason, "bad");
  EXPECT_EQ(letters[0].failures.at(0).what, "user 7");
  (co_await s.publish("a3", "a")).value();
  EXPECT_EQ((co_await s.receive(*c)).what->id, "b1") << "the key is still held up";
  EXPECT_EQ((co_await s.bus->admin()->replay(s.patience(), "g", {letters[0].number})).value(), 3u);
  co_await s.kill();
  EXPECT_TRUE((co_await s.bus->admin()->dead_letters(s.patience(), {.group = "g"})).value().empty());
  for (const auto* id : {"b1", "a1", "a2", "a3"}) {
    const auto again = co_await s.receive(*c);
    EXPECT_EQ(again.what->id, id);
    (co_await c->settle(s.patience(), again.tag, settlement::ack())).value();
  }
  // A number is not used twice, so that who reads on from the last one misses nothing.
  (co_await s.publish("c1")).value();
  (co_await c->settle(s.patience(), (co_await s.receive(*c)).tag, settlement::dead_letter("bad"))).value();
  letters = (co_await s.bus->admin()->dead_letters(s.patience(), {.group = "g", .after = 3})).value();
  EXPECT_EQ(letters.size(), 1u);
}
TEST_F(SqliteBrokerDurability, KeepsDeadLetters) { run(dead_letters(s)); }

task<void> groups(setting& s) {
  co_await s.open();
  auto mail = co_await s.subscribe("mail");
  auto billing = co_await s.subscribe("billing");
  auto watching = (co_await s.bus->subscribe(s.patience(), {.patterns = {"x"}})).value();  // in memory alone
  for (const auto* id : {"1", "2"}) (co_await s.publish(id)).value();
  const auto first = co_await s.receive(*mail);
  EXPECT_EQ((co_await s.receive(*watching)).what->id, "1");
  (co_await mail->settle(s.patience(), first.tag, settlement::ack())).value();
  co_await sleep(s.home.loop(), context{}, 10ms);
  co_await s.kill();
  EXPECT_EQ((co_await s.receive(*mail)).what->id, "2") << "what one group has handled is over for it";
  EXPECT_EQ((co_await s.receive(*billing)).what->id, "1") << "and for no other";
  EXPECT_FALSE(watching->try_next().has_value());
  billing.reset();
  (co_await s.bus->admin()->remove_group(s.patience(), "billing")).value();
  co_await s.kill();
  const auto depths = (co_await s.bus->admin()->depths(s.patience())).value();
  EXPECT_TRUE(std::ranges::none_of(depths, [](const group_depth& d) { return d.group == "billing"; }));
  EXPECT_EQ((co_await s.receive(*mail)).what->id, "2");
}
TEST_F(SqliteBrokerDurability, KeepsEachGroup) { run(groups(s)); }

task<void> whole_calls(setting& s) {
  co_await s.open({.max_messages = 4});
  auto c = co_await s.subscribe();
  std::vector<outgoing> batch(3);
  for (std::size_t i = 0; i < batch.size(); ++i) batch[i].what = {.id = std::to_string(i), .topic = "x"};
  for (const auto& each : co_await s.bus->publish(s.patience(), batch)) EXPECT_TRUE(each);
  const auto impatient = context{}.with_timeout(s.home.loop(), 100ms);
  for (const auto& each : co_await s.bus->publish(impatient, batch)) {  // one would fit
    EXPECT_FALSE(each);
    if (!each) EXPECT_EQ(each.error().code(), errc::resource_exhausted);
  }
  batch[1].if_unroutable = unroutable::refuse;
  batch[1].what.topic = "y";
  const auto refused = co_await s.bus->publish(s.patience(), batch);
  EXPECT_EQ(refused[0].error().code(), errc::aborted);
  EXPECT_EQ(refused[1].error().code(), errc::not_found);
  EXPECT_EQ((co_await s.bus->admin()->depths(s.patience())).value().at(0).ready, 3u);
}
TEST_F(SqliteBrokerDurability, TakesACallAsAWhole) { run(whole_calls(s)); }

task<void> remembered_ids(setting& s) {
  co_await s.open({.remember_ids = 1min, .max_remembered_ids = 3});
  auto c = co_await s.subscribe();
  const auto left = [&]() -> std::uint64_t { return s.hub->statistics().duplicates; };
  for (const auto* id : {"1", "2", "1"}) (co_await s.publish(id)).value();
  co_await s.kill();
  (co_await s.publish("2")).value();
  EXPECT_EQ(left(), 2u) << "also after a restart";
  for (const auto* id : {"1", "2"}) EXPECT_EQ((co_await s.receive(*c)).what->id, id);
  EXPECT_FALSE(c->try_next().has_value());
  for (const auto* id : {"3", "4", "5"}) (co_await s.publish(id)).value();  // one more than are remembered: of 1 to 4
  (co_await s.publish("1")).value();
  EXPECT_EQ(left(), 2u) << "the oldest are forgotten when there are too many";
  co_await sleep(s.home.loop(), context{}, 2min);
  (co_await s.publish("5")).value();
  EXPECT_EQ(left(), 2u) << "and when they are too old";
}
TEST_F(SqliteBrokerDurability, RemembersIds) { run(remembered_ids(s)); }

task<void> failing_disk(setting& s) {
  co_await s.open();
  auto c = co_await s.subscribe();
  (co_await s.publish("1")).value();
  s.storage.set_disk_options({.sync_failure = 1});
  const auto failed = co_await s.publish("2");
  EXPECT_FALSE(failed);
  EXPECT_EQ((co_await s.receive(*c)).what->id, "1");
  EXPECT_FALSE(c->try_next().has_value()) << "what was not confirmed is not delivered";
  EXPECT_GE(s.hub->statistics().failed_commits, 1u);
  s.storage.set_disk_options({});
  (co_await s.publish("3")).value();  // the file is opened anew first
}
TEST_F(SqliteBrokerDurability, SaysThatTheDiskFails) { run(failing_disk(s)); }

// F20: syncs fail now and then, processes end, and at last the power goes: nothing is lost that was confirmed.
task<void> failed_syncs(setting& s, std::uint64_t& failed) {
  co_await s.open({.checkpoint_pages = 10});
  auto c = co_await s.subscribe();
  std::vector<std::string> confirmed;
  for (int i = 0; i < 40; ++i) {
    s.storage.set_disk_options({.sync_failure = i % 4 == 0 ? 1.0 : 0.2});
    const auto id = std::to_string(i);
    if (co_await s.publish(id)) confirmed.push_back(id);
    s.storage.set_disk_options({});
    if (i % 10 == 9) co_await s.end_process();
  }
  failed += s.hub->statistics().failed_commits;
  co_await s.kill();
  std::vector<std::string> there;
  while (const auto d = c->try_next()) there.push_back(d->what->id);
  for (const auto& id : confirmed) EXPECT_NE(std::ranges::find(there, id), there.end()) << id;
  EXPECT_FALSE(confirmed.empty());
}
TEST(SqliteBrokerFailedSyncs, LoseNothingThatWasConfirmed) {
  std::uint64_t failed = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    testkit::simulation sim{seed};
    setting s{sim.add_host("home"), sim.add_host("storage"), nullptr, nullptr};
    sim.run(s.home, failed_syncs(s, failed));
    s.bus.reset();
    s.hub.reset();
  }
  EXPECT_GT(failed, 100U);
}

task<void> figures(setting& s, observe::registry& registry) {
  co_await s.open({.metrics = &registry});
  auto c = co_await s.subscribe();
  for (const auto* id : {"1", "2", "3"}) (co_await s.publish(id)).value();
  co_await s.receive(*c);
  const auto text = registry.expose();
  EXPECT_NE(text.find("weft_messaging_sqlite_published_total 3"), std::string::npos) << text;
  EXPECT_NE(text.find("weft_messaging_sqlite_messages{file=\"broker.db\",state=\"ready\"} 2"), std::string::npos)
      << text;
  EXPECT_NE(text.find("weft_messaging_sqlite_messages{file=\"broker.db\",state=\"in_flight\"} 1"), std::string::npos)
      << text;
}
TEST_F(SqliteBrokerDurability, CountsForTheRegistry) { run(figures(s, registry)); }

}  // namespace
}  // namespace weft::messaging
