// Which files it takes, and what it says about others.
#include <weft/messaging_sqlite/sqlite_broker.hpp>
#include <weft/runtime/cores.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/when.hpp>
#include <weft/storage/sqlite_file.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "under_test.hpp"

namespace weft::messaging {
namespace {

struct SqliteBrokerFile : testing::Test {
  epoll_loop l;
  temporary_folder folder;
  broker_factory brokers = [] {
    broker_factory f;
    f.add("sqlite", sqlite_brokers());
    return f;
  }();

  std::string refusal(const std::string& url) {
    const auto opened = l.run(brokers.open(l, context{}, url));
    return opened ? "it opens" : opened.error().describe();
  }
  void run_sql(const std::string& sql) {
    auto file = storage::sqlite_file::open(l, {.path = folder.file()});
    ASSERT_TRUE(file) << file.error().describe();
    const auto done = (*file)->transact([&](storage::sqlite_session& s) -> result<> {
      WEFT_TRY_VOID(s.run(sql));
      return {};
    });
    ASSERT_TRUE(done) << done.error().describe();
  }
};

TEST_F(SqliteBrokerFile, IsHeldByOne) {
  const auto held = l.run(open_sqlite_hub(l, {.path = folder.file()}));
  ASSERT_TRUE(held);
  const auto second = l.run(open_sqlite_hub(l, {.path = folder.file()}));  // as another process would
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), errc::failed_precondition);
  EXPECT_NE(second.error().describe().find("is in use"), std::string::npos) << second.error().describe();
  EXPECT_NE(second.error().remedy().find("one process"), std::string::npos);
}

TEST_F(SqliteBrokerFile, MayNotBeSomebodyElses) {
  run_sql("CREATE TABLE orders (id TEXT)");
  EXPECT_NE(refusal("sqlite:" + folder.file()).find("no broker's"), std::string::npos);
  EXPECT_NE(refusal("sqlite:" + folder.file()).find("a file of its own"), std::string::npos);
}

TEST_F(SqliteBrokerFile, MayNotComeFromALaterVersion) {
  ASSERT_EQ(refusal("sqlite:" + folder.file()), "it opens");
  run_sql("UPDATE weft_broker SET format = 2");
  EXPECT_NE(refusal("sqlite:" + folder.file()).find("has format 2"), std::string::npos);
}

TEST_F(SqliteBrokerFile, MustBeADatabase) {
  std::ofstream{folder.file()} << std::string(8192, 'x');
  const auto opened = l.run(open_sqlite_hub(l, {.path = folder.file()}));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), errc::data_loss) << opened.error().describe();
}

TEST_F(SqliteBrokerFile, MustHoldMessagesThatCanBeRead) {
  ASSERT_EQ(refusal("sqlite:" + folder.file()), "it opens");
  for (const char* damaged : {"x'02'", "x''", "x'01ffffffffffffffffffff'", "'text'", "x'0105'"}) {
    run_sql("DELETE FROM messages");
    run_sql("INSERT INTO messages VALUES (7, x'01', NULL, NULL, " + std::string{damaged} + ")");
    const auto opened = l.run(open_sqlite_hub(l, {.path = folder.file()}));
    ASSERT_FALSE(opened) << damaged;
    EXPECT_EQ(opened.error().code(), errc::data_loss) << damaged << ": " << opened.error().describe();
  }
}

TEST_F(SqliteBrokerFile, TakesParametersFromTheUrl) {
  EXPECT_EQ(refusal("sqlite:" + folder.file() + "?max_messages=10&max_bytes=1000"), "it opens");
  EXPECT_NE(refusal("sqlite:" + folder.file() + "?size=10").find("it has max_messages"), std::string::npos);
  EXPECT_NE(refusal("sqlite:" + folder.file() + "?max_messages=ten").find("no whole number"), std::string::npos);
  EXPECT_NE(refusal("sqlite:" + folder.file() + "?max_messages=0").find("max_messages"), std::string::npos);
  EXPECT_NE(refusal("sqlite:").find("needs a file"), std::string::npos);
  EXPECT_NE(refusal("sqlite::memory:").find("memory:"), std::string::npos);
  EXPECT_NE(refusal("sqlite:" + folder.path + "/none/broker.db").find("folder"), std::string::npos);
}

task<void> open_and_publish(loop& l, broker_factory& brokers, std::string url, int count) {
  auto bus = co_await brokers.open(l, context{}, std::move(url));
  EXPECT_TRUE(bus) << bus.error().describe();
  for (int i = 0; i < count; ++i) {
    const auto sent = co_await publish_one(
        **bus, {}, {.what = {.id = std::to_string(i), .topic = "x", .key = i % 2 == 0 ? "even" : "odd"}});
    EXPECT_TRUE(sent) << sent.error().describe();
  }
  co_await (*bus)->close(context{});
}

task<void> open_and_consume(loop& l, broker_factory& brokers, std::string url, int count) {
  auto bus = co_await brokers.open(l, context{}, std::move(url));
  EXPECT_TRUE(bus) << bus.error().describe();
  const auto c = (co_await (*bus)->subscribe({}, {.group = "g", .patterns = {"x"}})).value();
  int last[2] = {-2, -1};
  for (int taken = 0; taken < count; ++taken) {
    const auto d = (co_await c->next(context{}.with_timeout(l, std::chrono::seconds{60}))).value();
    const auto id = std::stoi(d->what->id);
    EXPECT_EQ(id, last[id % 2] + 2);
    last[id % 2] = id;
    EXPECT_TRUE(co_await c->settle({}, d->tag, settlement::ack()));
  }
}

// Whoever opens it first: the file outlives the loop that did.
TEST_F(SqliteBrokerFile, IsSharedByTheLoopsOfAProcess) {
  constexpr int count = 300;
  const auto url = "sqlite:" + folder.file() + "?max_messages=50";
  {  // so that the group is there before anything is published
    const auto bus = l.run(brokers.open(l, context{}, url)).value();
    ASSERT_TRUE(l.run(bus->subscribe({}, {.group = "g", .patterns = {"x"}})));
    l.run(bus->close(context{}));
  }
  cores all{{.count = 2}};
  all.run([&](loop& on, unsigned core) {
    return core == 0 ? open_and_publish(on, brokers, url, count) : open_and_consume(on, brokers, url, count);
  });
}

// Takes as many messages as there are, and ends its process.
[[noreturn]] void take_and_end(const std::string& path, bool publish, int status) {
  epoll_loop l;
  const auto hub = l.run(open_sqlite_hub(l, {.path = path})).value();
  sqlite_broker bus{l, hub};
  const auto c = l.run(bus.subscribe({}, {.group = "g", .patterns = {"x"}, .prefetch = 2000})).value();
  if (publish) {
    std::vector<outgoing> batch(1500);  // more than one mapping of the notes holds
    for (std::size_t i = 0; i < batch.size(); ++i) batch[i].what = {.id = std::to_string(i), .topic = "x"};
    for (const auto& each : l.run(bus.publish({}, batch)))
      if (!each) std::_Exit(1);
  }
  while (c->try_next()) {
  }
  std::_Exit(status);
}

// F14: the kernel knows what was out, whatever the process wrote or did not write itself.
TEST(SqliteBrokerProcess, CountsTheAttemptsOfProcessesThatEnded) {
  const temporary_folder folder;
  EXPECT_EXIT(take_and_end(folder.file(), true, 3), testing::ExitedWithCode(3), "");
  EXPECT_EXIT(take_and_end(folder.file(), false, 4), testing::ExitedWithCode(4), "");
  epoll_loop l;
  const auto hub = l.run(open_sqlite_hub(l, {.path = folder.file()})).value();
  sqlite_broker bus{l, hub};
  const auto c = l.run(bus.subscribe({}, {.group = "g", .patterns = {"x"}, .prefetch = 2000})).value();
  int count = 0;
  while (const auto d = c->try_next()) {
    EXPECT_EQ(d->attempt, 3u) << d->what->id;
    EXPECT_TRUE(d->redelivered);
    ++count;
  }
  EXPECT_EQ(count, 1500);
}

TEST_F(SqliteBrokerFile, IsOpenedOnceForAllWhoAskAtATime) {
  const auto url = "sqlite:" + folder.file();
  const auto open = [&] { return brokers.open(l, context{}, url); };
  const auto both = [](loop& on, auto first, auto second) -> task<bool> {
    const auto [a, b] = co_await when_all(on, std::move(first), std::move(second));
    co_return a.has_value() && b.has_value();
  };
  EXPECT_TRUE(l.run(both(l, open(), open())));
  EXPECT_EQ(refusal(url), "it opens");  // and again after both have gone
}

}  // namespace
}  // namespace weft::messaging
