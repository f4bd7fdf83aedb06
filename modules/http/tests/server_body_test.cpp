// A13, C4, G13: the content of requests: how long it may take, how large it may be, what it may be.
#include "server_handlers.hpp"

#include <weft/http/compression.hpp>
#include <weft/http/instrumentation.hpp>
#include <weft/http/limits.hpp>
#include <weft/http/router.hpp>

#include <boost/describe/class.hpp>

namespace weft::http {

struct note {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(note, (), (text))

namespace {

task<result<response>> echo_note(request& r) {
  WEFT_CO_TRY(const auto n, co_await r.json<note>());
  co_return response::text(std::to_string(n.text.size()));
}
task<result<response>> echo_size(request& r) {
  WEFT_CO_TRY(const auto text, co_await r.content.text());
  co_return response::text(std::to_string(text.size()));
}

// Sends a byte each `pause` until the server says something; what it says.
task<answer> drip(loop& l, wire& w, duration pause) {
  static_cast<void>(co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"));
  for (int i = 0; i < 100'000; ++i) {
    if (co_await w.state(l, pause) != ending::open || !w.unread().empty()) break;
    if (!co_await w.send("x")) break;
  }
  co_return co_await w.read_answer();
}

// A13: a byte each 0.8 s kept a request for ever, whatever request_timeout said.
VIRTUAL_TEST(ServerBody, EndsWithTheDeadlineOfItsRequest) {
  for (const bool instrumented : {false, true}) {
    observe::registry metrics;
    auto h = wrap(echo_size, {limit_time(l, {.longest = 20s})});
    if (instrumented) h = wrap(h, {instrument(l, {.metrics = &metrics})});
    served s{l, h, {.max_requests = 1, .body_timeout = 10s}};
    auto w = co_await s.connect();
    const auto begin = l.now();
    EXPECT_EQ((co_await drip(l, w, 800ms)).status, 408) << instrumented;
    EXPECT_LT(l.now() - begin, 25s);
    w.close();
    // With max_requests = 1 nobody else was served meanwhile.
    auto other = co_await s.connect();
    co_await other.send(post("/", "abc"));
    EXPECT_EQ((co_await other.read_answer()).content, "3");
  }
}

VIRTUAL_TEST(ServerBody, MustComeAtALeastRateEvenWithoutADeadline) {
  served s{l, echo_size, {.body_timeout = 10s}};
  auto w = co_await s.connect();
  const auto begin = l.now();
  EXPECT_EQ((co_await drip(l, w, 800ms)).status, 408);
  EXPECT_LT(l.now() - begin, 110s);
}

VIRTUAL_TEST(ServerBody, MayBeSlowWhenItKeepsTheRate) {
  served s{l, echo_size, {.body_timeout = 1s, .min_body_bytes_per_second = 100}};
  auto w = co_await s.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n");
  for (int i = 0; i < 100; ++i) {
    co_await settle(l, 900ms);
    co_await w.send(std::string(100, 'x'));
  }
  EXPECT_EQ((co_await w.read_answer()).content, "10000");
}

struct reads_late {
  loop& l;
  task<result<response>> operator()(request& r) const {
    std::size_t size = 0;
    for (;;) {
      WEFT_CO_TRY(const auto piece, co_await r.content.next());
      if (piece.empty()) break;
      size += piece.size();
      co_await settle(l, 60s);  // the time that the handler takes is not the peer's
    }
    co_return response::text(std::to_string(size));
  }
};
VIRTUAL_TEST(ServerBody, DoesNotPayForASlowHandler) {
  served s{l, reads_late{l}, {.body_timeout = 1s}};
  auto w = co_await s.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
  for (int i = 0; i < 3; ++i) {
    co_await settle(l, 100ms);
    co_await w.send("x");
    co_await settle(l, 60s);
  }
  EXPECT_EQ((co_await w.read_answer()).content, "3");
}

// A13: who is refused early still sends; closing on that reset the connection and lost the response.
task<void> upload(wire& w, std::size_t bytes) {
  const std::string piece(64 << 10, 'x');
  for (std::size_t sent = 0; sent < bytes; sent += piece.size())
    if (!co_await w.send(piece)) co_return;
}
HTTP_TEST(ServerBody, LetsAClientReadAnEarly413AfterItsWholeUpload) {
  served s{l, echo_size, {.max_body_bytes = 1000}};
  auto w = co_await s.connect();
  constexpr std::size_t size = 16 << 20;
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n");
  co_await upload(w, size);
  EXPECT_EQ((co_await w.read_answer()).status, 413);
  EXPECT_EQ(co_await w.state(l, 1s), ending::end);
}
VIRTUAL_TEST(ServerBody, DoesNotLingerForEver) {
  served s{l, echo_size, {.max_body_bytes = 1000}};
  auto w = co_await s.connect();
  const auto begin = l.now();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n");
  while (co_await w.send("x") && l.now() - begin < 1h) co_await settle(l, 500ms);
  EXPECT_LT(l.now() - begin, 40s);
}

// C4: within an application (instrument makes errors responses) JSON above a limit was 429, and above 1 MiB it was
// always too large.
VIRTUAL_TEST(ServerBody, AnswersJsonAboveTheLimitWith413) {
  observe::registry metrics;
  served s{l, wrap(echo_note, {instrument(l, {.metrics = &metrics})}), {.max_body_bytes = 3 << 20}};
  const auto note_of = [](std::size_t size) { return "{\"text\":\"" + std::string(size, 'x') + "\"}"; };
  auto w = co_await s.connect();
  co_await w.send(post("/", note_of(2 << 20)));
  EXPECT_EQ((co_await w.read_answer()).content, std::to_string(2 << 20));
  co_await w.send(post("/", note_of(3 << 20)));
  EXPECT_EQ((co_await w.read_answer()).status, 413);
  auto c = co_await s.connect();
  co_await c.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n300100\r\n" +
                  std::string(0x300100, ' ') + "\r\n0\r\n\r\n");
  EXPECT_EQ((co_await c.read_answer()).status, 413);
}

task<result<response>> small_note(request& r) {
  WEFT_CO_TRY(const auto n, co_await r.json<note>(100));
  co_return response::text(n.text);
}
VIRTUAL_TEST(ServerBody, AnswersAHandlersOwnLimitWith413) {
  observe::registry metrics;
  served s{l, wrap(small_note, {instrument(l, {.metrics = &metrics})})};
  auto w = co_await s.connect();
  co_await w.send(post("/", "{\"text\":\"" + std::string(200, 'x') + "\"}"));
  EXPECT_EQ((co_await w.read_answer()).status, 413);
}

VIRTUAL_TEST(ServerBody, AnswersAMalformedChunkWith400ThroughMiddleware) {
  observe::registry metrics;
  served s{l, wrap(echo_note, {instrument(l, {.metrics = &metrics})})};
  auto w = co_await s.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;bad[=x\r\nhello\r\n0\r\n\r\n");
  EXPECT_EQ((co_await w.read_answer()).status, 400);
}

// G13
struct typed {
  std::string fields;
  int status;
};
VIRTUAL_TEST(ServerBody, TakesJsonOnlyWithAJsonType) {
  observe::registry metrics;
  for (const bool instrumented : {false, true}) {
    served s{l, instrumented ? wrap(echo_note, {instrument(l, {.metrics = &metrics})}) : handler{echo_note}};
    for (const auto& c : std::vector<typed>{{"Content-Type: application/json\r\n", 200},
                                            {"Content-Type: application/json; charset=utf-8\r\n", 200},
                                            {"Content-Type: Application/JSON ;x=y\r\n", 200},
                                            {"Content-Type: application/merge-patch+json\r\n", 200},
                                            {"", 200},
                                            {"Origin: https://evil.example\r\n", 415},
                                            {"Sec-Fetch-Site: cross-site\r\n", 415},
                                            {"Origin: https://h\r\nContent-Type: application/json\r\n", 200},
                                            {"Content-Type: text/plain\r\n", 415},
                                            {"Content-Type: text/plain; application/json\r\n", 415},
                                            {"Content-Type: text/plain, application/json\r\n", 415},
                                            {"Content-Type: application/x-www-form-urlencoded\r\n", 415},
                                            {"Content-Type: multipart/form-data; boundary=x\r\n", 415},
                                            {"Content-Type: +json\r\n", 415},
                                            {"Content-Type: x/+json\r\n", 415},
                                            {"Content-Type:\r\n", 415},
                                            {"Content-Type: json\r\n", 415},
                                            {"Content-Type: application/json\r\nContent-Type: text/plain\r\n", 415}}) {
      auto w = co_await s.connect();
      co_await w.send(post("/", R"({"text":"abc"})", c.fields));
      const auto a = co_await w.read_answer();
      EXPECT_EQ(a.status, c.status) << c.fields;
      EXPECT_EQ(a.field("accept"), c.status == 415 ? "application/json" : "");
    }
  }
}

VIRTUAL_TEST(ServerBody, ReadsCompressedJsonWithinBounds) {
  served s{l, echo_note, {.max_body_bytes = 100'000}};
  const auto coded = [](std::size_t size) {
    const auto c = compressed(body{"{\"text\":\"" + std::string(size, 'x') + "\"}"}, coding::gzip);
    return std::string{c.buffered()};
  };
  auto w = co_await s.connect();
  co_await w.send(post("/", coded(50'000), "Content-Encoding: gzip\r\n"));
  EXPECT_EQ((co_await w.read_answer()).content, "50000");
  co_await w.send(post("/", coded(200'000), "Content-Encoding: gzip\r\n"));
  EXPECT_EQ((co_await w.read_answer()).status, 413);
  auto u = co_await s.connect();
  co_await u.send(post("/", "xxxx", "Content-Encoding: compress\r\n"));
  const auto a = co_await u.read_answer();
  EXPECT_EQ(a.status, 415);
  EXPECT_EQ(a.field("accept-encoding"), "gzip, br, zstd");
  co_await u.send(post("/", "not gzip", "Content-Encoding: gzip\r\n"));
  EXPECT_EQ((co_await u.read_answer()).status, 400);
}

// C3
HTTP_TEST(ServerBody, IsNotThereForAHeadThatIsRefused) {
  served s{l, echo_size, {.max_body_bytes = 10, .max_requests = 1, .head_timeout = 200ms}};
  for (const std::string text :
       {"HEAD / HTTP/1.1\r\n\r\n", "HEAD / HTTP/1\r\nHost: h\r\n\r\n", "HEAD / HTTP/3.0\r\nHost: h\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a b\r\n\r\n", "HEAD /\\ HTTP/1.1\r\nHost: h\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: h\r\n"}) {
    const auto said = co_await s.say(text);
    EXPECT_TRUE(said.starts_with("HTTP/1.1 4") || said.starts_with("HTTP/1.1 505 ")) << said;
    EXPECT_TRUE(said.ends_with("\r\n\r\n")) << text << said;
  }
  // A request before it on the connection does not make it one.
  auto w = co_await s.connect();
  co_await w.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + std::string{"nonsense\r\n\r\n"});
  EXPECT_EQ((co_await w.read_answer(method::head)).status, 200);
  EXPECT_TRUE((co_await w.read_answer()).content.contains("malformed"));
}

// F13: exceptions of a response's content, and of callbacks, of any type.
struct throwing_source {
  int pieces = 0;
  task<result<std::string>> operator()() {
    if (pieces++ > 0) throw 7;
    co_return std::string{"piece"};
  }
};
task<result<response>> throwing_content(request&) {
  response r;
  r.content = body::generate(throwing_source{});
  co_return r;
}
HTTP_TEST(ServerBody, MayThrowAnythingWhileItIsSent) {
  int problems = 0;
  served s{l, throwing_content, {.on_problem = [&](const request&, std::string_view) {
             ++problems;
             throw 8;
           }}};
  auto w = co_await s.connect();
  co_await w.send(get("/"));
  EXPECT_FALSE((co_await w.read_answer()).whole);
  EXPECT_NE(co_await w.state(l, 1s), ending::open);
  EXPECT_EQ(problems, 1);
  auto again = co_await s.connect();
  co_await again.send(get("/"));
  EXPECT_EQ((co_await again.read_answer()).status, 200);
}

}  // namespace
}  // namespace weft::http
