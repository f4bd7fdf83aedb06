// F3: what a URL says about the pool.
#include "postgres/connecting.hpp"
#include "postgres/values.hpp"

#include <gtest/gtest.h>

namespace weft::storage {
namespace {

using namespace std::chrono_literals;

TEST(PostgresUrl, SetsConnectionsStatementsAndTimeouts) {
  postgres_options o{.url =
                         "postgres://app:secret@db.local:6432/shop?connections=3&sslmode=disable&statements=0&"
                         "queue=7&connect_timeout=2&statement_timeout=1500&cancel_grace=3s&result_bytes=1000&"
                         "max_pause=2m"};
  const auto target = parse_target(o);
  ASSERT_TRUE(target) << target.error().describe();
  EXPECT_EQ(o.connections, 3u);
  EXPECT_EQ(o.statements, 0u);
  EXPECT_EQ(o.queue, 7u);
  EXPECT_EQ(o.connect_timeout, 2s);
  EXPECT_EQ(o.statement_timeout, 1500ms);
  EXPECT_EQ(o.cancel_grace, 3s);
  EXPECT_EQ(o.result_bytes, 1000u);
  EXPECT_EQ(o.longest_pause, 2min);
  EXPECT_EQ(target->describe(), "db.local:6432/shop");
  bool ssl = false;
  for (const auto& [name, value] : target->settings) ssl = ssl || (name == "sslmode" && value == "disable");
  EXPECT_TRUE(ssl);
}

TEST(PostgresUrl, NamesWhatIsWrongAndNothingElse) {
  for (const auto* parameter : {"connections=0", "connections=many", "connections=", "statements=-1", "queue=1.5",
                                "connect_timeout=5x", "statement_timeout=soon", "result_bytes=0", "cancel_grace"}) {
    postgres_options o{.url = std::string{"postgres://app:s3cret@db/shop?"} + parameter};
    const auto refused = parse_target(o);
    ASSERT_FALSE(refused) << parameter;
    EXPECT_EQ(refused.error().code(), errc::invalid_argument);
    const std::string_view name{parameter};
    EXPECT_TRUE(refused.error().message().contains(name.substr(0, name.find('=')))) << refused.error().describe();
    EXPECT_FALSE(refused.error().describe().contains("s3cret"));
  }
  postgres_options unknown{.url = "postgres://app:s3cret@db/shop?conections=3"};
  EXPECT_EQ(parse_target(unknown).error().code(), errc::invalid_argument);
}

TEST(PostgresUrl, ZeroSecondsToConnectAreForEver) {
  postgres_options o{.url = "postgres://db/shop?connect_timeout=0"};
  ASSERT_TRUE(parse_target(o));
  EXPECT_EQ(o.connect_timeout, duration::max());
}

// Names of prepared statements say what they are, for whoever shares a session.
TEST(PostgresNames, MeanTheSameStatementForEverybody) {
  EXPECT_EQ(prepared_name(prepared_key("SELECT 1", {}), 0), prepared_name(prepared_key("SELECT 1", {}), 0));
  EXPECT_NE(prepared_name(prepared_key("SELECT 1", {}), 0), prepared_name(prepared_key("SELECT 2", {}), 0));
  EXPECT_NE(prepared_name(prepared_key("SELECT $1", {"x"}), 0),
            prepared_name(prepared_key("SELECT $1", {blob{"x"}}), 0));
  EXPECT_NE(prepared_name(prepared_key("SELECT 1", {}), 0), prepared_name(prepared_key("SELECT 1", {}), 1));
  EXPECT_LE(prepared_name(prepared_key("SELECT 1", {}), 4'000'000'000).size(), 63u);  // what PostgreSQL keeps of a name
}

}  // namespace
}  // namespace weft::storage
