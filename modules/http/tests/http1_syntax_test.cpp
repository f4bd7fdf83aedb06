// C1, C2, C3: hosts, targets and chunk extensions, by the grammar of RFC 3986 and RFC 9112.
#include <weft/http/http1.hpp>
#include <weft/http/outcome.hpp>

#include <gtest/gtest.h>

namespace weft::http::http1 {
namespace {

status status_for(const std::string& text, method* verb = nullptr) {
  request_parser parser;
  headers fields;
  request_head head;
  head.fields = &fields;
  const auto state = parser.parse(text, head);
  if (verb != nullptr) *verb = head.verb;
  EXPECT_NE(state, progress::more) << text;
  return state == progress::done ? status::ok : parser.problem().code;
}

const std::string_view valid_hosts[] = {
    "",
    "h",
    "h:80",
    "h:",
    "h:0",
    "h:65535",
    "h:00080",
    "example.com.",
    "a_b-c.~d",
    "10.0.0.1:80",
    "999.1.1.1",
    "xn--bcher-kva",
    "a%20b",
    "%C3%A4.example:81",
    "a!$&'()*+,;=b",
    "[::1]",
    "[::1]:8080",
    "[::]",
    "[2001:db8::7]",
    "[::ffff:1.2.3.4]:1",
    "[FE80::1]",
    "[v1.a:b]:80",
    "[vF.~!$]",
    "[V7f.x]",
};
const std::string_view invalid_hosts[] = {
    "h:80:80",
    "h:-1",
    "h:+1",
    "h:8a",
    "h: 80",
    "h:65536",
    "h:99999999999999999999",
    ":80",
    ":",
    "[::1",
    "::1",
    "[::1]x",
    "[::1]80",
    "[]",
    "[:]",
    "[::1]:80:1",
    "[::1:80",
    "x[::1]",
    "[1.2.3.4]",
    "[::g]",
    "[1:2:3:4:5:6:7:8:9]",
    "[::1%25eth0]",
    "[fe80::1%eth0]",
    "[v.a]",
    "[v1.]",
    "[v1a]",
    "[vg.a]",
    "[v1.a/b]",
    "a%zz",
    "a%2",
    "a%",
    "%",
    "%%20",
    "a\"b",
    "a<b",
    "a>b",
    "a\\b",
    "a^b",
    "a`b",
    "a{b",
    "a|b",
    "a}b",
    "a[b",
    "a]b",
    "u@h",
    "u:p@h",
    "a/b",
    "a?b",
    "a#b",
    "a b",
    "a\tb",
    "a\x80",
    "b\xc3\xbc",
    "h, i",
    "@",
    "http://h",
};

TEST(Http1Syntax, ServesEveryValidHost) {
  for (const auto host : valid_hosts) {
    EXPECT_EQ(status_for("GET / HTTP/1.1\r\nHost: " + std::string{host} + "\r\n\r\n"), status::ok) << host;
    if (!host.empty())
      EXPECT_EQ(status_for("GET http://" + std::string{host} + "/ HTTP/1.1\r\nHost: h\r\n\r\n"), status::ok) << host;
  }
}

TEST(Http1Syntax, RefusesEveryInvalidHost) {
  for (const auto host : invalid_hosts) {
    // A list in a Host field holds a space; as a name it could be two.
    EXPECT_EQ(status_for("GET / HTTP/1.1\r\nHost: " + std::string{host} + "\r\n\r\n"), status::bad_request) << host;
    EXPECT_EQ(status_for("GET / HTTP/1.0\r\nHost: " + std::string{host} + "\r\n\r\n"), status::bad_request) << host;
    if (host.find_first_of("/?#") == std::string_view::npos) {
      EXPECT_EQ(status_for("GET http://" + std::string{host} + "/ HTTP/1.1\r\nHost: h\r\n\r\n"), status::bad_request)
          << host;
    }
  }
}

TEST(Http1Syntax, TakesConnectOnlyWithAHostAndAPort) {
  for (const std::string_view target : {"h:443", "[::1]:443", "a%20b:1"})
    EXPECT_EQ(status_for("CONNECT " + std::string{target} + " HTTP/1.1\r\nHost: h\r\n\r\n"), status::ok) << target;
  for (const std::string_view target :
       {"h", "h:", "h:0", "h:65536", ":443", "[::1]", "h:1:1", "u@h:1", "h:x", "[::1:443"})
    EXPECT_EQ(status_for("CONNECT " + std::string{target} + " HTTP/1.1\r\nHost: h\r\n\r\n"), status::bad_request)
        << target;
}

TEST(Http1Syntax, ServesEveryValidTarget) {
  for (const std::string_view target : {"/", "/a/b//c", "/a%20b%C3%BC", "/-._~!$&'()*+,;=:@", "/?", "/?a=b&c=%5B%5d",
                                        "/?/?:@", "/a?ids[]=1&ids[]=2", "/a?filter={x|y}"})
    for (const std::string before : {"", "http://h"})
      EXPECT_EQ(status_for("GET " + before + std::string{target} + " HTTP/1.1\r\nHost: h\r\n\r\n"), status::ok)
          << target;
}

TEST(Http1Syntax, RefusesEveryInvalidTarget) {
  std::vector<std::string> targets{"/%", "/a%",   "/%4",   "/%zz", "/%4g", "/a%%20", "/?%",  "/?a=%4", "/?a=%zz",
                                   "/#", "/?a#b", "/a[1]", "/a]",  "/a{b", "/a|b",   "/a}b", "/?a#"};
  for (const char c : std::string_view{"\\\"<>^`\x7f\x80\xff\x01\t\0", 11})
    for (const std::string before : {"/a", "/?a=", "/a?b="}) targets.push_back(before + c + "z");
  for (const auto& target : targets)
    for (const std::string before : {"", "http://h"})
      EXPECT_EQ(status_for("GET " + before + target + " HTTP/1.1\r\nHost: h\r\n\r\n"), status::bad_request) << target;
}

TEST(Http1Syntax, KnowsTheMethodOfWhatItRefuses) {
  for (const std::string text :
       {"HEAD / HTTP/1.1\r\n\r\n", "HEAD / HTTP/1\r\nHost: h\r\n\r\n", "\r\nHEAD / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "HEAD / HTTP/1.1\nHost: h\r\n\r\n", "HEAD /\x01 HTTP/1.1\r\nHost: h\r\n\r\n"}) {
    method verb = method::get;
    EXPECT_EQ(status_for(text, &verb), status::bad_request);
    EXPECT_EQ(verb, method::head) << text;
  }
  method verb = method::get;
  EXPECT_EQ(status_for("HEAD /" + std::string(10'000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", &verb),
            status::uri_too_long);
  EXPECT_EQ(verb, method::head);
  EXPECT_EQ(status_for("HEADS /\r\n\r\n", &verb), status::bad_request);
  EXPECT_EQ(verb, method::other);
}

progress decode_extension(const std::string& extension) {
  progress state = progress::more;
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}}) {
    chunked_decoder decoder;
    const auto text = "5" + extension + "\r\nhello\r\n0" + extension + "\r\n\r\n";
    std::size_t used = 0;
    state = progress::more;
    while (state == progress::more && used < text.size()) {
      const auto step = decoder.decode(std::string_view{text}.substr(used, piece));
      used += step.consumed;
      state = step.state;
    }
  }
  return state;
}

TEST(Http1Syntax, ReadsEveryChunkExtension) {
  for (const std::string_view extension : {"", ";a", ";a=b", ";a=\"\"", ";a=\"b;c\\\"d\\\\\te\"", ";a;b;c=d",
                                           ";\ta\t=\t\"x\" ; b", ";a = b", ";a ;b", ";!#$=%&'", ";a=\"\xc3\xa9\""})
    EXPECT_EQ(decode_extension(std::string{extension}), progress::done) << extension;
}

TEST(Http1Syntax, RefusesEveryMalformedChunkExtension) {
  for (const std::string_view extension :
       {";",          "; ",        ";;a",      ";a;",         ";=b",           ";a=",
        ";a= ",       ";a==b",     ";a=b=c",   ";bad[=x",     ";a=[",          ";a b",
        ";a=b c",     " ",         "\t",       " ;a",         "\t;a",          " a",
        ";a ",        ";a=b ",     ";a=\"b",   ";a=\"b\"c",   ";a=\"b\" ",     ";a=\"b\"\"c\"",
        ";a=\"b\\\"", ";a=b\"c\"", ";\"a\"=b", ";a=\"\x01\"", ";a=\"\\\x01\"", ";a,b",
        ";a=b,c",     ";\x80",     ";a\x7f",   "=b",          "\"a\""})
    EXPECT_EQ(decode_extension(std::string{extension}), progress::bad) << extension;
}

progress parse_response(const std::string& text) {
  response_parser parser;
  headers fields;
  response_head head;
  head.fields = &fields;
  return parser.parse(text, method::get, head);
}

// C3: nothing here asks for an upgrade, so nobody may agree to one.
TEST(Http1Syntax, RefusesToSwitchProtocols) {
  EXPECT_EQ(parse_response("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
            progress::bad);
  EXPECT_EQ(parse_response("HTTP/1.1 103 Early Hints\r\n\r\n"), progress::done);
}

// C3, RFC 9110 15: a status beyond 599 is as a 5xx.
TEST(Http1Syntax, TakesAStatusBeyond599ForAFailure) {
  for (const int code : {600, 601, 777, 999}) {
    const result<response> r{response{static_cast<status>(code)}};
    EXPECT_EQ(resilience::outcome_traits<response>::view(r).verdict, resilience::verdict::failure) << code;
    EXPECT_EQ(code_of(static_cast<status>(code)), errc::internal) << code;
    EXPECT_FALSE(r->ok());
  }
}

}  // namespace
}  // namespace weft::http::http1
