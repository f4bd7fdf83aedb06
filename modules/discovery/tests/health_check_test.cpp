// How many answers it takes, and what counts as a good one.
#include <weft/discovery/health_check.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit/run.hpp>

#include <gtest/gtest.h>

#include "hosts.hpp"

namespace weft::discovery {
namespace {

using answer = health_judge::answer;

TEST(HealthJudge, TakesTheThresholdOfBadAnswersInARow) {
  health_judge judge{{.unhealthy_threshold = 3}};
  EXPECT_FALSE(judge.report(answer::bad));
  EXPECT_FALSE(judge.report(answer::bad));
  EXPECT_FALSE(judge.report(answer::good));
  EXPECT_FALSE(judge.report(answer::bad));
  EXPECT_FALSE(judge.report(answer::bad));
  EXPECT_TRUE(judge.healthy());
  EXPECT_TRUE(judge.report(answer::bad));
  EXPECT_FALSE(judge.healthy());
}

TEST(HealthJudge, TakesTheThresholdOfGoodAnswersToComeBack) {
  health_judge judge{{.healthy_threshold = 2, .unhealthy_threshold = 1}};
  EXPECT_TRUE(judge.report(answer::bad));
  EXPECT_FALSE(judge.report(answer::good));
  EXPECT_FALSE(judge.report(answer::bad));
  EXPECT_FALSE(judge.report(answer::good));
  EXPECT_TRUE(judge.report(answer::good));
}

TEST(HealthJudge, OneGoodAnswerIsEnoughAtFirst) {
  health_judge judge{{.healthy_threshold = 5, .initial = initial_health::unhealthy}};
  EXPECT_TRUE(judge.report(answer::good));
  health_judge other{{.healthy_threshold = 2, .initial = initial_health::unhealthy}};
  EXPECT_FALSE(other.report(answer::bad));
  EXPECT_FALSE(other.report(answer::good));
  EXPECT_TRUE(other.report(answer::good));
}

TEST(HealthCheck, OptionsAreCheckedByName) {
  EXPECT_TRUE(health_check{}.validate());
  EXPECT_NE(health_check{.path = "x"}.validate().error().message().find("path"), std::string::npos);
  EXPECT_NE((health_check{.expected = {{200, 700}}}).validate().error().message().find("expected"), std::string::npos);
  EXPECT_FALSE(health_check{.interval = 0s}.validate());
  EXPECT_FALSE(health_check{.unhealthy_threshold = 0}.validate());
}

task<result<http::response>> by_path(http::request& r) {
  if (r.target() == "/slow") static_cast<void>(co_await sleep(*r.home(), {}, 10s));
  if (r.target() == "/busy") co_return http::response{http::status::service_unavailable};
  if (r.target() == "/named" && r.headers.get("X-Check") != "weft") co_return http::response{http::status::forbidden};
  co_return http::response::text("fine");
}

task<std::string> check(loop& l, health_check c, std::uint16_t port) {
  http::client client{l, probe_client_options(c)};
  const auto good = co_await probe(l, {}, client, c, {.host = "127.0.0.1", .port = port});
  co_return good ? "good" : std::string{good.error().message()};
}

TEST(HealthCheck, AsksByHttpAndTcp) {
  testkit::run([](loop& l) -> task<void> {
    http::server server{l, by_path};
    EXPECT_TRUE(server.listen(address::loopback(0)));
    const auto port = server.local().port();
    EXPECT_EQ(co_await check(l, {}, port), "good");
    EXPECT_EQ(co_await check(l, {.path = "/busy"}, port), "status 503, expected 200 to 299");
    EXPECT_EQ(co_await check(l, {.path = "/busy", .expected = {{200, 299}, {503, 503}}}, port), "good");
    EXPECT_EQ(co_await check(l, {.path = "/named"}, port), "status 403, expected 200 to 299");
    EXPECT_EQ(co_await check(l, {.path = "/named", .headers = {{"X-Check", "weft"}}}, port), "good");
    EXPECT_EQ(co_await check(l, {.port = port}, 1), "good");
    EXPECT_EQ(co_await check(l, {.kind = check_kind::tcp}, port), "good");
    EXPECT_NE(co_await check(l, {.kind = check_kind::tcp}, 1), "good");
    EXPECT_NE(co_await check(l, {.kind = check_kind::tls}, port), "good");  // it does not speak TLS
    const auto begin = l.now();
    EXPECT_NE(co_await check(l, {.path = "/slow", .timeout = 500ms}, port), "good");
    EXPECT_LT(l.now() - begin, 2s);
  });
}

}  // namespace
}  // namespace weft::discovery
