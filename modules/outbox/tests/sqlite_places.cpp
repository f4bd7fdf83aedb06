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
  task<result<std::unique_ptr<storage::database>>> open() override {
    return storage::open(loop_, context{}, "sqlite:" + folder_ + "/test.db");
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

}  // namespace
}  // namespace weft::messaging
