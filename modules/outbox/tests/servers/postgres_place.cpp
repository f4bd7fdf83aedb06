// The suite over PostgreSQL, and what only it can do: transactions beside each other, notifications.
#include "conformance/suite.hpp"

#include <weft/runtime/epoll_loop.hpp>
#include <weft/storage/postgres.hpp>

#include <cstdlib>

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
    co_return co_await storage::open(loop_, context{}, server() + "?options=-csearch_path%3D" + name_);
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
