// A13: a server that drips holds no call for ever, whatever deadline the caller has. A7: nor is what it says before it
// was asked a response.
#include "client_harness.hpp"

namespace weft::http {
namespace {

task<result<std::size_t>> read_size(client& c) {
  WEFT_CO_TRY(auto answer, co_await c.send({}, {method::get, "/"}));
  WEFT_CO_TRY(const auto text, co_await answer.content.text());
  co_return text.size();
}
task<void> read_into(client& c, std::optional<result<std::size_t>>& got) { got = co_await read_size(c); }

// Answers with `head`, then sends `piece` again and again until the other end is gone or it was sent `times`.
task<void> drip(loop& l, scripted& s, std::string head, std::string piece, duration pause, int times) {
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send(std::move(head));
  for (int i = 0; i < times; ++i) {
    if (co_await w.state(l, pause) != ending::open) break;
    if (!co_await w.send(piece)) break;
  }
}

struct drip_case {
  std::string framing, piece;
};
const drip_case framings[] = {
    {"Content-Length: 1000000\r\n", "x"}, {"Transfer-Encoding: chunked\r\n", "1\r\nx\r\n"}, {"", "x"}};

// A13, for responses: a byte each 0.8 s, and no deadline.
VIRTUAL_TEST(ClientDrip, AResponseMustComeAtALeastRate) {
  for (const auto& each : framings) {
    scripted s{l};
    client c{l, s.options({.body_timeout = 10s})};
    task_group group{l};
    group.spawn(drip(l, s, "HTTP/1.1 200 OK\r\n" + each.framing + "\r\n", each.piece, 800ms, 10'000));
    const auto begin = l.now();
    const auto got = co_await read_size(c);
    EXPECT_LT(l.now() - begin, 110s) << each.framing;
    EXPECT_FALSE(got.has_value());
    if (!got) EXPECT_EQ(got.error().code(), errc::deadline_exceeded) << got.error().describe();
    EXPECT_EQ(c.stats().connections, 0U);
  }
}

VIRTUAL_TEST(ClientDrip, ASlowResponseThatKeepsTheRateIsRead) {
  scripted s{l};
  client c{l, s.options({.body_timeout = 1s, .min_body_bytes_per_second = 100})};
  task_group group{l};
  group.spawn(drip(l, s, "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n", std::string(100, 'x'), 900ms, 100));
  EXPECT_EQ((co_await read_size(c)).value_or(0), 10'000U);
}

VIRTUAL_TEST(ClientDrip, AStreamOfEventsMayBeSilentForLong) {
  for (const auto& options : {client_options{.min_body_bytes_per_second = 0},
                              client_options{.body_timeout = duration::max(), .min_body_bytes_per_second = 240},
                              client_options{.body_timeout = 0s, .min_body_bytes_per_second = 240}}) {
    scripted s{l};
    client c{l, s.options(options)};
    task_group group{l};
    group.spawn(drip(l, s, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "x", 20s, 1000));
    EXPECT_EQ((co_await read_size(c)).value_or(0), 1000U);
  }
}

// The time in which the caller does something else is not the server's.
VIRTUAL_TEST(ClientDrip, WhoReadsLateIsNotBlamedOnTheServer) {
  scripted s{l};
  client c{l, s.options({.body_timeout = 1s})};
  task_group group{l};
  group.spawn(drip(l, s, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "x", 500ms, 2));
  auto answer = co_await c.send({}, {method::get, "/"});
  EXPECT_TRUE(answer.has_value());
  if (!answer) co_return;
  co_await settle(l, 1h);
  EXPECT_EQ((co_await answer->content.text()).value_or("failed"), "xx");
}

// Interim answers do not begin response_timeout anew.
VIRTUAL_TEST(ClientDrip, InterimAnswersKeepNoCall) {
  for (const std::string interim : {"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n"}) {
    scripted s{l};
    client c{l, s.options({.response_timeout = 60s})};
    task_group group{l};
    group.spawn(drip(l, s, interim, interim, 40s, 100));
    const auto begin = l.now();
    const auto got = co_await read_size(c);
    EXPECT_LT(l.now() - begin, 61s) << interim;
    if (!got) EXPECT_EQ(got.error().code(), errc::deadline_exceeded) << got.error().describe();
    EXPECT_FALSE(got.has_value());
  }
}

// A7, on a connection that is new.
SOCKET_TEST(ClientDrip, WhatAServerSaysFirstAnswersNothing) {
  for (const std::string says : {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray", "220 smtp ready\r\n\r\n"}) {
    scripted s{l};
    client c{l, s.options()};
    std::optional<result<std::size_t>> got;
    task_group group{l};
    group.spawn(read_into(c, got));
    auto w = co_await s.accept();
    co_await w.send(says);  // the connection is open, and the client has not been told yet
    co_await group.join();
    EXPECT_TRUE(got.has_value());
    if (!got) continue;
    EXPECT_FALSE(got->has_value());
    if (*got) continue;
    EXPECT_EQ(got->error().code(), errc::unavailable) << got->error().describe();
    EXPECT_TRUE(got->error().unprocessed());
  }
}

}  // namespace
}  // namespace weft::http
