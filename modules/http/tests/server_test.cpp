// The server as its clients see it, byte by byte.
#include "http_harness.hpp"

#include <weft/runtime/when.hpp>

namespace weft::http {
namespace {

task<result<response>> echo_target(request& r) { co_return response::text(std::string{r.target()}); }

task<result<response>> echo_text(request& r) {
  WEFT_CO_TRY(const auto text, co_await r.content.text());
  co_return response::text(std::string{text});
}

// The request's content becomes the answer's, as a proxy passes it on.
task<result<response>> echo_stream(request& r) {
  response answer;
  answer.content = std::move(r.content);
  co_return answer;
}

task<result<response>> ignore_content(request&) { co_return response::text("ignored"); }

// Waits until told, or until its context ends.
struct gate {
  explicit gate(loop& l) : open{l}, home{l} {}
  task<result<response>> operator()(request& r) {
    ++waiting;
    const auto waited = co_await open.wait(r.context());
    --waiting;
    if (!waited) {
      last_reason = waited.error().code();
      ++cancelled;
      co_return fail(waited.error());
    }
    co_return response::text(std::string{r.target()} + "|" + std::string{r.content.buffered()});
  }
  event open;
  loop& home;
  int waiting = 0, cancelled = 0;
  errc last_reason{};
};
handler through(gate& g) {
  return [&g](request& r) { return g(r); };
}

HTTP_TEST(Server, AnswersOnAConnectionThatStaysOpen) {
  served s{l, echo_target};
  auto w = co_await s.connect();
  for (const std::string path : {"/1", "/2", "/3"}) {
    co_await w.send(get(path));
    const auto a = co_await w.read_answer();
    EXPECT_EQ(a.status, 200);
    EXPECT_EQ(a.content, path);
    EXPECT_EQ(a.field("content-type"), "text/plain; charset=utf-8");
    EXPECT_EQ(a.field("connection"), "");
    EXPECT_TRUE(a.field("date").ends_with(" GMT")) << a.head;
  }
  EXPECT_EQ(s.server.stats().requests, 3U);
  EXPECT_EQ(s.server.stats().connections, 1U);
}

HTTP_TEST(Server, AnswersPipelinedRequestsInTheirOrder) {
  served s{l, echo_target};
  auto w = co_await s.connect();
  std::string all;
  for (int i = 0; i < 300; ++i) all += get("/" + std::to_string(i));
  co_await w.send(all + get("/last", "Connection: close\r\n"));
  for (int i = 0; i < 300; ++i) EXPECT_EQ((co_await w.read_answer()).content, "/" + std::to_string(i));
  const auto last = co_await w.read_answer();
  EXPECT_EQ(last.content, "/last");
  EXPECT_EQ(last.field("connection"), "close");
  EXPECT_EQ(co_await w.rest(), "");
}

HTTP_TEST(Server, TakesRequestsThatArriveByteByByte) {
  served s{l, echo_text};
  auto w = co_await s.connect();
  const auto all =
      post("/", "hello") + "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  for (const char c : all) {
    co_await w.send(std::string(1, c));
    co_await yield{l};
  }
  EXPECT_EQ((co_await w.read_answer()).content, "hello");
  EXPECT_EQ((co_await w.read_answer()).content, "abc");
}

struct fast_then_slow {
  task<result<response>> operator()(request& r) {
    if (r.target() == "/slow") return slow(r);
    return echo_target(r);
  }
  gate& slow;
};

HTTP_TEST(Server, DoesNotHoldFinishedAnswersBackForASlowHandler) {
  gate slow{l};
  served s{l, fast_then_slow{slow}};
  auto w = co_await s.connect();
  co_await w.send(get("/1") + get("/2") + get("/slow") + get("/3"));
  EXPECT_EQ((co_await w.read_answer()).content, "/1");
  EXPECT_EQ((co_await w.read_answer()).content, "/2");
  EXPECT_EQ(slow.waiting, 1);
  EXPECT_EQ(w.unread(), "");
  slow.open.set();
  EXPECT_EQ((co_await w.read_answer()).content, "/slow|");
  EXPECT_EQ((co_await w.read_answer()).content, "/3");
}

HTTP_TEST(Server, KeepsContentWhileTheNextRequestArrives) {
  gate slow{l};
  served s{l, through(slow)};
  auto w = co_await s.connect();
  co_await w.send(post("/first", "the first content"));
  while (slow.waiting == 0) co_await settle(l, 1ms);
  co_await w.send(post("/second", "another content, longer than the first"));
  co_await settle(l);
  slow.open.set();
  EXPECT_EQ((co_await w.read_answer()).content, "/first|the first content");
  EXPECT_EQ((co_await w.read_answer()).content, "/second|another content, longer than the first");
}

HTTP_TEST(Server, BoundsWhatItReadsAheadOfASlowHandler) {
  gate slow{l};
  served s{l, through(slow)};
  auto w = co_await s.connect();
  std::string all;
  for (int i = 0; i < 3000; ++i) all += get("/" + std::to_string(i));
  const auto sender = [](wire& to, std::string text) -> task<void> { co_await to.send(std::move(text)); };
  task_group group{l};
  group.spawn(sender(w, all));
  while (slow.waiting == 0) co_await settle(l, 1ms);
  co_await settle(l);
  EXPECT_EQ(s.server.stats().requests, 1U);
  slow.open.set();
  for (int i = 0; i < 3000; ++i) EXPECT_EQ((co_await w.read_answer()).content, "/" + std::to_string(i) + "|");
  co_await group.join();
}

HTTP_TEST(Server, SpeaksHttp10) {
  served s{l, echo_target};
  const auto once = co_await s.say("GET /a HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(once.starts_with("HTTP/1.1 200 OK\r\n")) << once;
  EXPECT_TRUE(once.contains("Connection: close\r\n")) << once;
  auto w = co_await s.connect();
  co_await w.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ((co_await w.read_answer()).field("connection"), "keep-alive");
  co_await w.send("GET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ((co_await w.read_answer()).content, "/b");
}

struct pieces {
  std::vector<std::string> texts;
  std::size_t at = 0;
  task<result<std::string>> operator()() {
    if (at == texts.size()) co_return std::string{};
    co_return texts[at++];
  }
};
task<result<response>> streams(request& r) {
  response answer;
  std::optional<std::uint64_t> length;
  if (r.target() == "/known") length = 11;
  if (r.target() == "/short") length = 12;
  if (r.target() == "/long") length = 10;
  answer.content = body::generate(pieces{{"hello", " ", "world"}}, length);
  co_return answer;
}

HTTP_TEST(Server, StreamsWithAndWithoutAKnownLength) {
  served s{l, streams};
  auto w = co_await s.connect();
  co_await w.send(get("/known"));
  auto a = co_await w.read_answer();
  EXPECT_EQ(a.field("content-length"), "11");
  EXPECT_EQ(a.content, "hello world");
  co_await w.send(get("/unknown"));
  a = co_await w.read_answer();
  EXPECT_EQ(a.field("transfer-encoding"), "chunked");
  EXPECT_EQ(a.field("content-length"), "");
  EXPECT_EQ(a.content, "hello world");
  EXPECT_TRUE(a.whole);
  const auto old = co_await s.say("GET /unknown HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(old.ends_with("\r\n\r\nhello world")) << old;
  EXPECT_TRUE(old.contains("Connection: close\r\n")) << old;
  EXPECT_FALSE(old.contains("chunked")) << old;
}

HTTP_TEST(Server, NeverPassesABrokenStreamOffAsWhole) {
  std::vector<std::string> problems;
  server_options options;
  options.on_problem = [&](const request&, std::string_view what) { problems.emplace_back(what); };
  served s{l, streams, options};
  for (const std::string path : {"/short", "/long"}) {
    auto w = co_await s.connect();
    co_await w.send(get(path));
    const auto a = co_await w.read_answer();
    EXPECT_FALSE(a.whole && path == "/short") << path;
    EXPECT_EQ(co_await w.state(l, 1s), ending::reset) << path;
  }
  EXPECT_EQ(problems.size(), 2U);
}

struct failing_pieces {
  int left = 2;
  task<result<std::string>> operator()() {
    if (left-- == 0) co_return fail(errc::unavailable, "the database went away");
    co_return std::string{"piece"};
  }
};
task<result<response>> breaks_off(request&) {
  response answer;
  answer.content = body::generate(failing_pieces{});
  co_return answer;
}

HTTP_TEST(Server, ResetsTheConnectionWhenAnAnswersSourceFails) {
  std::vector<std::string> problems;
  server_options options;
  options.on_problem = [&](const request&, std::string_view what) { problems.emplace_back(what); };
  served s{l, breaks_off, options};
  auto w = co_await s.connect();
  co_await w.send(get("/"));
  const auto a = co_await w.read_answer();
  EXPECT_FALSE(a.whole);
  EXPECT_EQ(co_await w.state(l, 1s), ending::reset);
  EXPECT_EQ(problems.size(), 1U);
  if (!problems.empty()) EXPECT_TRUE(problems[0].contains("the database went away")) << problems[0];
}

task<result<response>> by_status(request& r) {
  const auto code = std::stoi(std::string{r.target().substr(1)});
  response answer{static_cast<status>(code), "content"};
  answer.headers.set("ETag", "\"1\"");
  co_return answer;
}

HTTP_TEST(Server, SendsNoContentWhereNoneMayBe) {
  served s{l, by_status};
  auto w = co_await s.connect();
  co_await w.send(get("/204") + get("/304") + "HEAD /200 HTTP/1.1\r\nHost: h\r\n\r\n" + get("/200"));
  auto a = co_await w.read_answer();
  EXPECT_EQ(a.status, 204);
  EXPECT_EQ(a.field("content-length"), "");
  a = co_await w.read_answer();
  EXPECT_EQ(a.status, 304);
  EXPECT_EQ(a.field("etag"), "\"1\"");
  a = co_await w.read_answer(method::head);
  EXPECT_EQ(a.status, 200);
  EXPECT_EQ(a.field("content-length"), "7");
  EXPECT_EQ((co_await w.read_answer()).content, "content");
  EXPECT_EQ(w.unread(), "");
}

HTTP_TEST(Server, AnswersHeadForStreamsWithoutPullingThem) {
  served s{l, streams};
  auto w = co_await s.connect();
  co_await w.send("HEAD /known HTTP/1.1\r\nHost: h\r\n\r\nHEAD /unknown HTTP/1.1\r\nHost: h\r\n\r\n" + get("/known"));
  EXPECT_EQ((co_await w.read_answer(method::head)).field("content-length"), "11");
  EXPECT_EQ((co_await w.read_answer(method::head)).field("transfer-encoding"), "chunked");
  EXPECT_EQ((co_await w.read_answer()).content, "hello world");
}

HTTP_TEST(Server, RefusesInterimStatusesFromHandlers) {
  served s{l, by_status};
  auto w = co_await s.connect();
  co_await w.send(get("/100") + get("/200"));
  EXPECT_EQ((co_await w.read_answer()).status, 500);
  EXPECT_EQ((co_await w.read_answer()).status, 200);
}

// --- content of requests ---

HTTP_TEST(Server, Says100ContinueWhenTheHandlerReads) {
  served s{l, echo_text};
  auto w = co_await s.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(co_await w.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  co_await w.send("hello");
  EXPECT_EQ((co_await w.read_answer()).content, "hello");
  co_await w.send(get("/"));
  EXPECT_EQ((co_await w.read_answer()).status, 200);
}

HTTP_TEST(Server, DoesNotSay100ContinueWhenTheHandlerDoesNotRead) {
  served s{l, ignore_content};
  auto w = co_await s.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  const auto a = co_await w.read_answer();
  EXPECT_EQ(a.status, 200);
  EXPECT_EQ(a.field("connection"), "close");
  EXPECT_EQ(co_await w.rest(), "");
}

HTTP_TEST(Server, DoesNotSay100ContinueWhenTheContentIsThere) {
  served s{l, echo_text};
  auto w = co_await s.connect();
  co_await w.send(post("/", "hello", "Expect: 100-continue\r\n"));
  const auto a = co_await w.read_answer();
  EXPECT_EQ(a.status, 200) << a.head;
  EXPECT_EQ(a.content, "hello");
}

HTTP_TEST(Server, Says100ContinueBeforeAnAnswerThatStreamsTheRequest) {
  served s{l, echo_stream};
  auto w = co_await s.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(co_await w.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  co_await w.send("hello");
  EXPECT_EQ((co_await w.read_answer()).content, "hello");
}

HTTP_TEST(Server, Says100ContinueBehindPipelinedAnswers) {
  served s{l, echo_text};
  auto w = co_await s.connect();
  co_await w.send(post("/", "first") +
                  "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ((co_await w.read_answer()).content, "first");
  EXPECT_EQ((co_await w.read_answer()).status, 100);
  co_await w.send("hello");
  EXPECT_EQ((co_await w.read_answer()).content, "hello");
}

HTTP_TEST(Server, RefusesOtherExpectations) {
  served s{l, echo_text};
  const auto said = co_await s.say(post("/", "hello", "Expect: a-miracle\r\n"));
  EXPECT_TRUE(said.starts_with("HTTP/1.1 417 ")) << said;
}

struct trailer_reader {
  task<result<response>> operator()(request& r) const {
    WEFT_CO_TRY(const auto text, co_await r.content.text());
    co_return response::text(std::string{text} + "|" + std::string{r.content.trailers().get("x-sum").value_or("none")});
  }
};

HTTP_TEST(Server, ReadsChunkedUploadsWithTrailers) {
  served s{l, trailer_reader{}};
  auto w = co_await s.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
  co_await settle(l, 1ms);
  co_await w.send("lo\r\n1;x=y\r\n!\r\n0\r\nX-Sum: 42\r\n\r\n" + post("/", "next"));
  EXPECT_EQ((co_await w.read_answer()).content, "hello!|42");
  EXPECT_EQ((co_await w.read_answer()).content, "next|none");
}

HTTP_TEST(Server, StreamsUploadsBack) {
  served s{l, echo_stream};
  auto w = co_await s.connect();
  std::string large(3'000'000, 'x');
  for (std::size_t i = 0; i < large.size(); i += 7) large[i] = static_cast<char>('a' + i % 26);
  const auto sender = [](wire& to, std::string text) -> task<void> { co_await to.send(std::move(text)); };
  task_group group{l};
  group.spawn(sender(w, post("/", large)));
  const auto a = co_await w.read_answer();
  EXPECT_EQ(a.content.size(), large.size());
  EXPECT_TRUE(a.content == large);
  co_await group.join();
}

// Reads the only piece that it needs, and never asks for the end.
task<result<response>> reads_one_piece(request& r) {
  WEFT_CO_TRY(const auto piece, co_await r.content.next());
  co_return response::text(std::string{piece});
}

HTTP_TEST(Server, DoesNotTakeContentForTheNextRequest) {
  served s{l, reads_one_piece};
  auto w = co_await s.connect();
  const auto smuggled = get("/smuggled");
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(smuggled.size()) + "\r\n\r\n");
  co_await settle(l, 1ms);
  co_await w.send(smuggled);
  EXPECT_EQ((co_await w.read_answer()).content, smuggled);
  co_await w.send(post("/", "two"));
  EXPECT_EQ((co_await w.read_answer()).content, "two");
  EXPECT_EQ(s.server.stats().requests, 2U);
}

HTTP_TEST(Server, DrainsContentThatNobodyRead) {
  served s{l, ignore_content};
  auto w = co_await s.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n");
  EXPECT_EQ((co_await w.read_answer()).content, "ignored");
  co_await w.send(std::string(10'000, 'x') + get("/"));
  EXPECT_EQ((co_await w.read_answer()).content, "ignored");
}

HTTP_TEST(Server, ClosesRatherThanDrainsMuchContent) {
  served s{l, ignore_content};
  auto w = co_await s.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n\r\n" + std::string(100'000, 'x'));
  EXPECT_EQ((co_await w.read_answer()).content, "ignored");
  EXPECT_NE(co_await w.state(l, 1s), ending::open);
  EXPECT_EQ(s.server.stats().requests, 1U);
}

struct keeps_content {
  task<result<response>> operator()(request& r) const {
    kept = std::move(r.content);
    co_return response::text("kept");
  }
  body& kept;
};
HTTP_TEST(Server, ContentThatOutlivesItsRequestSaysSo) {
  body kept;
  {
    served s{l, keeps_content{kept}};
    auto w = co_await s.connect();
    co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
    EXPECT_EQ((co_await w.read_answer()).content, "kept");
    co_await w.send("hello");
    co_await settle(l);
    const auto piece = co_await kept.next();
    EXPECT_FALSE(piece.has_value());
  }
  EXPECT_FALSE((co_await kept.next()).has_value());
}

// --- what handlers do wrong ---

struct sets_fields {
  std::string name, value;
  task<result<response>> operator()(request& r) const {
    auto answer = response::text(std::string{r.target()});
    if (r.target() == "/bad") answer.headers.set(name, value);
    co_return answer;
  }
};
HTTP_TEST(Server, RefusesToWriteFieldsThatWouldSplitTheAnswer) {
  const std::pair<std::string, std::string> bad[] = {{"Location", "/a\r\nSet-Cookie: stolen=1"},
                                                     {"Location", "/a\nX: y"},
                                                     {"Location", std::string{"/a\0", 3}},
                                                     {"X\r\nSet-Cookie", "stolen=1"},
                                                     {"X Y", "1"},
                                                     {"", "1"}};
  for (const auto& [name, value] : bad) {
    std::string problem;
    server_options options;
    options.on_problem = [&](const request&, std::string_view what) { problem = what; };
    served s{l, sets_fields{name, value}, options};
    auto w = co_await s.connect();
    co_await w.send(get("/good") + get("/bad") + get("/good"));
    EXPECT_EQ((co_await w.read_answer()).content, "/good");
    const auto a = co_await w.read_answer();
    EXPECT_EQ(a.status, 500);
    EXPECT_FALSE(a.head.contains("stolen")) << a.head;
    EXPECT_FALSE(a.content.contains("stolen"));
    EXPECT_FALSE(problem.empty());
    EXPECT_EQ((co_await w.read_answer()).content, "/good");
  }
}

HTTP_TEST(Server, KeepsFramingToItself) {
  for (const std::string name : {"Content-Length", "Transfer-Encoding", "Connection", "Date"}) {
    served s{l, sets_fields{name, "999"}};
    auto w = co_await s.connect();
    co_await w.send(get("/bad") + get("/good"));
    const auto a = co_await w.read_answer();
    EXPECT_EQ(a.content, "/bad") << name;
    EXPECT_FALSE(a.head.contains("999")) << a.head;
    EXPECT_EQ((co_await w.read_answer()).content, "/good");
  }
}

task<result<response>> throws(request& r) {
  if (r.target() == "/now") throw std::runtime_error{"secret detail"};
  co_await yield{*r.home()};
  throw 42;
}
HTTP_TEST(Server, AnswersExceptionsWith500AndSaysNoMore) {
  std::vector<std::string> problems;
  server_options options;
  options.on_problem = [&](const request& r, std::string_view what) {
    problems.push_back(std::string{r.target()} + " " + std::string{what});
  };
  served s{l, throws, options};
  auto w = co_await s.connect();
  co_await w.send(get("/now") + get("/later"));
  const auto a = co_await w.read_answer();
  EXPECT_EQ(a.status, 500);
  EXPECT_FALSE(a.content.contains("secret")) << a.content;
  EXPECT_EQ((co_await w.read_answer()).status, 500);
  EXPECT_EQ(problems,
            (std::vector<std::string>{"/now secret detail", "/later an exception that is not a std::exception"}));
}

task<result<response>> fails(request&) { co_return fail(errc::not_found, "user 7"); }
HTTP_TEST(Server, AnswersErrorsWithTheirStatus) {
  served s{l, fails};
  auto w = co_await s.connect();
  co_await w.send(get("/"));
  const auto a = co_await w.read_answer();
  EXPECT_EQ(a.status, 404);
  EXPECT_EQ(a.content, R"({"error":{"code":"NOT_FOUND","message":"user 7"}})");
  EXPECT_EQ(a.field("content-type"), "application/json");
}

// --- ends ---

HTTP_TEST(Server, AnswersAClientThatHalfCloses) {
  gate slow{l};
  served s{l, through(slow)};
  auto w = co_await s.connect();
  co_await w.send(get("/1") + get("/2") + get("/3"));
  w.half_close();
  while (slow.waiting == 0) co_await settle(l, 1ms);
  co_await settle(l);
  EXPECT_EQ(slow.cancelled, 0);
  slow.open.set();
  for (const std::string path : {"/1", "/2", "/3"}) EXPECT_EQ((co_await w.read_answer()).content, path + "|");
  EXPECT_EQ(co_await w.rest(), "");
  EXPECT_EQ(co_await w.state(l, 1s), ending::end);
}

HTTP_TEST(Server, CancelsTheContextWhenTheClientResets) {
  gate slow{l};
  served s{l, through(slow)};
  auto w = co_await s.connect();
  co_await w.send(get("/"));
  while (slow.waiting == 0) co_await settle(l, 1ms);
  w.reset();
  for (int i = 0; i < 100 && slow.cancelled == 0; ++i) co_await settle(l, 1ms);
  EXPECT_EQ(slow.cancelled, 1);
  EXPECT_EQ(slow.last_reason, errc::cancelled);
  for (int i = 0; i < 100 && s.server.stats().connections > 0; ++i) co_await settle(l, 1ms);
  EXPECT_EQ(s.server.stats().connections, 0U);
}

struct reads_then_waits {
  gate& slow;
  task<result<response>> operator()(request& r) const {
    const auto text = co_await r.content.text();
    if (!text) failure = text.error().code();
    co_return co_await slow(r);
  }
  std::optional<errc>& failure;
};
HTTP_TEST(Server, CancelsTheContextWhenTheClientResetsMidContent) {
  gate slow{l};
  std::optional<errc> failure;
  served s{l, reads_then_waits{slow, failure}};
  auto w = co_await s.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhell");
  co_await settle(l);
  w.reset();
  for (int i = 0; i < 100 && slow.cancelled == 0; ++i) co_await settle(l, 1ms);
  EXPECT_TRUE(failure.has_value());
  EXPECT_EQ(slow.cancelled, 1);
}
HTTP_TEST(Server, CancelsTheContextWhenTheClientResetsAfterAStreamedUpload) {
  gate slow{l};
  std::optional<errc> failure;
  served s{l, reads_then_waits{slow, failure}};
  auto w = co_await s.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhell");
  co_await settle(l, 1ms);
  co_await w.send("o worl");
  while (slow.waiting == 0) co_await settle(l, 1ms);
  EXPECT_FALSE(failure.has_value());
  w.reset();
  for (int i = 0; i < 100 && slow.cancelled == 0; ++i) co_await settle(l, 1ms);
  EXPECT_EQ(slow.cancelled, 1);
}

HTTP_TEST(Server, EndsQuietlyWhenAnUploadBreaksOff) {
  served s{l, echo_text};
  auto w = co_await s.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhell");
  w.half_close();
  EXPECT_EQ(co_await w.rest(), "");
  EXPECT_EQ(s.server.stats().connections, 0U);
}

// A source that waits until its request's context ends, as an event stream does.
struct event_source {
  gate& slow;
  context ctx;
  bool first = true;
  task<result<std::string>> operator()() {
    if (std::exchange(first, false)) co_return std::string{"event"};
    ++slow.waiting;
    const auto waited = co_await slow.open.wait(ctx);
    ++slow.cancelled;
    if (!waited) co_return fail(waited.error());
    co_return std::string{};
  }
};
struct events {
  gate& slow;
  task<result<response>> operator()(request& r) const {
    response answer;
    answer.content = body::generate(event_source{slow, r.context()});
    co_return answer;
  }
};
HTTP_TEST(Server, StopsAnEventStreamWhenItsClientIsGone) {
  gate slow{l};
  served s{l, events{slow}};
  auto w = co_await s.connect();
  co_await w.send(get("/"));
  co_await w.until("event\r\n");
  w.reset();
  for (int i = 0; i < 100 && slow.cancelled == 0; ++i) co_await settle(l, 1ms);
  EXPECT_EQ(slow.cancelled, 1);
  for (int i = 0; i < 100 && s.server.stats().connections > 0; ++i) co_await settle(l, 1ms);
  EXPECT_EQ(s.server.stats().connections, 0U);
}

struct counting_source {
  std::size_t& pulled;
  task<result<std::string>> operator()() {
    if (pulled == 2000) co_return std::string{};
    ++pulled;
    co_return std::string(10'000, 'x');
  }
};
struct counted_stream {
  std::size_t& pulled;
  task<result<response>> operator()(request&) const {
    response answer;
    answer.content = body::generate(counting_source{pulled});
    co_return answer;
  }
};
VIRTUAL_TEST(Server, PullsNoFasterThanASlowClientReads) {
  std::size_t pulled = 0;
  served s{l, counted_stream{pulled}};
  auto w = co_await s.connect();
  co_await w.send(get("/"));
  co_await settle(l, 5s);
  EXPECT_GT(pulled, 0U);
  EXPECT_LT(pulled * 10'000, 300'000U);  // what the network holds, and a piece
  const auto a = co_await w.read_answer();
  EXPECT_EQ(a.content.size(), 20'000'000U);
  EXPECT_EQ(pulled, 2000U);
}

HTTP_TEST(Server, ServesUnixSockets) {
  if (dynamic_cast<epoll_loop*>(&l) == nullptr) co_return;
  std::string folder = testing::TempDir() + "weftXXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error{"mkdtemp"};
  const auto at = address::unix_path(folder + "/http.sock");
  http::server server{l, echo_target};
  EXPECT_TRUE(server.listen(at).has_value());
  wire w{(co_await l.connect({}, at)).value()};
  co_await w.send(get("/unix"));
  EXPECT_EQ((co_await w.read_answer()).content, "/unix");
}

// --- draining ---

task<void> drain_into(http::server& s, duration patience, bool& done) {
  co_await s.drain(patience);
  done = true;
}

HTTP_TEST(Server, DrainsIdleConnectionsAtOnceAndBusyOnesWhenTheyAreDone) {
  gate slow{l};
  served s{l, through(slow)};
  auto idle = co_await s.connect();
  slow.open.set();
  co_await idle.send(get("/"));
  EXPECT_EQ((co_await idle.read_answer()).status, 200);
  slow.open.reset();
  auto busy = co_await s.connect();
  co_await busy.send(get("/busy"));
  while (slow.waiting == 0) co_await settle(l, 1ms);
  bool done = false;
  task_group group{l};
  group.spawn(drain_into(s.server, 10s, done));
  EXPECT_EQ(co_await idle.rest(), "");
  EXPECT_EQ(co_await idle.state(l), ending::end);
  EXPECT_FALSE(done);
  EXPECT_FALSE((co_await l.connect({}, s.server.local())).has_value());
  slow.open.set();
  const auto a = co_await busy.read_answer();
  EXPECT_EQ(a.content, "/busy|");
  EXPECT_EQ(a.field("connection"), "close");
  busy.close();
  co_await group.join();
  EXPECT_TRUE(done);
}

VIRTUAL_TEST(Server, CutsOffWhatDoesNotEndWithinTheDrainsPatience) {
  gate slow{l};
  served s{l, through(slow)};
  auto busy = co_await s.connect();
  co_await busy.send(get("/busy"));
  auto half = co_await s.connect();
  co_await half.send("GET / HT");
  while (slow.waiting == 0) co_await settle(l, 1ms);
  const auto begin = l.now();
  co_await s.server.drain(3s);
  EXPECT_LT(l.now() - begin, 4s);
  EXPECT_EQ(slow.cancelled, 1);
  EXPECT_EQ(s.server.stats().connections, 0U);
}

VIRTUAL_TEST(Server, AnswersWithCloseOnceDrainingHasBegun) {
  served s{l, echo_target};
  s.server.start_draining();
  auto w = co_await s.connect();
  co_await w.send(get("/late"));
  const auto a = co_await w.read_answer();
  EXPECT_EQ(a.status, 0);  // an idle connection is not kept open for a first request
}

HTTP_TEST(Server, MayBeDestroyedInTheMiddleOfEverything) {
  gate slow{l};
  std::optional<wire> waiting, uploading, idle, pipelined;
  {
    served s{l, fast_then_slow{slow}, {.max_connections_per_peer = 10}};
    waiting = co_await s.connect();
    uploading = co_await s.connect();
    idle = co_await s.connect();
    pipelined = co_await s.connect();
    co_await waiting->send(get("/slow"));
    co_await uploading->send("POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
    co_await pipelined->send(get("/1") + get("/slow"));
    while (slow.waiting < 3) co_await settle(l, 1ms);
  }
  EXPECT_NE(co_await idle->state(l, 1s), ending::open);
  EXPECT_NE(co_await waiting->state(l, 1s), ending::open);
}

}  // namespace
}  // namespace weft::http
