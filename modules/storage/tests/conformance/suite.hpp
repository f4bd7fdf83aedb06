#pragma once
// What every engine promises, as tests over any of them.
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/runtime/when.hpp>
#include <weft/storage.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace weft::storage {

// A database that is empty, for one test.
class place {
 public:
  virtual ~place() = default;
  virtual task<result<std::unique_ptr<database>>> open(loop& l) = 0;
  // Breaks the connection of the transaction, as a crash of the server would. False: there is none to break.
  virtual task<bool> cut(transaction&, database&) { co_return false; }
  // A statement that runs for minutes.
  [[nodiscard]] virtual std::string slow_statement() const = 0;
};

struct engine_under_test {
  std::string name;
  std::function<std::unique_ptr<place>()> make;
};

class Sql : public testing::TestWithParam<engine_under_test> {
 protected:
  void SetUp() override;
  void TearDown() override;

  template <class T>
  T run(task<T> work) {
    return loop_.run(std::move(work));
  }
  rows query(std::string sql, parameters values = {}) {
    auto got = run(db->query(context{}, std::move(sql), std::move(values)));
    EXPECT_TRUE(got) << got.error().describe();
    return got ? *got : rows{};
  }
  std::int64_t execute(std::string sql, parameters values = {}) {
    auto got = run(db->execute(context{}, std::move(sql), std::move(values)));
    EXPECT_TRUE(got) << got.error().describe();
    return got.value_or(-1);
  }
  errc code(std::string sql, parameters values = {}) {
    auto got = run(db->query(context{}, std::move(sql), std::move(values)));
    EXPECT_FALSE(got);
    return got ? errc{} : got.error().code();
  }
  std::int64_t count(const std::string& table) {
    return query("SELECT count(*) FROM " + table).scalar<std::int64_t>().value_or(-1);
  }
  [[nodiscard]] bool sqlite() const { return db->kind() == engine::sqlite; }
  [[nodiscard]] std::string bytes_type() const { return sqlite() ? "blob" : "bytea"; }

  // What takes a while, and ends by itself.
  [[nodiscard]] std::string slower_statement() const {
    return sqlite() ? "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300000) "
                      "SELECT count(*) FROM n"
                    : "SELECT pg_sleep(0.1)";
  }
  static task<void> turn(loop& l) { static_cast<void>(co_await weft::sleep(l, context{}, duration{1})); }

  epoll_loop loop_;
  std::unique_ptr<place> where;
  std::unique_ptr<database> db;
};

// One of whose statements has debited an account, and another of which will fail to credit one.
class SqlFailing : public Sql {
 protected:
  void SetUp() override;
  void TearDown() override;
  // Nothing of the transaction stays, whoever wants it committed.
  void expect_undone();
  static constexpr const char* credit = "UPDATE accounts SET amount = amount + 10 WHERE id = 'b'";
  std::optional<transaction> tx;
};

}  // namespace weft::storage
