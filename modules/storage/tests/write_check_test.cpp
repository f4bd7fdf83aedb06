// G4: a database on a full disk answers what is asked of it, and is not healthy.
#include <weft/storage.hpp>
#include <weft/storage/write_check.hpp>
#include <weft/testkit.hpp>

#include <gtest/gtest.h>

namespace weft::storage {
namespace {

using namespace std::chrono_literals;

struct seen_on_disk {
  result<> before, filled, full;
  bool still_read = false;
};

task<void> fill(testkit::host& h, seen_on_disk& seen) {
  const context ctx;
  auto opened = co_await open_sqlite(h.loop(), {.path = "t.db", .disk = &h.blocking_disk()});
  if (!opened) co_return;
  auto& db = **opened;
  write_check writes{db};
  if (seen.before = co_await writes.prepare(ctx); !seen.before) co_return;
  seen.before = co_await writes.run(ctx);
  static_cast<void>(co_await db.execute(ctx, "CREATE TABLE t (filling TEXT)"));
  for (int i = 0; i < 1000 && seen.filled; ++i) {
    const auto done = co_await db.execute(ctx, "INSERT INTO t VALUES ($1)", {std::string(20'000, 'x')});
    if (!done) seen.filled = fail(done.error());
  }
  seen.full = co_await writes.run(ctx);
  seen.still_read = (co_await db.query(ctx, "SELECT count(*) FROM t")).has_value();
  static_cast<void>(co_await db.close());
}

TEST(WriteCheck, SeesAFullDisk) {
  testkit::simulation sim{7};
  auto& h = sim.add_host("db");
  h.set_disk_options({.capacity = 2 << 20});
  seen_on_disk seen;
  sim.run(h, fill(h, seen));
  EXPECT_TRUE(seen.before) << seen.before.error().describe();
  ASSERT_FALSE(seen.filled);
  ASSERT_FALSE(seen.full);
  EXPECT_EQ(seen.full.error().code(), errc::resource_exhausted) << seen.full.error().describe();
  EXPECT_TRUE(seen.still_read) << "which is why a SELECT says nothing";
}

}  // namespace
}  // namespace weft::storage
