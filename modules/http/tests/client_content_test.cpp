// Content of requests and answers, as the client streams it.
#include "client_harness.hpp"

namespace weft::http {
namespace {

struct letters {
  int left = 3;
  task<result<std::string>> operator()() {
    if (left == 0) co_return std::string{};
    co_return std::string(10, static_cast<char>('a' + --left));
  }
};
// Ever more of it.
struct endless {
  std::size_t& pulled;
  task<result<std::string>> operator()() {
    ++pulled;
    co_return std::string(10'000, 'x');
  }
};

task<body> only_content(client& c) {
  auto answer = co_await c.get_raw({}, "/content-of-an-answer");
  co_return std::move(answer->content);
}
HTTP_TEST(Client, GivesContentThatOutlivesItsAnswer) {
  served s{l, echo_path};
  client c{l, to(s)};
  auto content = co_await only_content(c);
  static_cast<void>(co_await c.get_raw({}, "/something-else"));
  EXPECT_EQ((co_await content.text()).value(), "/content-of-an-answer");
}

HTTP_TEST(Client, ClosesAConnectionWhoseAnswerIsDroppedHalfRead) {
  scripted s{l};
  client c{l, s.options()};
  {
    call one{l, c, {method::get, "/"}};
    auto w = co_await s.accept();
    co_await w.until("\r\n\r\n");
    co_await w.send("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhe");
    auto answer = co_await one.done();
    EXPECT_TRUE(answer.has_value());
    if (answer) EXPECT_EQ((co_await answer->content.next()).value(), "he");
    EXPECT_EQ(c.stats().connections, 1U);
    answer = fail(errc::cancelled);
    EXPECT_EQ(c.stats().connections, 0U);
    EXPECT_NE(co_await w.state(l, 1s), ending::open);
  }
}

HTTP_TEST(Client, KeepsAConnectionWhoseContentWasReadToItsLength) {
  scripted s{l};
  client c{l, s.options()};
  call one{l, c, {method::get, "/"}};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  auto answer = co_await one.done();
  co_await w.send("hello");
  EXPECT_TRUE(answer.has_value());
  if (answer) EXPECT_EQ((co_await answer->content.next()).value(), "hello");
  answer = fail(errc::cancelled);
  EXPECT_EQ(c.stats().idle, 1U);
}

HTTP_TEST(Client, StreamsUploadsInChunksOrByTheirLength) {
  for (const bool known : {false, true}) {
    scripted s{l};
    client c{l, s.options()};
    request r{method::post, "/"};
    r.content = body::generate(letters{}, known ? std::optional<std::uint64_t>{30} : std::nullopt);
    call one{l, c, std::move(r)};
    auto w = co_await s.accept();
    const auto head = co_await w.until("\r\n\r\n");
    EXPECT_EQ(head.contains("Content-Length: 30\r\n"), known) << head;
    EXPECT_EQ(head.contains("Transfer-Encoding: chunked\r\n"), !known) << head;
    const auto content = co_await w.until(known ? "aaaaaaaaaa" : "0\r\n\r\n");
    EXPECT_EQ(content, known ? "ccccccccccbbbbbbbbbbaaaaaaaaaa"
                             : "a\r\ncccccccccc\r\na\r\nbbbbbbbbbb\r\na\r\naaaaaaaaaa\r\n0\r\n\r\n");
    co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
    EXPECT_TRUE((co_await one.done()).has_value());
    EXPECT_EQ(c.stats().idle, 1U);
  }
}

VIRTUAL_TEST(Client, PullsAnUploadNoFasterThanTheServerReads) {
  scripted s{l};
  client c{l, s.options({.write_timeout = 1h})};
  std::size_t pulled = 0;
  request r{method::post, "/"};
  r.content = body::generate(endless{pulled});
  call one{l, c, std::move(r)};
  auto w = co_await s.accept();
  co_await settle(l, 30s);
  EXPECT_GT(pulled, 0U);
  EXPECT_LT(pulled * 10'000, 500'000U);
}

HTTP_TEST(Client, StopsAnUploadThatTheServerRefuses) {
  for (const bool streamed : {true, false}) {
    scripted s{l};
    client c{l, s.options()};
    std::size_t pulled = 0;
    request r{method::post, "/"};
    r.content = streamed ? body::generate(endless{pulled}) : body{std::string(50'000'000, 'x')};
    call one{l, c, std::move(r)};
    auto w = co_await s.accept();
    co_await w.until("\r\n\r\n");
    // It neither reads on nor closes.
    co_await w.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge");
    auto answer = co_await one.done();
    EXPECT_TRUE(answer.has_value()) << answer.error().describe();
    if (!answer) continue;
    EXPECT_EQ(answer->status, status::content_too_large);
    EXPECT_EQ((co_await answer->content.text()).value(), "large");
    EXPECT_EQ(c.stats().connections, 0U);
  }
}

HTTP_TEST(Client, GoesOnUploadingWhileTheAnswerAlreadyComes) {
  scripted s{l};
  client c{l, s.options()};
  request r{method::post, "/"};
  r.content = body{std::string(3'000'000, 'x') + "end"};
  call one{l, c, std::move(r)};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
  EXPECT_EQ((co_await w.until("end")).size(), 3'000'003U);
  co_await w.send("llo");
  auto answer = co_await one.done();
  EXPECT_TRUE(answer.has_value());
  if (answer) EXPECT_EQ((co_await answer->content.text()).value(), "hello");
  EXPECT_EQ(c.stats().idle, 1U);
}

HTTP_TEST(Client, WaitsFor100Continue) {
  scripted s{l};
  client c{l, s.options()};
  request r{method::post, "/", "hello"};
  r.headers.set("Expect", "100-continue");
  call one{l, c, std::move(r)};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await settle(l, 5ms);
  EXPECT_EQ(w.unread(), "");
  co_await w.send("HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(co_await w.until("hello"), "hello");
  co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE((co_await one.done()).has_value());
  EXPECT_EQ(c.stats().idle, 1U);
}

HTTP_TEST(Client, TakesAnAnswerInsteadOf100Continue) {
  scripted s{l};
  client c{l, s.options()};
  request r{method::post, "/", "hello"};
  r.headers.set("Expect", "100-continue");
  call one{l, c, std::move(r)};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
  const auto answer = co_await one.done();
  EXPECT_TRUE(answer.has_value() && answer->status == status::unauthorized);
  EXPECT_EQ(co_await w.rest(), "");  // the content was never sent, and the connection is not used again
}

VIRTUAL_TEST(Client, SendsContentAnywayWhenNo100ContinueComes) {
  scripted s{l};
  client c{l, s.options()};
  request r{method::post, "/", "hello"};
  r.headers.set("Expect", "100-continue");
  call one{l, c, std::move(r)};
  auto w = co_await s.accept();
  EXPECT_EQ((co_await w.until("hello")).substr(0, 4), "POST");
  co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE((co_await one.done()).has_value());
}

HTTP_TEST(Client, BoundsTheMemoryOfUnboundedAnswers) {
  scripted s{l};
  client c{l, s.options()};
  call one{l, c, {method::get, "/"}};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string("5\r\nhello\r\n"));
  auto answer = co_await one.done();
  EXPECT_TRUE(answer.has_value());
  if (!answer) co_return;
  co_await w.send("5\r\nhello\r\n");
  const auto text = co_await answer->content.text(8);
  EXPECT_FALSE(text.has_value());
  if (!text) EXPECT_EQ(text.error().code(), errc::resource_exhausted);
}

}  // namespace
}  // namespace weft::http
