#include "suite.hpp"

#include <cstdlib>
#include <stdexcept>

namespace weft::messaging {

using namespace std::chrono_literals;

void Outbox::SetUp() {
  where = GetParam().make();
  auto opened = run(where->open());
  if (!opened && opened.error().code() == errc::unavailable && std::getenv("CI") == nullptr)
    GTEST_SKIP() << opened.error().describe() << "; ./dev services start postgresql";
  ASSERT_TRUE(opened) << opened.error().describe();
  db = *std::move(opened);
  open();
}

void Outbox::open() {
  if (!db) {
    auto opened = run(where->open());
    if (!opened) throw std::runtime_error{opened.error().describe()};  // a test must not go on without its database
    db = *std::move(opened);
  }
  auto made = run(outbox::open(*db, context{}));
  ASSERT_TRUE(made) << made.error().describe();
  out = *std::move(made);
  if (!bus) bus = std::make_unique<scripted_broker>(where->home());
}

void Outbox::drop() {
  relays.clear();
  out.reset();
  db.reset();
}

void Outbox::restart() {
  drop();
  where->die();
  open();
}

namespace {
task<result<>> wait_for(loop& l, const std::function<bool()>& holds, duration limit) {
  const auto ctx = context{}.with_timeout(l, limit);
  while (!holds()) WEFT_CO_TRY_VOID(co_await weft::sleep(l, ctx, 1ms));
  co_return result<>{};
}

task<result<>> wait_for_count(storage::database& db, std::string sql, std::int64_t number, duration limit) {
  const auto ctx = context{}.with_timeout(db.owner(), limit);
  for (;;) {
    // Its connection may be cut, as those of the relay are.
    const auto found = co_await db.query(ctx, sql);
    if (found && found->scalar<std::int64_t>() == number) co_return result<>{};
    WEFT_CO_TRY_VOID(co_await weft::sleep(db.owner(), ctx, 2ms));
  }
}
}  // namespace

void Outbox::until_count(const std::string& from_and_where, std::int64_t number) {
  EXPECT_TRUE(run(wait_for_count(*db, "SELECT count(*) FROM " + from_and_where, number, 30s)))
      << "there are never " << number << " " << from_and_where;
}

void Outbox::until(const std::function<bool()>& holds, const char* what) {
  EXPECT_TRUE(run(wait_for(where->home(), holds, 30s))) << what;
}

relay_options Outbox::options() const {
  return {.poll = 1h, .first_pause = 10ms, .longest_pause = 50ms};  // nothing is found by polling
}

outbox_relay& Outbox::start_relay(relay_options o) {
  auto& made = *relays.emplace_back(std::make_unique<outbox_relay>(*out, *bus, std::move(o)));
  const auto started = run(made.start(context{}));
  EXPECT_TRUE(started) << started.error().describe();
  return made;
}

bool Outbox::relay_idle() {
  std::size_t left = 0;
  for (const auto& r : relays) left += r->statistics().in_memory;
  return left == 0;
}

outgoing Outbox::message_of(std::string id, std::string key, std::string body) {
  return {.what = {.id = std::move(id), .topic = "orders.placed", .key = std::move(key), .body = std::move(body)}};
}

void Outbox::add(std::vector<outgoing> all) {
  struct work {
    outbox& box;
    std::vector<outgoing>& all;
    task<result<>> operator()(storage::transaction& tx, context ctx) const { return box.add(tx, ctx, all); }
  };
  const auto done = run(out->transact(context{}, work{*out, all}));
  ASSERT_TRUE(done) << done.error().describe();
}

std::int64_t Outbox::count(const std::string& from_and_where) {
  const auto found = run(db->query(context{}, "SELECT count(*) FROM " + from_and_where));
  EXPECT_TRUE(found) << found.error().describe();
  return found ? found->scalar<std::int64_t>().value() : -1;
}

void Outbox::execute(std::string sql) {
  const auto done = run(db->execute(context{}, std::move(sql)));
  ASSERT_TRUE(done) << done.error().describe();
}

void Inbox::SetUp() {
  Outbox::SetUp();
  if (IsSkipped() || HasFatalFailure()) return;
  execute("CREATE TABLE effects (id text)");
  open_inbox({});
}

void Inbox::TearDown() {
  in.reset();
  Outbox::TearDown();
}

void Inbox::open_inbox(inbox_options o) {
  auto made = run(inbox::open(*db, context{}, std::move(o)));
  ASSERT_TRUE(made) << made.error().describe();
  in = *std::move(made);
}

}  // namespace weft::messaging
