// The suite over SQLite: a file, and a simulated disk that loses what was not synced when its host dies.
#include "conformance/suite.hpp"

#include <weft/runtime/epoll_loop.hpp>
#include <weft/storage/sqlite.hpp>
#include <weft/testkit/simulation.hpp>

#include <filesystem>

namespace weft::messaging {
namespace {

class file_place final : public place {
 public:
  file_place() {
    auto pattern = (std::filesystem::temp_directory_path() / "weft-outbox-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~file_place() override { std::filesystem::remove_all(folder_); }
  loop& home() override { return loop_; }
  void run(task<void> work) override { loop_.run(std::move(work)); }
  // One that was dropped holds the file until the call ends that it made last.
  task<result<std::unique_ptr<storage::database>>> open() override {
    const auto in_time = context{}.with_timeout(loop_, std::chrono::seconds{30});
    for (;;) {
      auto opened = co_await storage::open(loop_, context{}, "sqlite:" + folder_ + "/test.db");
      if (opened || opened.error().code() != errc::failed_precondition) co_return opened;
      if (!co_await weft::sleep(loop_, in_time, std::chrono::milliseconds{1})) co_return opened;
    }
  }

 private:
  std::string folder_;
  epoll_loop loop_;
};

class simulated_place final : public place {
 public:
  simulated_place() { host_.set_disk_options({.keep_unsynced = 0}); }
  loop& home() override { return host_.loop(); }
  void run(task<void> work) override { sim_.run(host_, std::move(work)); }
  task<result<std::unique_ptr<storage::database>>> open() override {
    WEFT_CO_TRY(std::unique_ptr<storage::database> made,
                co_await storage::open_sqlite(host_.loop(), {.path = "test.db", .disk = &host_.blocking_disk()}));
    co_return made;
  }
  void die() override {
    host_.crash(testkit::crash_kind::power);
    host_.restart();
  }

 private:
  testkit::simulation sim_{1};
  testkit::host& host_ = sim_.add_host("db");
};

const auto engines =
    testing::Values(engine_under_test{"file", [] { return std::make_unique<file_place>(); }},
                    engine_under_test{"simulated", [] { return std::make_unique<simulated_place>(); }});

INSTANTIATE_TEST_SUITE_P(Sqlite, Outbox, engines, [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(Sqlite, Inbox, engines, [](const auto& info) { return info.param.name; });

class OutboxOnSqlite : public Outbox {};
INSTANTIATE_TEST_SUITE_P(Sqlite, OutboxOnSqlite, engines, [](const auto& info) { return info.param.name; });

using namespace std::chrono_literals;

// G6: an SQLite file has one process. Whatever held leases before it is dead, and its rows wait for nobody.
TEST_P(OutboxOnSqlite, TakesOverAtOnceWhatAProcessBeforeHeld) {
  start_relay({.lease = 1h, .poll = 1h});
  start_relay({.lease = 1h, .poll = 1h});
  until([&] { return relays[1]->statistics().leases == 8; }, "they share");
  bus->hold_answers();
  add({message_of("1", "k"), message_of("2", "k")});
  until([&] { return !bus->taken().empty(); }, "one is with the broker");
  restart();  // kill -9
  bus->release_answers();
  auto& first = start_relay({.lease = 1h, .poll = 1h});
  EXPECT_EQ(first.statistics().leases, 16u);
  until_empty();
  // One beside it, and one that went without a word in this process, are not taken for dead.
  auto& second = start_relay({.lease = 1h, .poll = 1h});
  until([&] { return first.statistics().leases == 8 && second.statistics().leases == 8; }, "they share");
  EXPECT_EQ(first.statistics().leases_lost, 0u);
}

}  // namespace
}  // namespace weft::messaging
