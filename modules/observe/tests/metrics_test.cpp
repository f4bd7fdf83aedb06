#include <weft/observe/metrics.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>
#include <thread>

namespace weft::observe {
namespace {
using namespace std::chrono_literals;

registry_options small() { return {.shards = 4, .max_series = 3}; }

TEST(Metrics, AreExposedAsPrometheusText) {
  registry metrics{{.shards = 2}};
  auto requests = metrics.add_counter("app_requests_total", "Requests, by \\ and\nresult.", {"method", "path"});
  requests.with({"POST", "/b"}).add(2);
  requests.with({"GET", "quote\" back\\slash\nline"}).add();
  requests.with({"GET", "bad\xff utf8 \xc3\xa9"}).add();
  auto open = metrics.add_gauge("app_open_connections", "Connections.");
  open.add(5);
  open.subtract(7);
  metrics.add_gauge("app_temperature", "Set.").set(21.5);
  const double bounds[] = {0.1, 0.5, 1};
  auto seconds = metrics.add_histogram("app_duration_seconds", "Time.", std::vector<std::string>{"route"}, bounds);
  const auto route = seconds.with({"/"});
  for (const double value : {0.05, 0.1, 0.25, 1.0, 4.0}) route.record(value);
  route.record(500ms);
  route.record(std::numeric_limits<double>::quiet_NaN());
  const auto depth = metrics.add_callback(callback_kind::gauge, "app_queue_depth", "Waiting.", [] { return 3.0; });

  EXPECT_EQ(metrics.expose(), R"(# HELP app_duration_seconds Time.
# TYPE app_duration_seconds histogram
app_duration_seconds_bucket{route="/",le="0.1"} 2
app_duration_seconds_bucket{route="/",le="0.5"} 4
app_duration_seconds_bucket{route="/",le="1"} 5
app_duration_seconds_bucket{route="/",le="+Inf"} 6
app_duration_seconds_sum{route="/"} 5.9
app_duration_seconds_count{route="/"} 6
# HELP app_open_connections Connections.
# TYPE app_open_connections gauge
app_open_connections -2
# HELP app_queue_depth Waiting.
# TYPE app_queue_depth gauge
app_queue_depth 3
# HELP app_requests_total Requests, by \\ and\nresult.
# TYPE app_requests_total counter
app_requests_total{method="GET",path="bad)"
                              "\xef\xbf\xbd utf8 \xc3\xa9"
                              R"("} 1
app_requests_total{method="GET",path="quote\" back\\slash\nline"} 1
app_requests_total{method="POST",path="/b"} 2
# HELP app_temperature Set.
# TYPE app_temperature gauge
app_temperature 21.5
# HELP weft_metrics_overflow_total Uses of label values beyond a metric's bound on series.
# TYPE weft_metrics_overflow_total counter
weft_metrics_overflow_total{metric="app_duration_seconds"} 0
weft_metrics_overflow_total{metric="app_requests_total"} 0
)");
}

TEST(Metrics, OrderOfCreationDoesNotShow) {
  registry one{small()}, other{small()};
  one.add_counter("b_total", "B.").add();
  one.add_counter("a_total", "A.", {"x"}).with({"2"}).add();
  one.add_counter("a_total", "A.", {"x"}).with({"1"}).add();
  other.add_counter("a_total", "A.", {"x"}).with({"1"}).add();
  other.add_counter("a_total", "A.", {"x"}).with({"2"}).add();
  other.add_counter("b_total", "B.").add();
  EXPECT_EQ(one.expose(), other.expose());
}

TEST(Metrics, AHandleWithoutRegistryCountsNothing) {
  counter{}.add();
  gauge{}.set(1);
  histogram{}.record(1.0);
  counter_family{}.with({"any", "labels"}).add();
  EXPECT_EQ(counter{}.value(), 0u);
}

TEST(Metrics, SeriesBeyondTheBoundAreCountedTogether) {
  registry metrics{small()};
  auto users = metrics.add_counter("app_users_total", "By user.", {"user"});
  for (int i = 0; i < 10; ++i) users.with({"user" + std::to_string(i)}).add();
  users.with({"user1"}).add();
  const auto text = metrics.expose();
  EXPECT_NE(text.find("app_users_total{user=\"user1\"} 2\n"), std::string::npos) << text;
  EXPECT_NE(text.find("app_users_total{user=\"overflow\"} 7\n"), std::string::npos) << text;
  EXPECT_NE(text.find("weft_metrics_overflow_total{metric=\"app_users_total\"} 7\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("user9"), std::string::npos);
}

TEST(Metrics, LongLabelValuesAreCut) {
  registry metrics{small()};
  auto paths = metrics.add_counter("app_paths_total", "By path.", {"path"});
  paths.with({std::string(1000, 'x') + "1"}).add();
  paths.with({std::string(1000, 'x') + "2"}).add();
  EXPECT_NE(metrics.expose().find("{path=\"" + std::string(128, 'x') + "\"} 2\n"), std::string::npos);
}

TEST(Metrics, WrongNamesAreRefusedAtStartUp) {
  registry metrics{small()};
  const auto refused = [&](auto&& add) { EXPECT_THROW(add(), std::invalid_argument); };
  for (const char* name : {"", "1x_total", "a-b_total", "a b_total", "\xc3\xa9_total", "a:b_total", "no_suffix"})
    refused([&] { metrics.add_counter(name, "x"); });
  refused([&] { metrics.add_gauge("gauge_total", "x"); });
  refused([&] { metrics.add_gauge("gauge_count", "x"); });
  for (const char* label : {"", "__name__", "a-b", "1a"})
    refused([&] { metrics.add_counter("a_total", "x", {label}); });
  refused([&] { metrics.add_counter("a_total", "x", {"same", "same"}); });
  refused([&] { metrics.add_histogram("h_seconds", "x", std::vector<std::string>{"le"}); });
  const double falling[] = {1, 0.5}, twice[] = {1, 1}, infinite[] = {1, std::numeric_limits<double>::infinity()};
  refused([&] { metrics.add_histogram("h_seconds", "x", falling); });
  refused([&] { metrics.add_histogram("h_seconds", "x", twice); });
  refused([&] { metrics.add_histogram("h_seconds", "x", infinite); });
  refused([&] { metrics.add_histogram("h_seconds", "x", std::span<const double>{}); });
  refused([] { registry{{.max_series = 0}}; });
}

TEST(Metrics, TheSameMetricMayBeAddedAgainButNotInAnotherShape) {
  registry metrics{small()};
  metrics.add_counter("a_total", "A.", {"x"}).with({"1"}).add();
  metrics.add_counter("a_total", "A.", {"x"}).with({"1"}).add();
  EXPECT_EQ(metrics.add_counter("a_total", "A.", {"x"}).with({"1"}).value(), 2u);
  EXPECT_THROW(metrics.add_counter("a_total", "A.", {"y"}), std::invalid_argument);
  EXPECT_THROW(metrics.add_counter("a_total", "A."), std::invalid_argument);
  metrics.add_histogram("h_seconds", "H.");
  const double other[] = {1, 2};
  EXPECT_THROW(metrics.add_histogram("h_seconds", "H.", other), std::invalid_argument);
  EXPECT_THROW(metrics.add_gauge("h_seconds", "H."), std::invalid_argument);
}

TEST(Metrics, AGaugeIsSetAndMoved) {
  registry metrics{small()};
  auto level = metrics.add_gauge("level", "L.");
  level.add(3);
  level.set(10);
  EXPECT_EQ(level.value(), 10);
  level.subtract(4);
  EXPECT_EQ(level.value(), 6);
}

TEST(Metrics, ACallbackEndsWithItsOwner) {
  registry metrics{small()};
  {
    int depth = 7;
    const auto one = metrics.add_callback(callback_kind::gauge, "depth", "D.", [&] { return depth; }, {{"pool", "b"}});
    const auto two = metrics.add_callback(callback_kind::gauge, "depth", "D.", [&] { return -1; }, {{"pool", "a"}});
    EXPECT_THROW(
        auto again = metrics.add_callback(callback_kind::gauge, "depth", "D.", [] { return 0; }, {{"pool", "a"}}),
        std::invalid_argument);
    EXPECT_NE(metrics.expose().find("depth{pool=\"a\"} -1\ndepth{pool=\"b\"} 7\n"), std::string::npos);
  }
  EXPECT_EQ(metrics.expose().find("depth{"), std::string::npos);
}

TEST(Metrics, ManyThreadsLoseNothing) {
  registry metrics{{.shards = 4, .max_series = 8}};
  constexpr int threads = 8, rounds = 5'000;
  {
    std::vector<std::jthread> running;  // weft-style: allow thread: the test is about threads
    for (int t = 0; t < threads; ++t)
      running.emplace_back([&metrics, t] {
        auto hits = metrics.add_counter("hits_total", "H.");
        auto open = metrics.add_gauge("open", "O.");
        auto time = metrics.add_histogram("time_seconds", "T.");
        auto by_key = metrics.add_counter("keys_total", "K.", {"key"});
        for (int i = 0; i < rounds; ++i) {
          hits.add();
          open.add(i % 2 == 0 ? 1 : -1);
          time.record(i % 2 == 0 ? 0.5 : 2.0);
          by_key.with({"k" + std::to_string((i + t) % 16)}).add();
          if (i % 1000 == 0) EXPECT_FALSE(metrics.expose().empty());
        }
      });
  }
  EXPECT_EQ(metrics.add_counter("hits_total", "H.").value(), threads * rounds);
  EXPECT_EQ(metrics.add_gauge("open", "O.").value(), 0);
  const auto time = metrics.add_histogram("time_seconds", "T.");
  EXPECT_EQ(time.count(), threads * rounds);
  EXPECT_EQ(time.sum(), threads * rounds * 1.25);
  // Which keys came first is chance; that at most eight have a series of their own, and that nothing is lost, is not.
  const auto text = metrics.expose();
  std::uint64_t sum = 0, series = 0;
  for (auto at = text.find("\nkeys_total{"); at != std::string::npos; at = text.find("\nkeys_total{", at + 1), ++series)
    sum += std::stoull(text.substr(text.find("} ", at) + 2));
  EXPECT_EQ(sum, threads * rounds);
  EXPECT_LE(series, 9u);
  EXPECT_GE(series, 2u);
}

}  // namespace
}  // namespace weft::observe
