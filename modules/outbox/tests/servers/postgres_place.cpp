// The suite over PostgreSQL, and what only it can do: transactions beside each other, notifications, processes that
// share the shards, connections that are lost.
#include "conformance/suite.hpp"
#include "relay_statements.hpp"

#include <weft/runtime/epoll_loop.hpp>
#include <weft/storage/postgres.hpp>

#include <cstdlib>
#include <set>

namespace weft::messaging {
namespace {

using namespace std::chrono_literals;

std::string server() {
  const char* url = std::getenv("WEFT_POSTGRES_URL");
  return url != nullptr ? url : "postgres://weft:weft@127.0.0.1:24432/weft";
}

// A schema of its own, removed at the end.
class schema_place final : public place {
 public:
  ~schema_place() override {
    if (name_.empty()) return;
    if (auto admin = loop_.run(storage::open_postgres(loop_, context{}, {.url = server()})))
      EXPECT_TRUE(loop_.run((*admin)->execute(context{}, "DROP SCHEMA " + name_ + " CASCADE")));
  }
  loop& home() override { return loop_; }
  void run(task<void> work) override { loop_.run(std::move(work)); }
  task<result<std::unique_ptr<storage::database>>> open() override {
    if (name_.empty()) {
      WEFT_CO_TRY(const auto admin, co_await storage::open_postgres(loop_, context{}, {.url = server()}));
      const auto name = "weft_outbox_" + std::to_string(loop_.random().between(0, std::int64_t{1} << 60));
      WEFT_CO_TRY_VOID(co_await admin->execute(context{}, "CREATE SCHEMA " + name));
      name_ = name;
    }
    co_return co_await storage::open(loop_, context{},
                                     server() + "?options=-csearch_path%3D" + name_ + "&application_name=" + name_);
  }

 private:
  std::string name_;
  epoll_loop loop_;
};

const auto engines = testing::Values(engine_under_test{"postgresql", [] { return std::make_unique<schema_place>(); }});

INSTANTIATE_TEST_SUITE_P(Postgres, Outbox, engines, [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(Postgres, Inbox, engines, [](const auto& info) { return info.param.name; });

class OutboxOnPostgres : public Outbox {};
INSTANTIATE_TEST_SUITE_P(Postgres, OutboxOnPostgres, engines, [](const auto& info) { return info.param.name; });

TEST_P(OutboxOnPostgres, PublishesWhatCommittedLateUnderALowerNumber) {
  auto& relay = start_relay();
  auto late = run(db->begin(context{})).value();
  ASSERT_TRUE(run(out->add(late, context{}, message_of("late"))));
  std::vector<outgoing> many;
  for (int i = 0; i < 100; ++i) many.push_back(message_of(std::to_string(i)));
  add(std::move(many));
  until([&] { return relay.statistics().published == 100; }, "those with higher numbers are published");
  EXPECT_EQ(bus->count("late"), 0u);
  until_count("weft_outbox", 0);  // as others see it
  ASSERT_TRUE(run(late.commit(context{})));
  out->committed();
  until_empty();
  EXPECT_EQ(bus->count("late"), 1u);
}

TEST_P(OutboxOnPostgres, IsNotifiedOfWhatAnotherProcessCommits) {
  start_relay();  // which does not poll
  auto elsewhere = run(where->open()).value();
  auto box = run(outbox::open(*elsewhere, context{})).value();
  struct work {
    outbox& box;
    outgoing what;
    task<result<>> operator()(storage::transaction& tx, context ctx) const { return box.add(tx, ctx, what); }
  };
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(run(box->transact(context{}, work{*box, message_of(std::to_string(i))})));
    until([&] { return bus->taken().size() == static_cast<std::size_t>(i) + 1; }, "it is published");
  }
  box.reset();
}

TEST_P(OutboxOnPostgres, TellsOthersOfManyCommitsWithFewNotifications) {
  auto* database = dynamic_cast<storage::postgres_database*>(db.get());
  auto heard = database->listen("weft_outbox").value();
  const auto next = [&](duration patience) {
    return run(heard->next(context{}.with_timeout(where->home(), patience))).has_value();
  };
  ASSERT_TRUE(next(20s));
  out.reset();
  out = run(outbox::open(*db, context{}, {.notify_every = 1h})).value();
  for (int i = 0; i < 50; ++i) add(std::to_string(i));
  EXPECT_TRUE(next(20s));
  EXPECT_FALSE(next(50ms));
}

// Each with connections of its own, as in processes of their own.
TEST_P(OutboxOnPostgres, ProcessesShareTheShards) {
  std::map<std::string, std::vector<std::string>> expected;
  int next = 0;
  const auto add_some = [&] {
    std::vector<outgoing> some;
    for (int i = 0; i < 100; ++i, ++next) {
      const auto key = "key-" + std::to_string(next % 50), id = std::to_string(next);
      some.push_back(message_of(id, key));
      expected[key].push_back(id);
    }
    add(std::move(some));
  };
  auto& first = start_relay();
  auto elsewhere = run(where->open()).value();
  auto box = run(outbox::open(*elsewhere, context{})).value();
  outbox_relay second{*box, *bus, options()};
  add_some();
  ASSERT_TRUE(run(second.start(context{})));
  const auto shares = [&] { return std::pair{first.statistics().leases, second.statistics().leases}; };
  until([&] { return shares() == std::pair<std::size_t, std::size_t>{8, 8}; }, "each has a half, without waiting");
  add_some();
  until_empty();
  EXPECT_GT(second.statistics().published, 0u);
  ASSERT_TRUE(run(second.stop(context{}.with_timeout(where->home(), 20s))));
  until([&] { return first.statistics().leases == 16; }, "what it gave back is taken at once");
  add_some();
  until_empty();
  EXPECT_EQ(bus->taken().size(), static_cast<std::size_t>(next));  // nothing was published twice
  EXPECT_EQ(bus->first_by_key(), expected);
}

struct adding {
  outbox& box;
  std::vector<outgoing> what;
  task<result<>> operator()(storage::transaction& tx, context ctx) const { return box.add(tx, ctx, what); }
};

TEST_P(OutboxOnPostgres, GoesOnWhenItsConnectionsAreCut) {
  std::map<std::string, std::vector<std::string>> expected;
  auto admin = run(storage::open_postgres(where->home(), context{}, {.url = server()})).value();
  const auto name = run(db->query(context{}, "SELECT current_setting('application_name')"))->scalar<std::string>();
  auto& relay = start_relay({.batch = 8, .calls = 2, .window = 64, .poll = 20ms, .first_pause = 1ms});
  for (int round = 0; round < 10; ++round) {
    std::vector<outgoing> some;
    for (int i = 0; i < 60; ++i) {
      const auto id = std::to_string(round) + "." + std::to_string(i), key = "key-" + std::to_string(i % 20);
      some.push_back(message_of(id, key));
      expected[key].push_back(id);
    }
    // Before they are added: the relay may have published them all by the time that the commit is answered.
    const auto before = relay.statistics().published;
    const adding work{*out, some};
    auto added = run(out->transact(context{}, work));
    // The user's transactions meet the cut too, and are told that nothing of them has happened.
    while (!added && added.error().unprocessed()) added = run(out->transact(context{}, work));
    ASSERT_TRUE(added) << added.error().describe();
    until([&] { return relay.statistics().published > before; }, "it is at work");
    const auto cut = run(admin->query(
        context{},
        "SELECT COALESCE(string_agg(pid::text, ','), ''), count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
        "application_name = $1",
        {*name}));
    ASSERT_TRUE(cut);
    // Until they have ended: nobody can tell what becomes of a commit that one of them takes on its last way.
    const auto gone = "SELECT count(*) FROM pg_stat_activity WHERE pid::text = ANY(string_to_array('" +
                      (*cut)[0].get<std::string>(0).value() + "', ','))";
    until([&] { return run(admin->query(context{}, gone)).value().scalar<int>() == 0; }, "they are gone");
  }
  until_empty();
  EXPECT_EQ(bus->first_by_key(), expected);
  EXPECT_EQ(relay.statistics().leases, 16u);
}

// Which index each statement of the relay uses is PostgreSQL's choice, so the plans are asked for: of a table of which
// nearly all has been sent, as one with keep_sent is, before and after the server has counted it.
TEST_P(OutboxOnPostgres, FindsWhatWaitsByTheIndexInALargeTable) {
  execute(
      "INSERT INTO weft_outbox (shard, state, id, topic, message_key, meta, body, added_at, ended_at) SELECT g % 16, "
      "CASE WHEN g % 10000 = 0 THEN 0 ELSE 1 END, g::text, 'orders.placed', 'key-' || g % 100, '', 'body', 0, 0 FROM "
      "generate_series(1, 100000) AS g");
  const outbox_sql sql{storage::engine::postgres};
  const relay_statements statements{sql, {}};
  const auto plan = [&](const std::string& statement, storage::parameters values) {
    std::vector<storage::statement> batch{{std::string{relay_statements::plan_by_index}},
                                          {"EXPLAIN " + statement, std::move(values)}};
    const auto told = run(db->batch(context{}, std::move(batch)));
    EXPECT_TRUE(told) << told.error().describe();
    std::string text;
    if (told)
      for (const auto& line : told->back()) text += line.get<std::string>(0).value() + "\n";
    return text;
  };
  const std::vector<std::int64_t> shards{1, 2, 3}, none;
  for (const auto* counted : {"", "ANALYZE weft_outbox"}) {
    if (*counted != 0) execute(counted);
    const auto read = plan(statements.read, {sql.list(shards), sql.list(none), sql.list(none), 100, 0, 1'000'000});
    EXPECT_TRUE(read.contains("Index Scan using weft_outbox_waiting")) << read;
    EXPECT_FALSE(read.contains("Sort")) << read;
    EXPECT_FALSE(read.contains("Seq Scan on weft_outbox ")) << read;
    for (const auto& mark : {statements.remove, statements.keep}) {
      const auto marked = plan(mark, {sql.list(shards), sql.list(shards)});
      EXPECT_TRUE(marked.contains("weft_outbox_pkey") || marked.contains("weft_outbox_waiting")) << marked;
      EXPECT_FALSE(marked.contains("Seq Scan on weft_outbox ")) << marked;
    }
  }
}

TEST_P(OutboxOnPostgres, ALateOwnerCannotMarkWhileAnotherTakesOver) {
  for (int i = 0; i < 20; ++i) add("k" + std::to_string(i), "key");
  bus->hold_answers();
  auto& slow = start_relay();
  until([&] { return bus->taken().size() == 1; }, "the first is with the broker");
  auto taking = run(db->begin(context{})).value();  // another relay is about to take over
  ASSERT_TRUE(run(taking.execute(context{},
                                 "UPDATE weft_outbox_shards SET owner = 'other', token = token + 1, expires = "
                                 "expires + 3600000")));
  bus->release_answers();  // the mark waits for that transaction
  until([&] { return bus->taken().size() == 20; }, "what was read is published");
  EXPECT_EQ(count("weft_outbox"), 20);
  ASSERT_TRUE(run(taking.commit(context{})));
  until([&] { return slow.statistics().leases_lost > 0; }, "it notices");
  EXPECT_EQ(count("weft_outbox"), 20);
}

}  // namespace
}  // namespace weft::messaging
