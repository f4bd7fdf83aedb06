// Content of requests, as the server hands it to handlers: 100-continue, chunks, what nobody reads.
#include "server_handlers.hpp"

namespace weft::http {
namespace {

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

}  // namespace
}  // namespace weft::http
