// The client against servers that are scripted byte by byte, and against our own.
#include "client_harness.hpp"

namespace weft::http {
namespace {

HTTP_TEST(Client, SendsWhatItIsGiven) {
  scripted s{l};
  client c{l, s.options()};
  request r{method::post, "/orders?dry=1", "hello"};
  r.headers.set("X-A", "b");
  call first{l, c, std::move(r)};
  auto w = co_await s.accept();
  const auto host = "127.0.0.1:" + std::to_string(s.listening->local().port());
  EXPECT_EQ(co_await w.until("hello"),
            "POST /orders?dry=1 HTTP/1.1\r\nHost: " + host + "\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello");
  co_await w.send("HTTP/1.1 201 Created\r\nLocation: /orders/7\r\nContent-Length: 2\r\n\r\nok");
  auto answer = co_await first.done();
  EXPECT_TRUE(answer.has_value());
  if (!answer) co_return;
  EXPECT_EQ(answer->status, status::created);
  EXPECT_EQ(answer->headers.get("location"), "/orders/7");
  EXPECT_EQ((co_await answer->content.text()).value(), "ok");
  EXPECT_EQ(c.stats().idle, 1U);
}

HTTP_TEST(Client, PutsTheBasePathBeforeTargets) {
  scripted s{l};
  auto options = s.options();
  options.base_url += "/api/v1/";
  client c{l, options};
  call first{l, c, {method::get, "/users"}};
  auto w = co_await s.accept();
  EXPECT_TRUE((co_await w.until("\r\n\r\n")).starts_with("GET /api/v1/users HTTP/1.1\r\n"));
  co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE((co_await first.done()).has_value());
}

HTTP_TEST(Client, RefusesRequestsThatWouldBreakTheMessage) {
  scripted s{l};
  client c{l, s.options()};
  request split{method::get, "/"};
  split.headers.set("X", "a\r\nY: b");
  request bad_method{method::get, "/"};
  bad_method.set_method("GET / HTTP/1.1\r\nX:");
  std::vector<request> all;
  all.push_back(std::move(split));
  all.push_back(std::move(bad_method));
  all.emplace_back(method::get, "/a b");
  all.emplace_back(method::get, "/a\r\nX: y");
  all.emplace_back(method::get, "relative");
  for (auto& r : all) {
    const auto answer = co_await c.send({}, std::move(r));
    EXPECT_FALSE(answer.has_value());
    if (!answer) EXPECT_EQ(answer.error().code(), errc::invalid_argument) << answer.error().describe();
  }
}

struct answer_form {
  std::string bytes;
  bool then_close = false, reusable = true;
  std::string content = "hello";
};
HTTP_TEST(Client, ReadsEveryFormOfAnswer) {
  const answer_form forms[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nA: b\r\n\r\n"},
      {"HTTP/1.1 200 OK\r\n\r\nhello", true, false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", false, false},
      {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
       "5\r\n\r\nhello"},
      {"HTTP/1.1 204 No Content\r\n\r\n", false, true, ""},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", false, true, ""},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, true, ""},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloTOO MUCH", false, false},
  };
  for (const auto& form : forms)
    for (const bool bytewise : {false, true}) {
      scripted s{l};
      client c{l, s.options()};
      call one{l, c, {method::get, "/"}};
      auto w = co_await s.accept();
      co_await w.until("\r\n\r\n");
      if (!bytewise) co_await w.send(form.bytes);
      for (const char byte : bytewise ? form.bytes : std::string{}) {
        co_await w.send(std::string(1, byte));
        co_await yield{l};
      }
      if (form.then_close) w.half_close();
      auto answer = co_await one.done();
      EXPECT_TRUE(answer.has_value()) << form.bytes;
      if (!answer) continue;
      const auto text = co_await answer->content.text();
      EXPECT_EQ(text.value_or("failed"), form.content) << form.bytes;
      co_await settle(l, 2ms);
      EXPECT_EQ(c.stats().idle, form.reusable ? 1U : 0U) << form.bytes;
      EXPECT_EQ(c.stats().connections, form.reusable ? 1U : 0U) << form.bytes;
    }
}

HTTP_TEST(Client, ExpectsNoContentAfterHead) {
  scripted s{l};
  client c{l, s.options()};
  call one{l, c, {method::head, "/"}};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
  auto answer = co_await one.done();
  EXPECT_TRUE(answer.has_value() && answer->headers.get("content-length") == "500");
  EXPECT_EQ(c.stats().idle, 1U);
}

VIRTUAL_TEST(Client, SaysWhatIsWrongWithAnAnswer) {
  const std::pair<std::string, errc> cases[] = {
      {"SSH-2.0-OpenSSH_9.2\r\n\r\n", errc::data_loss},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", errc::data_loss},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", errc::data_loss},
      {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", errc::data_loss},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(50'000, 'a'), errc::data_loss},
      {"HTTP/1.1 200 OK\r\nConte", errc::unavailable},
      {"", errc::unavailable},
  };
  for (const auto& [bytes, code] : cases) {
    scripted s{l};
    client c{l, s.options()};
    call one{l, c, {method::get, "/"}};
    auto w = co_await s.accept();
    co_await w.until("\r\n\r\n");
    co_await w.send(bytes);
    w.half_close();
    const auto answer = co_await one.done();
    EXPECT_FALSE(answer.has_value()) << bytes;
    if (answer) continue;
    EXPECT_EQ(answer.error().code(), code) << answer.error().describe();
    EXPECT_FALSE(answer.error().unprocessed());
    EXPECT_EQ(c.stats().connections, 0U);
  }
}

VIRTUAL_TEST(Client, DoesNotWaitForEndlessInterimAnswers) {
  for (const std::string interim : {"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n"}) {
    scripted s{l};
    client c{l, s.options()};
    call one{l, c, {method::get, "/"}};
    auto w = co_await s.accept();
    co_await w.until("\r\n\r\n");
    for (int i = 0; i < 100; ++i)
      if (!co_await w.send(interim)) break;
    const auto answer = co_await one.done();
    EXPECT_FALSE(answer.has_value());
    if (!answer) EXPECT_EQ(answer.error().code(), errc::data_loss);
  }
}

HTTP_TEST(Client, TellsContentThatBrokeOffFromItsEnd) {
  for (const std::string bytes : {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
                                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
                                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\n"}) {
    scripted s{l};
    client c{l, s.options()};
    call one{l, c, {method::get, "/"}};
    auto w = co_await s.accept();
    co_await w.until("\r\n\r\n");
    co_await w.send(bytes);
    w.half_close();
    auto answer = co_await one.done();
    EXPECT_TRUE(answer.has_value());
    if (!answer) continue;
    EXPECT_FALSE((co_await answer->content.text()).has_value()) << bytes;
    EXPECT_EQ(c.stats().connections, 0U);
  }
}

}  // namespace
}  // namespace weft::http
