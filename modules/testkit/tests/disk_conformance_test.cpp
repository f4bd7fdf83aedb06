// What every disk promises, over the file system and over the simulated host's disk.
#include "programs.hpp"

#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/posix_disk.hpp>

#include <cstdlib>
#include <filesystem>

namespace weft::testkit {
namespace {

struct simulated {
  simulation sim{1};
  host& only = sim.add_host("only");
  disk& storage() { return only.disk(); }
  template <class T>
  T run(task<T> work) {
    return sim.run(only, std::move(work));
  }
};

struct on_file_system {
  on_file_system() {
    auto pattern = (std::filesystem::temp_directory_path() / "weft-disk-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    disk_ = l.run(posix_disk::open(l, folder)).value();
  }
  ~on_file_system() { std::filesystem::remove_all(folder); }
  disk& storage() { return *disk_; }
  template <class T>
  T run(task<T> work) {
    return l.run(std::move(work));
  }
  epoll_loop l;
  std::string folder;
  std::unique_ptr<posix_disk> disk_;
};

template <class Where>
class Disk : public testing::Test {
 protected:
  Where where;
  disk& d = where.storage();
  std::unique_ptr<file> create(std::string name) {
    return where.run(d.open(std::move(name), open_mode::create)).value();
  }
  std::string content(file& f) { return where.run(read_all(f, 1 << 20)).value(); }
};
using Implementations = testing::Types<simulated, on_file_system>;
TYPED_TEST_SUITE(Disk, Implementations);

TYPED_TEST(Disk, ReadsWhatWasWritten) {
  auto f = this->create("f");
  auto& w = this->where;
  ASSERT_TRUE(w.run(f->append("hello")));
  ASSERT_TRUE(w.run(f->append(" world")));
  ASSERT_TRUE(w.run(f->write_at(0, "J")));
  EXPECT_EQ(this->content(*f), "Jello world");
  EXPECT_EQ(w.run(f->size()).value(), 11u);
  std::array<char, 4> part{};
  EXPECT_EQ(w.run(f->read_at(9, part)).value(), 2u);
  EXPECT_EQ((std::string{part.data(), 2}), "ld");
  EXPECT_EQ(w.run(f->read_at(11, part)).value(), 0u);
  EXPECT_EQ(w.run(f->read_at(1000, part)).value(), 0u);
}

TYPED_TEST(Disk, FillsAHoleWithZeros) {
  auto f = this->create("f");
  ASSERT_TRUE(this->where.run(f->write_at(3, "x")));
  EXPECT_EQ(this->content(*f), (std::string{"\0\0\0x", 4}));
}

TYPED_TEST(Disk, Truncates) {
  auto f = this->create("f");
  ASSERT_TRUE(this->where.run(f->append("0123456789")));
  ASSERT_TRUE(this->where.run(f->truncate(4)));
  ASSERT_TRUE(this->where.run(f->append("x")));
  EXPECT_EQ(this->content(*f), "0123x");
  ASSERT_TRUE(this->where.run(f->truncate(7)));
  EXPECT_EQ(this->content(*f), (std::string{"0123x\0\0", 7}));
  EXPECT_TRUE(this->where.run(f->sync()));
}

TYPED_TEST(Disk, OpensWhatExistsAndCreatesWhatDoesNot) {
  auto& w = this->where;
  EXPECT_EQ(w.run(this->d.open("f", open_mode::existing)).error().code(), errc::not_found);
  ASSERT_TRUE(w.run(this->create("f")->append("text")));
  EXPECT_EQ(this->content(*this->create("f")), "text");
  EXPECT_EQ(this->content(*w.run(this->d.open("f", open_mode::existing)).value()), "text");
}

TYPED_TEST(Disk, ListsSortedNames) {
  for (auto name : {"b", "c", "a"}) this->create(name);
  EXPECT_EQ(this->where.run(this->d.list()).value(), (std::vector<std::string>{"a", "b", "c"}));
}

TYPED_TEST(Disk, RenamesOverWhatIsThere) {
  auto& w = this->where;
  ASSERT_TRUE(w.run(this->create("new")->append("new")));
  ASSERT_TRUE(w.run(this->create("old")->append("old")));
  ASSERT_TRUE(w.run(this->d.rename("new", "old")));
  EXPECT_EQ(w.run(this->d.list()).value(), std::vector<std::string>{"old"});
  EXPECT_EQ(this->content(*this->create("old")), "new");
  EXPECT_EQ(w.run(this->d.rename("gone", "x")).error().code(), errc::not_found);
  EXPECT_TRUE(w.run(this->d.sync_directory()));
}

TYPED_TEST(Disk, ARemovedFileStaysForWhoHasItOpen) {
  auto& w = this->where;
  auto f = this->create("f");
  ASSERT_TRUE(w.run(f->append("kept")));
  ASSERT_TRUE(w.run(this->d.remove("f")));
  EXPECT_EQ(this->content(*f), "kept");
  EXPECT_TRUE(w.run(this->d.list()).value().empty());
  EXPECT_EQ(w.run(this->d.remove("f")).error().code(), errc::not_found);
}

TYPED_TEST(Disk, RefusesNamesThatLeadElsewhere) {
  for (const std::string name : {"", ".", "..", "a/b", "../x"}) {
    EXPECT_EQ(this->where.run(this->d.open(name, open_mode::create)).error().code(), errc::invalid_argument) << name;
    EXPECT_EQ(this->where.run(this->d.remove(name)).error().code(), errc::invalid_argument) << name;
  }
}

}  // namespace
}  // namespace weft::testkit
