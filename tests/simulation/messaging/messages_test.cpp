// Every message whose publish() was confirmed is handled at least once by every group, in the order of its key, each
// call as a whole, and nothing is invented: through crashes of the process and losses of power, under each seed.
// weft-style: allow thread in this file: seeds are explored on two threads, and the totals are of all of them
#include <weft/testkit/explore.hpp>

#include <gtest/gtest.h>

#include <iostream>
#include <mutex>

#include "scenario.hpp"

namespace messages {
namespace {

using namespace weft::testkit;

class totals {
 public:
  void add(const run_summary& s) {
    const std::lock_guard guard{lock_};
    sum_.published += s.published, sum_.handled += s.handled, sum_.again += s.again, sum_.crashes += s.crashes;
  }
  friend std::ostream& operator<<(std::ostream& out, const totals& t) {
    return out << t.sum_.published << " messages published, " << t.sum_.handled << " handled by two groups, "
               << t.sum_.again << " of them more than once; " << t.sum_.crashes << " crashes\n";
  }
  [[nodiscard]] const run_summary& sum() const { return sum_; }

 private:
  std::mutex lock_;
  run_summary sum_;
};

void expect_kept(const char* name, backend over) {
  totals all;
  const auto report =
      explore({.name = name, .seeds = 200, .threads = 2}, [&](simulation& sim) { all.add(run_messages(sim, over)); });
  EXPECT_TRUE(report.passed()) << report;
  std::cout << report << all;
}

TEST(Messages, KeepTheirPromisesOverMemory) { expect_kept("Messages.KeepTheirPromisesOverMemory", backend::memory); }

TEST(Messages, KeepTheirPromisesOverSqlite) { expect_kept("Messages.KeepTheirPromisesOverSqlite", backend::sqlite); }

TEST(Messages, NoticeADiskThatDoesNotSync) {
  const auto report = explore({.name = "Messages.NoticeADiskThatDoesNotSync", .seeds = 50},
                              [](simulation& sim) { run_messages(sim, backend::sqlite_on_a_lying_disk); });
  ASSERT_EQ(report.failures.size(), 1u) << report;
  EXPECT_TRUE(report.failures.front().replayed_exactly) << report;
}

}  // namespace
}  // namespace messages
