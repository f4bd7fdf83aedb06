// The server as its clients see it, byte by byte.
#include "server_handlers.hpp"

namespace weft::http {
namespace {

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

}  // namespace
}  // namespace weft::http
