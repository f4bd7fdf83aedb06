#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/posix_disk.hpp>
#include <weft/runtime/task_group.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <sys/resource.h>
#include <csignal>

// What both disks promise is tested in testkit, over both of them; this is what only the file system does.
namespace weft {
namespace {

class PosixDisk : public testing::Test {
 protected:
  PosixDisk() {
    auto pattern = (std::filesystem::temp_directory_path() / "weft-disk-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
  }
  ~PosixDisk() override { std::filesystem::remove_all(folder); }
  std::unique_ptr<posix_disk> open(std::string path) {
    return loop.run(posix_disk::open(loop, std::move(path))).value();
  }

  std::string folder;
  epoll_loop loop;
};

TEST_F(PosixDisk, KeepsFilesInItsFolder) {
  auto disk = open(folder + "/data");
  auto f = loop.run(disk->open("wal", open_mode::create)).value();
  ASSERT_TRUE(loop.run(f->append("one")));
  ASSERT_TRUE(loop.run(f->sync()));
  ASSERT_TRUE(loop.run(disk->sync_directory()));
  std::ifstream file{folder + "/data/wal"};
  std::string text;
  std::getline(file, text);
  EXPECT_EQ(text, "one");
  auto again = open(folder + "/data");
  EXPECT_EQ(loop.run(again->list()).value(), std::vector<std::string>{"wal"});
}

TEST_F(PosixDisk, SaysWhichFolderItCannotUse) {
  auto missing = loop.run(posix_disk::open(loop, folder + "/no/such"));
  EXPECT_EQ(missing.error().code(), errc::not_found);
  EXPECT_NE(missing.error().describe().find("/no/such"), std::string::npos);
  std::ofstream{folder + "/file"} << "text";
  EXPECT_EQ(loop.run(posix_disk::open(loop, folder + "/file")).error().code(), errc::invalid_argument);
}

TEST_F(PosixDisk, SeesNoSubFolders) {
  std::filesystem::create_directory(folder + "/sub");
  auto disk = open(folder);
  EXPECT_TRUE(loop.run(disk->list()).value().empty());
  EXPECT_EQ(loop.run(disk->open("sub", open_mode::existing)).error().code(), errc::invalid_argument);
}

TEST_F(PosixDisk, AnAppendThatDoesNotFitLeavesNothing) {
  auto disk = open(folder);
  auto f = loop.run(disk->open("wal", open_mode::create)).value();
  ASSERT_TRUE(loop.run(f->append("whole")));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 8;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  auto full = loop.run(f->append("does not fit"));
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(full.error().code(), errc::resource_exhausted);
  EXPECT_EQ(loop.run(read_all(*f, 100)).value(), "whole");
}

task<void> append_later(file& f) { static_cast<void>(co_await f.append("late")); }
TEST_F(PosixDisk, ACallOutlivesTheTaskThatWaitsForIt) {
  auto disk = open(folder);
  auto f = loop.run(disk->open("wal", open_mode::create)).value();
  {
    task_group group{loop};
    group.spawn(append_later(*f));
    loop.poll();
  }
  f.reset();
  disk.reset();
  // The pool is at it: what nobody waits for any more is done all the same, and on an open file.
  const auto on_disk = [this] {
    std::ifstream in{std::filesystem::path{folder} / "wal"};
    return std::string{std::istreambuf_iterator<char>{in}, {}};
  };
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (on_disk().empty() && std::chrono::steady_clock::now() < until) loop.poll();
  EXPECT_EQ(on_disk(), "late");
}

}  // namespace
}  // namespace weft
