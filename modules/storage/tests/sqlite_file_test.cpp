#include <weft/runtime/epoll_loop.hpp>
#include <weft/storage/sqlite_file.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace weft::storage {
namespace {

struct SqliteFile : testing::Test {
  epoll_loop loop;
  std::string folder;
  SqliteFile() {
    auto pattern = (std::filesystem::temp_directory_path() / "weft-file-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
  }
  ~SqliteFile() override { std::filesystem::remove_all(folder); }
  [[nodiscard]] result<std::unique_ptr<sqlite_file>> open() {
    return sqlite_file::open(loop, {.path = folder + "/test.db"});
  }
  static std::int64_t count(sqlite_file& file) {
    std::int64_t number = -1;
    const auto read = file.read([&](sqlite_session& s) -> result<> {
      WEFT_TRY(const auto all, s.run("SELECT count(*) FROM t"));
      WEFT_TRY(number, all.scalar<std::int64_t>());
      return {};
    });
    EXPECT_TRUE(read) << read.error().describe();
    return number;
  }
};

result<> insert_two(sqlite_session& s) {
  WEFT_TRY_VOID(s.run("INSERT INTO t VALUES (1)"));
  WEFT_TRY_VOID(s.run("INSERT INTO t VALUES (2)"));
  return {};
}

TEST_F(SqliteFile, TakesATransactionAsAWhole) {
  auto file = open().value();
  ASSERT_TRUE(file->transact([](sqlite_session& s) -> result<> {
    WEFT_TRY_VOID(s.run("CREATE TABLE t (a INTEGER PRIMARY KEY)"));
    return insert_two(s);
  }));
  const auto failed = file->transact([](sqlite_session& s) -> result<> {
    WEFT_TRY_VOID(s.run("DELETE FROM t"));
    return insert_two(s) ? insert_two(s) : result<>{};
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), errc::already_exists);
  EXPECT_EQ(count(*file), 2);
  EXPECT_THROW(static_cast<void>(file->transact([](sqlite_session& s) -> result<> {
                 WEFT_TRY_VOID(s.run("DELETE FROM t"));
                 throw std::runtime_error{"a bug"};
               })),
               std::runtime_error);
  file.reset();
  file = open().value();
  EXPECT_EQ(count(*file), 2);
}

TEST_F(SqliteFile, UndoesWhatAReaderWrites) {
  auto file = open().value();
  ASSERT_TRUE(file->transact([](sqlite_session& s) -> result<> {
    WEFT_TRY_VOID(s.run("CREATE TABLE t (a INTEGER PRIMARY KEY)"));
    return {};
  }));
  EXPECT_TRUE(file->read(insert_two));
  EXPECT_EQ(count(*file), 0);
}

TEST_F(SqliteFile, IsHeldByOne) {
  const auto held = open();
  ASSERT_TRUE(held);
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), errc::failed_precondition);
}

}  // namespace
}  // namespace weft::storage
