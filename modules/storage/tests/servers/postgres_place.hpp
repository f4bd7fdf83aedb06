#pragma once
// The server of the tests, and a schema of each test's own on it.
#include "conformance/suite.hpp"

#include <cstdlib>

namespace weft::storage {

inline std::string server() {
  const char* url = std::getenv("WEFT_POSTGRES_URL");
  return url != nullptr ? url : "postgres://weft:weft@127.0.0.1:24432/weft";
}

// Its "host:port".
inline std::string host_and_port() {
  const auto url = server();
  const auto begin = url.find('@') + 1;
  return url.substr(begin, url.find('/', begin) - begin);
}

// A schema of its own, removed at the end.
class schema final : public place {
 public:
  ~schema() override {
    if (name_.empty()) return;
    epoll_loop l;
    if (auto admin = l.run(open_postgres(l, context{}, {.url = server()})))
      EXPECT_TRUE(l.run((*admin)->execute(context{}, "DROP SCHEMA " + name_ + " CASCADE")));
  }
  task<result<std::unique_ptr<database>>> open(loop& l) override {
    WEFT_CO_TRY(const auto admin, co_await open_postgres(l, context{}, {.url = server()}));
    const auto name = "weft_" + std::to_string(l.random().between(0, std::int64_t{1} << 60));
    WEFT_CO_TRY_VOID(co_await admin->execute(context{}, "CREATE SCHEMA " + name));
    name_ = name;
    co_return co_await storage::open(l, context{}, url());
  }
  task<bool> cut(transaction& tx, database& db) override {
    const auto pid = (co_await tx.query(context{}, "SELECT pg_backend_pid()"))->scalar<int>();
    const auto cut = co_await db.query(context{}, "SELECT pg_terminate_backend($1)", {*pid});
    co_return cut && cut->scalar<bool>().value();
  }
  std::string slow_statement() const override { return "SELECT pg_sleep(120)"; }
  [[nodiscard]] std::string url() const { return server() + "?options=-csearch_path%3D" + name_; }

 private:
  std::string name_;
};

// The same server through something else, at another port of this machine.
inline std::string through(const std::string& url, std::uint16_t port) {
  auto other = url;
  const auto begin = other.find('@') + 1;
  return other.replace(begin, other.find('/', begin) - begin, "127.0.0.1:" + std::to_string(port));
}
inline std::uint16_t server_port() {
  const auto at = host_and_port();
  return static_cast<std::uint16_t>(std::stoi(at.substr(at.rfind(':') + 1)));
}

struct Postgres : testing::Test {
  void SetUp() override {
    auto opened = run(where.open(loop));
    if (!opened && opened.error().code() == errc::unavailable && std::getenv("CI") == nullptr)
      GTEST_SKIP() << opened.error().describe() << "; ./dev services start postgresql";
    ASSERT_TRUE(opened) << opened.error().describe();
    admin = *std::move(opened);
  }
  template <class T>
  T run(task<T> work) {
    return loop.run(std::move(work));
  }
  std::unique_ptr<postgres_database> open(postgres_options options = {}) {
    if (options.url.empty()) options.url = where.url();
    auto opened = run(open_postgres(loop, context{}, std::move(options)));
    EXPECT_TRUE(opened) << opened.error().describe();
    return opened ? *std::move(opened) : nullptr;
  }
  void terminate_others() {
    ASSERT_TRUE(run(admin->query(context{},
                                 "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                                 "AND application_name = $1",
                                 {"weft-doomed"})));
  }

  epoll_loop loop;
  schema where;
  std::unique_ptr<database> admin;
};

}  // namespace weft::storage
