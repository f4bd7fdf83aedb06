#include "ask.hpp"

#include <weft/http/cors.hpp>

#include <gtest/gtest.h>

#include <stdexcept>

namespace weft::http {
namespace {
using testing::ask;

task<result<response>> fine(request&) { co_return response::text("fine"); }
task<result<response>> broken(request&) { co_return fail(errc::not_found, "nothing"); }

TEST(Cors, AnswersPreflights) {
  const auto h = cors({.origins = {"https://app.example.com", "https://*.example.org"}})(fine);
  const auto s = ask(h, method::options, "/x",
                     {{"Origin", "https://app.example.com"},
                      {"Access-Control-Request-Method", "PUT"},
                      {"Access-Control-Request-Headers", "X-A, X-B"}});
  EXPECT_EQ(s.status, 204);
  EXPECT_EQ(s.field("access-control-allow-origin"), "https://app.example.com");
  EXPECT_EQ(s.field("access-control-allow-methods"), "GET, HEAD, POST, PUT, PATCH, DELETE");
  EXPECT_EQ(s.field("access-control-allow-headers"), "X-A, X-B");
  EXPECT_EQ(s.field("access-control-max-age"), "600");
  EXPECT_NE(s.field("vary").find("Origin"), std::string::npos);
  EXPECT_EQ(ask(h, method::options, "/x", {{"Origin", "https://app.example.com"}}).content, "fine") << "no preflight";
}

TEST(Cors, MatchesOriginsExactly) {
  const auto h = cors({.origins = {"https://app.example.com", "https://*.example.org"}})(fine);
  const std::pair<const char*, bool> table[] = {
      {"https://app.example.com", true},
      {"https://a.example.org", true},
      {"https://a.b.example.org", true},
      {"https://example.org", false},
      {"http://app.example.com", false},
      {"https://app.example.com.evil.net", false},
      {"https://app.example.com:8443", false},
      {"https://evil.net/.example.org", false},
      {"https://evil.net:1@a.example.org", false},
      {"https://evilexample.org", false},
      {"https://.example.org", false},
      {"null", false},
      {"", false},
  };
  for (const auto& [origin, allowed] : table) {
    const auto preflight = ask(h, method::options, "/", {{"Origin", origin}, {"Access-Control-Request-Method", "GET"}});
    EXPECT_EQ(preflight.status, allowed ? 204 : 403) << origin;
    const auto plain = ask(h, method::get, "/", {{"Origin", origin}});
    EXPECT_EQ(plain.content, "fine");
    EXPECT_EQ(plain.field("access-control-allow-origin"), allowed ? origin : "") << origin;
    EXPECT_EQ(plain.field("vary"), "Origin") << "caches keep origins apart, allowed or not";
  }
}

TEST(Cors, RefusesMethodsAndHeadersByName) {
  const auto h = cors({.origins = {"*"}, .methods = {"GET"}, .request_headers = {"X-A"}})(fine);
  const auto preflight = [&](std::string method, std::string names) {
    return ask(h, method::options, "/",
               {{"Origin", "https://a"},
                {"Access-Control-Request-Method", method},
                {"Access-Control-Request-Headers", names}});
  };
  EXPECT_EQ(preflight("GET", "x-a").status, 204);
  EXPECT_EQ(preflight("GET", "").field("access-control-allow-origin"), "*");
  EXPECT_EQ(preflight("DELETE", "").status, 403);
  EXPECT_NE(preflight("DELETE", "").content.find("method"), std::string::npos);
  EXPECT_EQ(preflight("GET", "x-a, x-b").status, 403);
}

TEST(Cors, LetsScriptsReadErrorsAndHeaders) {
  const auto options = cors_options{
      .origins = {"https://a"}, .exposed_headers = {"X-Total"}, .cookies = cors_options::credentials::allowed};
  const auto s = ask(cors(options)(broken), method::get, "/", {{"Origin", "https://a"}});
  EXPECT_EQ(s.status, 404);
  EXPECT_EQ(s.field("access-control-allow-origin"), "https://a");
  EXPECT_EQ(s.field("access-control-allow-credentials"), "true");
  EXPECT_EQ(s.field("access-control-expose-headers"), "X-Total");
}

TEST(Cors, RefusesContradictions) {
  EXPECT_THROW(static_cast<void>(cors({})), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(cors({.origins = {"*"}, .cookies = cors_options::credentials::allowed})),
               std::invalid_argument);
  EXPECT_THROW(static_cast<void>(cors({.origins = {"a.example"}})), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(cors({.origins = {"https://a.example/"}})), std::invalid_argument);
}

}  // namespace
}  // namespace weft::http
