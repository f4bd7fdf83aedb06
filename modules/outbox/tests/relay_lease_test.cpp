// The end of a relay's leases by its own clock, over a database that takes its time (in virtual time).
#include "conformance/scripted_broker.hpp"

#include <weft/outbox.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/storage/sqlite.hpp>
#include <weft/testkit/simulation.hpp>

#include <gtest/gtest.h>

namespace weft::messaging {
namespace {

using namespace std::chrono_literals;

// Another database, whose answers to batches come late, or which fails.
class slow_database final : public storage::database {
 public:
  explicit slow_database(storage::database& real) : real_{real} {}
  duration answers_after{};
  bool fails = false;
  std::vector<steady_time> renewals;  // when they were asked for

  [[nodiscard]] storage::engine kind() const noexcept override { return real_.kind(); }
  [[nodiscard]] loop& owner() const noexcept override { return real_.owner(); }
  task<result<storage::transaction>> begin(context ctx, storage::transaction_options options) override {
    return real_.begin(std::move(ctx), options);
  }
  task<result<>> close() override { return real_.close(); }

 protected:
  task<result<std::vector<storage::rows>>> run(context ctx, std::vector<storage::statement> batch) override {
    if (fails) co_return fail(errc::unavailable, "it is gone");
    const bool renews = batch.front().sql.contains("weft_outbox_relays (name, expires)");
    if (renews) renewals.push_back(owner().now());
    auto done = co_await real_.batch(ctx, std::move(batch));
    if (renews) static_cast<void>(co_await weft::sleep(owner(), context{}, answers_after));
    co_return done;
  }

 private:
  storage::database& real_;
};

task<result<>> add_one(storage::transaction& tx, context ctx, outbox& out) {
  return out.add(tx, std::move(ctx), outgoing{.what = {.id = "1", .topic = "t", .key = "k", .body = "{}"}});
}

task<result<>> lease_ends_after_the_question(testkit::host& h) {
  auto& l = h.loop();
  WEFT_CO_TRY(const auto real, co_await storage::open_sqlite(l, {.path = "t.db", .disk = &h.blocking_disk()}));
  slow_database db{*real};
  WEFT_CO_TRY(const auto out, co_await outbox::open(db, {}));
  scripted_broker bus{l};
  bus.verdict = [](const outgoing&) -> result<> { return fail(errc::unavailable, "not now"); };  // keeps it busy
  outbox_relay relay{*out, bus, {.lease = 30s, .poll = 1h, .first_pause = 100ms, .longest_pause = 200ms}};
  WEFT_CO_TRY_VOID(co_await relay.start({}));
  WEFT_CO_TRY(auto tx, co_await db.begin({}, {}));
  WEFT_CO_TRY_VOID(co_await add_one(tx, {}, *out));
  WEFT_CO_TRY_VOID(co_await tx.commit({}));
  out->committed();
  db.answers_after = 5s;
  const auto before = db.renewals.size();
  while (db.renewals.size() == before) co_await weft::sleep(l, {}, 10ms);
  const auto asked = db.renewals.back();
  co_await weft::sleep(l, {}, asked + 6s - l.now());
  db.fails = true;  // from here on nothing is renewed
  EXPECT_EQ(relay.statistics().leases, 16u);
  co_await weft::sleep(l, {}, asked + 29s - l.now());
  EXPECT_EQ(relay.statistics().leases, 16u);
  co_await weft::sleep(l, {}, asked + 31s - l.now());
  EXPECT_EQ(relay.statistics().leases, 0u);
  EXPECT_EQ(relay.statistics().leases_lost, 16u);
  co_return result<>{};
}

TEST(RelayLease, EndsCountedFromTheQuestionNotFromItsAnswer) {
  testkit::simulation sim{1};
  auto& h = sim.add_host("relay");
  const auto done = sim.run(h, lease_ends_after_the_question(h));
  EXPECT_TRUE(done) << done.error().describe();
}

}  // namespace
}  // namespace weft::messaging
