#include <weft/http/url.hpp>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace weft::http {
namespace {

TEST(Url, ReadsItsParts) {
  const auto u = url::parse("HTTPS://Users.Internal:8443/api/v1?page=2#top");
  ASSERT_TRUE(u) << u.error().describe();
  EXPECT_TRUE(u->encrypted());
  EXPECT_EQ(u->host, "users.internal");
  EXPECT_EQ(u->port, 8443);
  EXPECT_EQ(u->target, "/api/v1?page=2");
  EXPECT_EQ(u->path(), "/api/v1");
  EXPECT_EQ(u->query(), "page=2");
  EXPECT_EQ(u->authority(), "users.internal:8443");
}

TEST(Url, KnowsDefaults) {
  const auto u = url::parse("http://a?x=1");
  ASSERT_TRUE(u);
  EXPECT_EQ(u->port, 80);
  EXPECT_EQ(u->target, "/?x=1");
  EXPECT_EQ(u->authority(), "a");
  EXPECT_EQ(url::parse("https://a")->port, 443);
  EXPECT_EQ(url::parse("https://a:")->to_string(), "https://a/");
  EXPECT_EQ(url::parse("https://a:443/")->authority(), "a");
}

TEST(Url, ReadsAddressesAndSockets) {
  const auto v6 = url::parse("http://[::1]:8080/x");
  ASSERT_TRUE(v6) << v6.error().describe();
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->authority(), "[::1]:8080");
  const auto socket = url::parse("unix:/run/a.sock:/users?page=1");
  ASSERT_TRUE(socket) << socket.error().describe();
  EXPECT_EQ(socket->host, "/run/a.sock");
  EXPECT_EQ(socket->target, "/users?page=1");
  EXPECT_EQ(socket->authority(), "localhost");
  EXPECT_EQ(url::parse("unix:///run/a.sock")->host, "/run/a.sock");
  EXPECT_EQ(url::parse("unix:///run/a.sock")->target, "/");
}

TEST(Url, RefusesWhatIsNoUrl) {
  for (const auto* text : {"",
                           "http:",
                           "http://",
                           "http:///x",
                           "ftp://a",
                           "//a/b",
                           "/a",
                           "http://user:secret@a/",
                           "http://user@a",
                           "http://a:0",
                           "http://a:65536",
                           "http://a:8o",
                           "http://a:+80",
                           "http://a:80:80",
                           "http://[::1",
                           "http://[::1]x",
                           "http://[a]",
                           "http://[127.0.0.1]",
                           "http://a b/",
                           "http://a%20b/",
                           "http://a/b c",
                           "http://a/\r\nX: y",
                           "http://a/\xc3\xa9",
                           "http://a\\b/",
                           "unix:",
                           "unix:run/a.sock",
                           "unix://run/a.sock"}) {
    const auto u = url::parse(text);
    EXPECT_FALSE(u) << text;
    if (!u) {
      EXPECT_EQ(u.error().code(), errc::invalid_argument);
      EXPECT_EQ(u.error().describe().find("secret"), std::string::npos);
    }
  }
  EXPECT_FALSE(url::parse(std::string_view{"http://a\0b/", 11}));
  EXPECT_FALSE(url::parse("http://" + std::string(300, 'a')));
}

RC_GTEST_PROP(Url, WrittenAndReadAgainIsTheSame, (const std::string& path, std::uint16_t port)) {
  const url u{.scheme = url::scheme_kind::https,
              .host = "a.b",
              .port = static_cast<std::uint16_t>(port == 0 ? 1 : port),
              .target = "/" + percent_encode_path(path)};
  const auto again = url::parse(u.to_string());
  RC_ASSERT(again.has_value());
  RC_ASSERT(*again == u);
}

RC_GTEST_PROP(PercentCoding, DecodesWhatItEncoded, (const std::string& text)) {
  const auto encoded = percent_encode(text);
  for (const char c : encoded) RC_ASSERT(c > ' ' && c < 0x7f && c != '/' && c != '?' && c != '&' && c != '+');
  RC_ASSERT(percent_decode(encoded).value() == text);
  RC_ASSERT(percent_decode(percent_encode_path(text)).value() == text);
}

TEST(PercentCoding, RefusesWhatIsMalformed) {
  for (const auto* text : {"%", "%2", "a%", "%g0", "%0g", "%%20", "% 1", "%-1"})
    EXPECT_FALSE(percent_decode(text)) << text;
  EXPECT_EQ(percent_decode("%2f%2F+%00").value(), (std::string{"//+\0", 4}));
  EXPECT_FALSE(percent_decode_path("a%00b"));
}

TEST(NormalizePath, GivesEachPathOneSpelling) {
  const std::pair<const char*, const char*> table[] = {
      {"/", "/"},
      {"/a", "/a"},
      {"/a/", "/a/"},
      {"/a/./b", "/a/b"},
      {"/a/../b", "/b"},
      {"/a/..", "/"},
      {"/a/b/..", "/a/"},
      {"/a/.", "/a/"},
      {"/.", "/"},
      {"/a/%2e%2E/b", "/b"},
      {"/a/%2e/b", "/a/b"},
      {"//a//b", "//a//b"},
      {"/a//..", "/a/"},
      {"/%61%7e%2d", "/a~-"},
      {"/a%2fb", "/a%2Fb"},
      {"/..%2fb", "/..%2Fb"},
      {"/%252e%252e", "/%252e%252e"},
      {"/...", "/..."},
      {"/a%c3%a9", "/a%C3%A9"},
  };
  for (const auto& [raw, expected] : table) {
    const auto path = normalize_path(raw);
    ASSERT_TRUE(path) << raw << ": " << path.error().describe();
    EXPECT_EQ(*path, expected) << raw;
    EXPECT_EQ(normalize_path(*path).value(), expected) << "a second time: " << raw;
  }
}

TEST(NormalizePath, RefusesClimbersAndMalformedPaths) {
  for (const auto* raw : {"", "a", "*", "/..", "/../a", "/a/../..", "/%2e%2e/a", "/a%", "/a%zz", "/a%00", "/./../x"})
    EXPECT_FALSE(normalize_path(raw)) << raw;
}

TEST(Query, GivesTheFirstValue) {
  EXPECT_EQ(query_value("page=2&page=3", "page"), "2");
  EXPECT_EQ(query_value("a=1&q=x+y%26z", "q"), "x y&z");
  EXPECT_EQ(query_value("flag&x=1", "flag"), "");
  EXPECT_EQ(query_value("x=a=b", "x"), "a=b");
  EXPECT_EQ(query_value("my+name=1", "my name"), "1");
  EXPECT_EQ(query_value("%61=1", "a"), "1");
  EXPECT_EQ(query_value("x=100%", "x"), "100%") << "malformed encodings stay";
  EXPECT_EQ(query_value("x=1", "y"), std::nullopt);
  EXPECT_EQ(query_value("", ""), std::nullopt);
}

TEST(Query, LooksAtABoundedNumberOfPairs) {
  std::string query;
  for (std::size_t i = 0; i < max_query_pairs; ++i) query += "a=1&";
  query += "b=2";
  EXPECT_EQ(query_value(query, "b"), std::nullopt);
  const auto form = parse_form(query);
  ASSERT_FALSE(form);
  EXPECT_EQ(form.error().code(), errc::invalid_argument);
}

TEST(Form, RefusesMalformedEncodings) {
  EXPECT_FALSE(parse_form("a=%"));
  EXPECT_FALSE(parse_form("%zz=1"));
  EXPECT_TRUE(parse_form("")->empty());
}

RC_GTEST_PROP(Form, ReadsWhatWasBuilt, (const query_pairs& pairs)) {
  query_pairs kept;  // a pair without name and value is written as "=", which is read as such
  for (const auto& pair : pairs) kept.push_back(pair);
  RC_ASSERT(parse_form(build_query(kept)).value() == kept);
}

}  // namespace
}  // namespace weft::http
