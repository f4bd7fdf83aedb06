// HTTP/1 parsers: what is a message and what is not, whichever pieces it arrives in.
#include <weft/http/http1.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <ostream>

namespace weft::http::http1 {
namespace {

struct parsed {
  progress state = progress::more;
  status code = status::ok;
  std::string what, method_name, target, host;
  framing content = framing::none;
  std::uint64_t length = 0;
  int minor = -1;
  bool keep_alive = false, expects_continue = false, unknown_expectation = false;
  std::vector<std::pair<std::string, std::string>> fields;
  std::size_t head_size = 0;
  friend bool operator==(const parsed&, const parsed&) = default;
};
std::ostream& operator<<(std::ostream& out, const parsed& p) {
  return out << "state " << static_cast<int>(p.state) << " code " << to_int(p.code) << " '" << p.what << "' "
             << p.method_name << ' ' << p.target << " host " << p.host;
}

// Feeds prefixes of `text` that end at each of `ends`, then all of it, as a connection would.
parsed parse(std::string_view text, const limits& l = {}, const std::vector<std::size_t>& ends = {}) {
  request_parser parser{l};
  headers fields;
  request_head head;
  head.fields = &fields;
  parsed p;
  for (const auto end : ends) {
    p.state = parser.parse(text.substr(0, end), head);
    if (p.state != progress::more) break;
  }
  if (p.state == progress::more) p.state = parser.parse(text, head);
  if (p.state == progress::bad) {
    p.code = parser.problem().code;
    p.what = parser.problem().what;
  }
  if (p.state != progress::done) return p;
  p.method_name = head.method_name;
  p.target = head.target;
  p.host = head.host;
  p.content = head.content;
  p.length = head.content_length;
  p.minor = head.minor_version;
  p.keep_alive = head.keep_alive;
  p.expects_continue = head.expects_continue;
  p.unknown_expectation = head.unknown_expectation;
  for (const auto& f : fields) p.fields.emplace_back(f.name, f.value);
  p.head_size = parser.head_size();
  return p;
}

std::vector<std::size_t> every_byte(std::string_view text) {
  std::vector<std::size_t> ends;
  for (std::size_t i = 0; i < text.size(); ++i) ends.push_back(i);
  return ends;
}

std::string with_fields(std::string_view fields) {
  return "POST /a HTTP/1.1\r\nHost: h\r\n" + std::string{fields} + "\r\n";
}

TEST(Http1Request, ReadsTheHeadAndLeavesWhatFollows) {
  const auto p = parse("GET /a?b=c HTTP/1.1\r\nHost: example:80\r\nX-A:  1 \t\r\nx-empty:\r\n\r\nGET /next");
  ASSERT_EQ(p.state, progress::done) << p;
  EXPECT_EQ(p.method_name, "GET");
  EXPECT_EQ(p.target, "/a?b=c");
  EXPECT_EQ(p.host, "example:80");
  EXPECT_EQ(p.minor, 1);
  EXPECT_TRUE(p.keep_alive);
  EXPECT_EQ(p.content, framing::none);
  EXPECT_EQ(p.fields, (decltype(p.fields){{"Host", "example:80"}, {"X-A", "1"}, {"x-empty", ""}}));
  EXPECT_EQ(p.head_size,
            std::string_view{"GET /a?b=c HTTP/1.1\r\nHost: example:80\r\nX-A:  1 \t\r\nx-empty:\r\n\r\n"}.size());
}

TEST(Http1Request, ForgivesOneEmptyLineBeforeIt) {
  EXPECT_EQ(parse("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").state, progress::done);
  EXPECT_EQ(parse("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").code, status::bad_request);
}

TEST(Http1Request, KeepsConnectionsAsVersionAndFieldsSay) {
  EXPECT_TRUE(parse("GET / HTTP/1.1\r\nHost: h\r\n\r\n").keep_alive);
  EXPECT_TRUE(parse("GET / HTTP/1.9\r\nHost: h\r\n\r\n").keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n").keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, close\r\n\r\n").keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: foo, Keep-Alive\r\n\r\n").keep_alive);
}

TEST(Http1Request, KnowsExpectations) {
  EXPECT_TRUE(parse(with_fields("Content-Length: 1\r\nExpect: 100-Continue\r\n")).expects_continue);
  EXPECT_FALSE(parse(with_fields("Expect: 100-continue\r\n")).expects_continue);  // nothing to hold back
  EXPECT_TRUE(parse(with_fields("Expect: 100-continue, more\r\n")).unknown_expectation);
  EXPECT_FALSE(parse("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n").expects_continue);
}

struct target_case {
  std::string line, target, host;
};
TEST(Http1Request, AcceptsTheFourFormsOfTarget) {
  const target_case cases[] = {
      {"GET / HTTP/1.1", "/", "h"},
      {"GET //x/../y?z=%00 HTTP/1.1", "//x/../y?z=%00", "h"},
      {"GET http://other:81/p?q HTTP/1.1", "/p?q", "other:81"},
      {"GET HTTPS://other HTTP/1.1", "/", "other"},
      {"GET http://other?x=1 HTTP/1.1", "/?x=1", "other"},  // C3
      {"GET http://[::1]:81?x=http://y/ HTTP/1.1", "/?x=http://y/", "[::1]:81"},
      {"OPTIONS * HTTP/1.1", "*", "h"},
      {"CONNECT other:443 HTTP/1.1", "other:443", "other:443"},
      {"brew /tea HTTP/1.1", "/tea", "h"},
  };
  for (const auto& c : cases) {
    const auto p = parse(c.line + "\r\nHost: h\r\n\r\n");
    ASSERT_EQ(p.state, progress::done) << c.line << ": " << p;
    EXPECT_EQ(p.target, c.target) << c.line;
    EXPECT_EQ(p.host, c.host) << c.line;
  }
}

TEST(Http1Request, AnAbsoluteTargetReplacesTheHostField) {
  const auto p = parse("GET http://inner/ HTTP/1.1\r\nHost: outer\r\nX: y\r\n\r\n");
  EXPECT_EQ(p.fields, (decltype(p.fields){{"X", "y"}, {"Host", "inner"}}));
}

struct refused_case {
  std::string text;
  status code = status::bad_request;
};
TEST(Http1Request, RefusesMalformedRequestLines) {
  const refused_case cases[] = {
      {"GET /\r\nHost: h\r\n\r\n"},
      {"GET  / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"GET / HTTP/1.1 \r\nHost: h\r\n\r\n"},
      {" GET / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"GET /\tHTTP/1.1\r\nHost: h\r\n\r\n"},
      {"GET / HTTP/1.1\rX\r\nHost: h\r\n\r\n"},
      {"G(T / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {std::string{"GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n", 28}},
      {"GET /\x80 HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"GET /#f HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"GET a HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"GET * HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"GET http:// HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"CONNECT / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"CONNECT h HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"GET / http/1.1\r\nHost: h\r\n\r\n"},
      {"GET / HTTP/1.\r\nHost: h\r\n\r\n"},
      {"GET / HTTP/1.x\r\nHost: h\r\n\r\n"},
      {"GET / HTTP/1\r\nHost: h\r\n\r\n"},  // C3
      {"GET / HTTP/2\r\nHost: h\r\n\r\n"},
      {"GET / HTTP/\r\nHost: h\r\n\r\n"},
      {"GET / HTTP/-1.1\r\nHost: h\r\n\r\n"},
      {"GET / HTTP/11.1\r\nHost: h\r\n\r\n"},
      {"GET / HTTP/1.10\r\nHost: h\r\n\r\n"},
      {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", status::http_version_not_supported},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status::http_version_not_supported},
      {"GET / HTTP/0.9\r\nHost: h\r\n\r\n", status::http_version_not_supported},
  };
  for (const auto& c : cases) {
    const auto p = parse(c.text);
    EXPECT_EQ(p.state, progress::bad) << c.text;
    EXPECT_EQ(p.code, c.code) << c.text << ": " << p;
  }
}

TEST(Http1Request, RefusesMalformedFields) {
  for (const auto* fields :
       {"X : 1\r\n", "X\t: 1\r\n", " X: 1\r\n", "\tX: 1\r\n", "X: 1\r\n folded\r\n", "X: 1\r\n\tfolded\r\n", ": 1\r\n",
        "X\r\n", "X 1\r\n", "X: 1\nY: 2\r\n", "X: 1\rY: 2\r\n", "X: a\x01\r\n", "X: a\x7f\r\n", "X: a\vb\r\n",
        "X: a\fb\r\n", "X(: 1\r\n", "\xc3\xa4: 1\r\n", "X: 1\r\r\n", "X: \r\n\n"}) {
    const auto p = parse(with_fields(fields));
    EXPECT_EQ(p.state, progress::bad) << fields;
    EXPECT_EQ(p.code, status::bad_request) << fields;
  }
  EXPECT_EQ(parse(with_fields(std::string{"X: a\0b\r\n", 8})).code, status::bad_request);
  EXPECT_EQ(parse(with_fields(std::string{"X\0: b\r\n", 7})).code, status::bad_request);
  EXPECT_EQ(parse(with_fields("X: caf\xc3\xa9 \x80\r\n")).state, progress::done);  // obs-text is passed on
}

TEST(Http1Request, RefusesAmbiguousHosts) {
  for (const auto* text :
       {"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n", "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n"})
    EXPECT_EQ(parse(text).code, status::bad_request) << text;
  EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost:\r\n\r\n").state, progress::done);
  EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n").host, "[::1]:8080");
}

TEST(Http1Request, ReadsFraming) {
  auto p = parse(with_fields("Content-Length: 5\r\n"));
  EXPECT_EQ(p.content, framing::length);
  EXPECT_EQ(p.length, 5U);
  p = parse(with_fields("content-length:\t007 \r\n"));
  EXPECT_EQ(p.content, framing::length);
  EXPECT_EQ(p.length, 7U);
  p = parse(with_fields("Transfer-Encoding: Chunked\r\n"));
  EXPECT_EQ(p.content, framing::chunked);
  EXPECT_EQ(parse(with_fields("Transfer-Encoding: \tchunked \t\r\n")).content, framing::chunked);
}

// sync.md's list, and what else has been used to make two parsers disagree about where a request ends.
TEST(Http1Request, RefusesEveryShapeOfSmuggling) {
  const refused_case cases[] = {
      {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"},
      {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"},
      {"Content-Length: 5\r\nContent-Length: 5\r\n"},
      {"Content-Length: 5\r\nContent-Length: 6\r\n"},
      {"Content-Length: +5\r\n"},
      {"Content-Length: -5\r\n"},
      {"Content-Length:  5 , 5\r\n"},
      {"Content-Length: 5,5\r\n"},
      {"Content-Length: 0x5\r\n"},
      {"Content-Length: 5_0\r\n"},
      {"Content-Length: 5 0\r\n"},
      {"Content-Length: 5.0\r\n"},
      {"Content-Length: \r\n"},
      {"Content-Length: 5;a\r\n"},
      {"Content-Length: 99999999999999999999\r\n"},
      {"Content-Length : 5\r\n"},
      {" Content-Length: 5\r\n"},
      {"Transfer-Encoding: xchunked\r\n"},
      {"Transfer-Encoding: chunkedx\r\n"},
      {"Transfer-Encoding: chunked, chunked\r\n"},
      {"Transfer-Encoding: chunked,chunked\r\n"},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"},
      {"Transfer-Encoding: chunked, gzip\r\n"},
      {"Transfer-Encoding: chunked, identity\r\n"},
      {"Transfer-Encoding: identity\r\n"},
      {"Transfer-Encoding: gzip\r\n"},
      {"Transfer-Encoding: gzip, chunked\r\n", status::not_implemented},
      {"Transfer-Encoding: \"chunked\"\r\n"},
      {"Transfer-Encoding: chunked;q=1\r\n"},
      {"Transfer-Encoding: chun ked\r\n"},
      {"Transfer-Encoding:\r\n"},
      {"Transfer-Encoding: ,\r\n"},
      {"Transfer-Encoding: chunked,\r\n"},
      {"Transfer-Encoding: \vchunked\r\n"},
      {"Transfer-Encoding:\fchunked\r\n"},
      {"Transfer-Encoding: chunked\v\r\n"},
      {"Transfer-Encoding : chunked\r\n"},
      {"Transfer-Encoding\t: chunked\r\n"},
      {"Transfer-Encoding:\r\n chunked\r\n"},
      {"X: y\r\n Transfer-Encoding: chunked\r\n"},
      {"X: y\nTransfer-Encoding: chunked\r\n"},
      {"X: y\rTransfer-Encoding: chunked\r\n"},
      {"Transfer-Encoding\r\n: chunked\r\n"},
      {std::string{"Transfer-Encoding: chunked\0\r\n", 29}},
      {std::string{"Transfer-Encoding\0: chunked\r\n", 29}},
  };
  for (const auto& c : cases) {
    const auto text = with_fields(c.text);
    const auto p = parse(text);
    EXPECT_EQ(p.state, progress::bad) << text;
    EXPECT_EQ(p.code, c.code) << text << p;
    EXPECT_FALSE(p.what.empty());
  }
  EXPECT_EQ(parse("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").code, status::bad_request);
  // Other names than ours are other fields.
  EXPECT_EQ(parse(with_fields("Transfer_Encoding: chunked\r\n")).content, framing::none);
  EXPECT_EQ(parse(with_fields("Content-Length2: 5\r\n")).content, framing::none);
}

TEST(Http1Request, HoldsEachLimitToTheByte) {
  const std::string head = "GET /" + std::string(20, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n";
  EXPECT_EQ(parse(head, {.head_bytes = head.size()}).state, progress::done);
  EXPECT_EQ(parse(head, {.head_bytes = head.size() - 1}).code, status::request_header_fields_too_large);
  EXPECT_EQ(parse(head, {.target_bytes = 21}).state, progress::done);
  EXPECT_EQ(parse(head, {.target_bytes = 20}).code, status::uri_too_long);
  const auto fields = with_fields("A: 1\r\nB: 2\r\n");
  EXPECT_EQ(parse(fields, {.fields = 3}).state, progress::done);
  EXPECT_EQ(parse(fields, {.fields = 2}).code, status::request_header_fields_too_large);
}

TEST(Http1Request, GivesUpOnEndlessHeadsWithoutWaitingForTheirEnd) {
  EXPECT_EQ(parse("GET /" + std::string(9000, 'a')).code, status::uri_too_long);
  EXPECT_EQ(parse("GET / HTTP/1.1\r\nX: " + std::string(40'000, 'a')).code, status::request_header_fields_too_large);
  std::string many = "GET / HTTP/1.1\r\n";
  while (many.size() < 40'000) many += "X: y\r\n";
  EXPECT_EQ(parse(many).code, status::request_header_fields_too_large);
}

TEST(Http1Request, IsTheSameHoweverItArrives) {
  for (const std::string text :
       {"GET /a?b HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n", "\r\nPOST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", "GET / HTTP/1.1\nHost: h\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"}) {
    const auto whole = parse(text);
    EXPECT_NE(whole.state, progress::more);
    EXPECT_EQ(parse(text, {}, every_byte(text)), whole) << text;
    for (std::size_t i = 0; i < text.size(); ++i) EXPECT_EQ(parse(text, {}, {i}), whole) << text << " split at " << i;
  }
}

// Bytes that make heads, so that random ones are not all refused at the first.
rc::Gen<std::string> head_like() {
  const auto piece = rc::gen::elementOf(std::vector<std::string>{
      "GET ", "POST ", "/a", " HTTP/1.1", " HTTP/1.0", "\r\n", "\r\n\r\n", "\n", "\r", ":", " ", "\t", "Host: h\r\n",
      "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "X-Y: z\r\n", "a", "\x01"});
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece), [](const std::vector<std::string>& pieces) {
    std::string all = "GET / HTTP/1.1\r\nHost: h\r\n";
    if (pieces.size() % 3 == 0) all.clear();
    for (const auto& p : pieces) all += p;
    return all;
  });
}

TEST(Http1Request, PropertyPiecesDoNotMatter) {
  EXPECT_TRUE(rc::check([] {
    const auto text = *head_like();
    const limits small{.head_bytes = 120, .target_bytes = 10, .fields = 4};
    for (const auto& l : {limits{}, small}) {
      const auto whole = parse(text, l);
      const auto bytewise = parse(text, l, every_byte(text));
      // A message with two faults may be refused for either.
      RC_ASSERT(whole.state == bytewise.state);
      if (whole.state == progress::done) RC_ASSERT(whole == bytewise);
    }
  }));
}

// --- responses ---

struct answer_case {
  std::string text;
  method asked = method::get;
  framing content = framing::none;
  bool keep_alive = true;
};
TEST(Http1Response, KnowsHowItsContentEnds) {
  const answer_case cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", method::get, framing::length, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", method::get, framing::none, true},
      {"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", method::get, framing::chunked, true},
      {"HTTP/1.1 200 \r\n\r\n", method::get, framing::until_close, false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", method::get, framing::length, false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n", method::get, framing::length, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n", method::get, framing::length, false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", method::head, framing::none, true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", method::head, framing::none, true},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", method::get, framing::none, true},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", method::get, framing::none, true},
      {"HTTP/1.1 100 Continue\r\n\r\n", method::get, framing::none, true},
      {"HTTP/1.1 200 OK\r\n\r\n", method::connect, framing::none, true},
      {"HTTP/1.1 299 caf\xc3\xa9\r\nContent-Length: 1\r\n\r\n", method::get, framing::length, true},
  };
  for (const auto& c : cases) {
    response_parser parser;
    headers fields;
    response_head head;
    head.fields = &fields;
    ASSERT_EQ(parser.parse(c.text, c.asked, head), progress::done) << c.text << parser.problem().what;
    EXPECT_EQ(head.content, c.content) << c.text;
    EXPECT_EQ(head.keep_alive, c.keep_alive) << c.text;
    EXPECT_EQ(parser.head_size(), c.text.size());
  }
}

TEST(Http1Response, RefusesWhatIsNotOne) {
  for (const std::string text :
       {"HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 200OK\r\n\r\n", "http/1.1 200 OK\r\n\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 O\x01K\r\n\r\n", "HTTP/1.1 +20 OK\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
        "HTTP/1.1 204 No\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    response_parser parser;
    headers fields;
    response_head head;
    head.fields = &fields;
    EXPECT_EQ(parser.parse(text, method::get, head), progress::bad) << text;
    EXPECT_FALSE(parser.problem().what.empty());
  }
}

// --- chunks ---

struct decoded {
  progress state = progress::more;
  std::string content, trailers, what;
  status code = status::ok;
  std::size_t used = 0;
  friend bool operator==(const decoded&, const decoded&) = default;
};
std::ostream& operator<<(std::ostream& out, const decoded& d) {
  return out << "state " << static_cast<int>(d.state) << " '" << d.content << "' trailers " << d.trailers << " '"
             << d.what << "' used " << d.used;
}

decoded decode(std::string_view text, std::size_t piece = ~std::size_t{0}, const limits& l = {}) {
  chunked_decoder decoder{l};
  decoded d;
  while (d.state == progress::more && d.used < text.size()) {
    const auto step = decoder.decode(text.substr(d.used, piece));
    d.state = step.state;
    if (d.state == progress::bad) {
      d.what = decoder.problem().what;
      d.code = decoder.problem().code;
      d.used = 0;  // how far it got depends on the pieces
      return d;
    }
    d.content.append(step.data);
    d.used += step.consumed;
    if (step.consumed == 0) break;
  }
  if (d.state == progress::done)
    for (const auto& f : decoder.trailers()) d.trailers.append(f.name).append("=").append(f.value).append(";");
  return d;
}

TEST(Http1Chunks, AreReadWithTheirTrailers) {
  const auto d = decode("5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-Sum: 1\r\nY:2 \r\n\r\nGET /");
  EXPECT_EQ(d.state, progress::done) << d;
  EXPECT_EQ(d.content, "hello world");
  EXPECT_EQ(d.trailers, "X-Sum=1;Y=2;");
  EXPECT_EQ(decode("0\r\n\r\nGET /").used, 5U);
  EXPECT_EQ(decode("00000aA\r\n").state, progress::more);
}

TEST(Http1Chunks, DropTrailersThatWouldFrameOrRoute) {
  const auto d =
      decode("0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: x\r\nAuthorization: y\r\nA: b\r\n\r\n");
  EXPECT_EQ(d.state, progress::done) << d;
  EXPECT_EQ(d.trailers, "A=b;");
}

TEST(Http1Chunks, RefuseEverySpellingThatSomeoneElseReadsOtherwise) {
  for (const std::string text : {"0x5\r\nhello\r\n",
                                 "5_\r\n",
                                 "+5\r\n",
                                 "-5\r\n",
                                 " 5\r\n",
                                 "5 \r\n",
                                 "5\t;a\r\n",
                                 "\r\n5\r\n",
                                 "5\nhello\r\n",
                                 "5\rhello",
                                 "5\r\r\n",
                                 ";a\r\n",
                                 "g\r\n",
                                 "5;a\nb\r\n",
                                 "5;a\rb\r\n",
                                 "5;a\x01\r\n",
                                 "1000000000000000\r\n",
                                 "ffffffffffffffffff\r\n",
                                 "5\r\nhelloX",
                                 "5\r\nhello\n",
                                 "5\r\nhello\rX",
                                 "5\r\nhello5\r\n",
                                 "0\r\nX : 1\r\n\r\n",
                                 "0\r\nX\r\n\r\n",
                                 "0\r\nX: 1\n\r\n",
                                 "0\r\n\n",
                                 "0\r\nX: 1\r\n folded\r\n\r\n",
                                 "0\r\n: 1\r\n\r\n",
                                 "0\r\nX: a\rb\r\n\r\n",
                                 "0\r\nX: a\x01\r\n\r\n",
                                 "0\r\n X: 1\r\n\r\n",
                                 "\xef\xbc\x95\r\nhello\r\n"}) {
    const auto d = decode(text);
    EXPECT_EQ(d.state, progress::bad) << text;
    EXPECT_FALSE(d.what.empty());
    EXPECT_EQ(decode(text, 1).state, progress::bad) << text;
  }
  EXPECT_EQ(decode(std::string{"5\0\r\n", 4}).state, progress::bad);
}

TEST(Http1Chunks, HoldTheirLimitsToTheByte) {
  EXPECT_EQ(decode("5;abc\r\nhello", ~0UL, {.chunk_line_bytes = 6}).content, "hello");
  EXPECT_EQ(decode("5;abc\r\nhello", ~0UL, {.chunk_line_bytes = 5}).state, progress::bad);
  const std::string trailers = "0\r\nA: b\r\n\r\n";
  EXPECT_EQ(decode(trailers, ~0UL, {.trailer_bytes = 8}).state, progress::done);
  EXPECT_EQ(decode(trailers, ~0UL, {.trailer_bytes = 7}).code, status::request_header_fields_too_large);
  EXPECT_EQ(decode("0\r\nA: b\r\nC: d\r\n\r\n", ~0UL, {.fields = 2}).state, progress::done);
  EXPECT_EQ(decode("0\r\nA: b\r\nC: d\r\n\r\n", ~0UL, {.fields = 1}).code, status::request_header_fields_too_large);
}

TEST(Http1Chunks, DoNotLetExtensionsGrowWithoutBound) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "1;" + std::string(900, 'x') + "\r\na\r\n";
  EXPECT_EQ(decode(text).code, status::bad_request);
  EXPECT_EQ(decode(text, ~0UL, {.extension_bytes = 100'000}).content, std::string(100, 'a'));
}

TEST(Http1Chunks, PropertyPiecesDoNotMatter) {
  const auto piece =
      rc::gen::elementOf(std::vector<std::string>{"5\r\nhello\r\n", "1\r\nx\r\n", "0\r\n", "\r\n", "A: b\r\n",
                                                  "3;e=f\r\nabc\r\n", "\n", "\r", "a", ";", " ", "10\r\n"});
  EXPECT_TRUE(rc::check([&] {
    const auto pieces = *rc::gen::container<std::vector<std::string>>(piece);
    std::string text;
    for (const auto& p : pieces) text += p;
    auto whole = decode(text);
    for (const std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}}) {
      auto split = decode(text, size);
      if (whole.state == progress::bad)
        split.content = whole.content;  // what came before the fault may have been given
      RC_ASSERT(split == whole);
    }
  }));
}

// --- writing ---

TEST(Http1Fields, ThatWouldBreakTheMessageAreFound) {
  EXPECT_TRUE(valid_field("X-A", "b c\td"));
  EXPECT_TRUE(valid_field("X-A", ""));
  for (const auto* value : {"a\r\nB: c", "a\nb", "a\rb", "a\x01", "a\x7f"})
    EXPECT_FALSE(valid_field("X", value)) << value;
  EXPECT_FALSE(valid_field("X", std::string_view{"a\0b", 3}));
  for (const auto* name : {"", "a b", "a:", "a\r\n", "\xc3\xa4"}) EXPECT_FALSE(valid_field(name, "v")) << name;
  // Every place within and around the sixteen bytes that are looked at together.
  for (std::size_t size = 1; size < 50; ++size)
    for (std::size_t i = 0; i < size; ++i) {
      std::string value(size, 'a');
      EXPECT_TRUE(valid_field("X", value));
      value[i] = '\n';
      EXPECT_FALSE(valid_field("X", value)) << size << ' ' << i;
      value[i] = static_cast<char>(0xe9);
      EXPECT_TRUE(valid_field("X", value));
    }
}

}  // namespace
}  // namespace weft::http::http1
