// Server, client and server in a row, as the gateway will use them: content streams through both ways, and what happens
// to one side is seen at the other.
#include "http_harness.hpp"

#include <weft/http/client.hpp>
#include <weft/http/hop_by_hop.hpp>

namespace weft::http {
namespace {

struct proxy {
  client& upstream;
  task<result<response>> operator()(request& r) const {
    request onward{r.method(), r.target(), std::move(r.content)};
    onward.headers = r.headers;
    strip_hop_by_hop(onward.headers);
    onward.headers.remove("host");
    auto answer = co_await upstream.send(r.context(), std::move(onward));
    if (!answer) co_return fail(answer.error());
    response back{answer->status, std::move(answer->content)};
    back.headers = answer->headers;
    strip_hop_by_hop(back.headers);
    co_return back;
  }
};

struct chain {
  chain(loop& l, handler h, server_options options = {})
      : origin{l, std::move(h), options},
        upstream{l, {.base_url = "http://127.0.0.1:" + std::to_string(origin.server.local().port())}},
        front{l, proxy{upstream}} {}
  served origin;
  client upstream;
  served front;
};

task<result<response>> echo_text(request& r) {
  WEFT_CO_TRY(const auto text, co_await r.content.text(64 << 20));
  auto answer = response::text(std::string{text});
  answer.headers.set("X-Origin", "yes");
  co_return answer;
}
task<result<response>> echo_stream(request& r) {
  response answer;
  answer.content = std::move(r.content);
  co_return answer;
}

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 256 * 7);
  return text;
}

task<void> send_all(wire& to, std::string text) { static_cast<void>(co_await to.send(std::move(text))); }

HTTP_TEST(ProxyChain, PassesContentOfEverySize) {
  chain c{l, echo_text};
  auto w = co_await c.front.connect();
  for (const std::size_t size : {0U, 1U, 100U, 4000U, 5000U, 17'000U, 70'000U, 3'000'000U}) {
    const auto content = pattern(size);
    task_group group{l};
    group.spawn(send_all(w, post("/", content)));
    const auto a = co_await w.read_answer();
    EXPECT_EQ(a.status, 200) << size;
    EXPECT_EQ(a.field("x-origin"), "yes");
    EXPECT_TRUE(a.content == content) << size << " " << a.content.size();
    co_await group.join();
  }
  EXPECT_EQ(c.origin.server.stats().connections_accepted, 1U);
}

HTTP_TEST(ProxyChain, PassesPipelinedRequestsInOrder) {
  chain c{l, echo_text};
  auto w = co_await c.front.connect();
  std::string all;
  for (int i = 0; i < 100; ++i) all += post("/", "content " + std::to_string(i));
  task_group group{l};
  group.spawn(send_all(w, all));
  for (int i = 0; i < 100; ++i) EXPECT_EQ((co_await w.read_answer()).content, "content " + std::to_string(i));
  co_await group.join();
}

HTTP_TEST(ProxyChain, PassesChunksAndTrailers) {
  chain c{l, echo_stream};
  auto w = co_await c.front.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  co_await settle(l, 2ms);
  co_await w.send("6\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n");
  const auto a = co_await w.read_answer();
  EXPECT_EQ(a.content, "hello world");
  EXPECT_EQ(a.trailers, "X-Sum: 42\r\n");
}

HTTP_TEST(ProxyChain, AsksForContentOnlyWhenTheOriginWantsIt) {
  chain c{l, echo_text};
  auto w = co_await c.front.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(co_await w.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  co_await w.send("hello");
  EXPECT_EQ((co_await w.read_answer()).content, "hello");
}

task<result<response>> too_large(request&) { co_return response::text("too large", status::content_too_large); }
HTTP_TEST(ProxyChain, PassesAnEarlyRefusal) {
  chain c{l, too_large};
  auto w = co_await c.front.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n" + std::string(100'000, 'x'));
  const auto begin = l.now();
  const auto a = co_await w.read_answer();
  EXPECT_EQ(a.status, 413);
  EXPECT_EQ(a.content, "too large");
  EXPECT_LT(l.now() - begin, 5s) << "waited for content that nobody wants";
}

HTTP_TEST(ProxyChain, CancelsTheOriginWhenTheClientIsGone) {
  event never{l};
  int cancelled = 0;
  struct waiting {
    event& open;
    int& count;
    task<result<response>> operator()(request& r) const {
      const auto waited = co_await open.wait(r.context());
      if (!waited) ++count;
      co_return fail(errc::cancelled);
    }
  };
  chain c{l, waiting{never, cancelled}};
  auto w = co_await c.front.connect();
  co_await w.send(get("/"));
  while (c.origin.server.stats().requests_active == 0) co_await settle(l, 1ms);
  w.reset();
  for (int i = 0; i < 100 && c.front.server.stats().connections > 0; ++i) co_await settle(l, 1ms);
  EXPECT_EQ(c.front.server.stats().connections, 0U);
  EXPECT_EQ(c.upstream.stats().connections, 0U);
}

struct breaking {
  int left = 3;
  task<result<std::string>> operator()() {
    if (left-- == 0) co_return fail(errc::internal, "broke off");
    co_return std::string(1000, 'x');
  }
};
task<result<response>> breaks_off(request&) {
  response answer;
  answer.content = body::generate(breaking{});
  co_return answer;
}
HTTP_TEST(ProxyChain, DoesNotMakeABrokenAnswerWhole) {
  chain c{l, breaks_off};
  auto w = co_await c.front.connect();
  co_await w.send(get("/"));
  const auto a = co_await w.read_answer();
  EXPECT_FALSE(a.whole);
  EXPECT_NE(co_await w.state(l, 1s), ending::open);
}

HTTP_TEST(ProxyChain, AnswersWhenTheOriginIsGone) {
  std::optional<chain> c{std::in_place, l, echo_text};
  static_cast<void>(co_await c->front.say(get("/", "Connection: close\r\n")));
  {
    bool done = false;
    const auto drain = [](server& s, bool& ended) -> task<void> {
      co_await s.drain(0s);
      ended = true;
    };
    task_group group{l};
    group.spawn(drain(c->origin.server, done));
    co_await group.join();
  }
  const auto said = co_await c->front.say(get("/", "Connection: close\r\n"));
  EXPECT_TRUE(said.starts_with("HTTP/1.1 503 ")) << said;
}

struct flood {
  std::size_t& pulled;
  task<result<std::string>> operator()() {
    ++pulled;
    co_return std::string(10'000, 'x');
  }
};
VIRTUAL_TEST(ProxyChain, HoldsTheOriginBackForASlowClient) {
  std::size_t pulled = 0;
  struct source {
    std::size_t& count;
    task<result<response>> operator()(request&) const {
      response answer;
      answer.content = body::generate(flood{count});
      co_return answer;
    }
  };
  chain c{l, source{pulled}};
  auto w = co_await c.front.connect();
  co_await w.send(get("/"));
  co_await settle(l, 20s);
  EXPECT_LT(pulled * 10'000, 600'000U);
  w.reset();
  co_await settle(l, 20s);
  EXPECT_EQ(c.origin.server.stats().connections, 0U);
}

}  // namespace
}  // namespace weft::http
