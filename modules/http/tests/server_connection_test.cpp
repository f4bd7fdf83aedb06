// D: how long connections live, and who is at their other end.
#include "server_handlers.hpp"

#include <weft/http/trusted_fields.hpp>

namespace weft::http {
namespace {

HTTP_TEST(ServerConnection, EndsAfterItsRequests) {
  served s{l, echo_target, {.max_connection_requests = 3}};
  auto w = co_await s.connect();
  for (int i = 1; i <= 3; ++i) {
    co_await w.send(get("/" + std::to_string(i)));
    EXPECT_EQ((co_await w.read_answer()).field("connection"), i == 3 ? "close" : "");
  }
  EXPECT_EQ(co_await w.rest(), "");
  EXPECT_EQ(co_await w.state(l, 1s), ending::end);
}

VIRTUAL_TEST(ServerConnection, EndsWithTheResponseAfterItsAge) {
  served s{l, echo_target, {.max_connection_age = 10min, .idle_timeout = 1h}};
  auto w = co_await s.connect();
  co_await w.send(get("/1"));
  EXPECT_EQ((co_await w.read_answer()).field("connection"), "");
  EXPECT_EQ(co_await w.state(l, 20min), ending::open);  // nobody is cut off between requests
  co_await w.send(get("/2"));
  EXPECT_EQ((co_await w.read_answer()).field("connection"), "close");
}

task<result<response>> says_close(request& r) {
  auto answer = response::text("bye");
  if (r.target() == "/close") answer.headers.add("Connection", "Close");
  if (r.target() == "/list") answer.headers.add("Connection", "x-hop, close");
  co_return answer;
}
HTTP_TEST(ServerConnection, EndsWhenTheHandlerSaysSo) {
  served s{l, says_close};
  for (const std::string target : {"/close", "/list"}) {
    auto w = co_await s.connect();
    co_await w.send(get("/open"));
    EXPECT_EQ((co_await w.read_answer()).field("connection"), "");
    co_await w.send(get(target));
    const auto a = co_await w.read_answer();
    EXPECT_EQ(a.content, "bye");
    EXPECT_EQ(a.field("connection"), "close");
    EXPECT_EQ(co_await w.state(l, 1s), ending::end);
  }
}

task<result<response>> strange_status(request& r) {
  co_return response::text("?", static_cast<status>(std::stoi(std::string{r.target().substr(1)})));
}
// C3: a status that HTTP does not have is a failure, of the handler that gives it.
HTTP_TEST(ServerConnection, AnswersAStatusThatIsNoneWith500) {
  served s{l, strange_status};
  for (const auto& [code, answered] : {std::pair{"600", 500}, {"99", 500}, {"1000", 500}, {"0", 500}, {"599", 599}}) {
    auto w = co_await s.connect();
    co_await w.send(get("/" + std::string{code}));
    EXPECT_EQ((co_await w.read_answer()).status, answered) << code;
  }
}

task<result<response>> echo_client(request& r) { co_return response::text(r.client().host()); }
struct forwarded_case {
  std::string fields, client;
};
HTTP_TEST(ServerConnection, KnowsTheClientBehindTrustedProxies) {
  served trusting{l, echo_client, {.trusted_proxies = {"127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48"}}};
  served wary{l, echo_client};
  for (const auto& c : std::vector<forwarded_case>{
           {"", "127.0.0.1"},
           {"X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"},
           {"X-Forwarded-For: 192.0.2.7:4711\r\n", "192.0.2.7"},
           {"X-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.1.2.3\r\n", "192.0.2.7"},
           {"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.7,10.1.2.3\r\n", "192.0.2.7"},
           {"X-Forwarded-For: 10.9.9.9, 10.1.2.3\r\n", "10.9.9.9"},
           {"X-Forwarded-For: 2001:db8:2::7, 2001:db8:1::1\r\n", "2001:db8:2::7"},
           {"X-Forwarded-For: [2001:db8:2::7]:80\r\n", "2001:db8:2::7"},
           {"X-Forwarded-For: ::ffff:192.0.2.7\r\n", "192.0.2.7"},
           {"X-Forwarded-For: 6.6.6.6, unknown, 10.1.2.3\r\n", "10.1.2.3"},
           {"X-Forwarded-For: 6.6.6.6, unknown\r\n", "127.0.0.1"},
           {"X-Forwarded-For: \r\n", "127.0.0.1"},
           {"Forwarded: for=192.0.2.7\r\n", "192.0.2.7"},
           {"Forwarded: for=6.6.6.6, for=192.0.2.7;proto=https;by=10.0.0.1, For=\"10.1.2.3:80\"\r\n", "192.0.2.7"},
           {"Forwarded: proto=https;for=\"[2001:db8:2::7]:4711\"\r\n", "2001:db8:2::7"},
           {"Forwarded: for=_hidden\r\n", "127.0.0.1"},
           {"Forwarded: proto=https\r\n", "127.0.0.1"},
           {"Forwarded: for=192.0.2.7\r\nX-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"},
           // The proxy writes one of them, and somebody else the other.
           {"Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 192.0.2.7\r\n", "127.0.0.1"}}) {
    auto w = co_await trusting.connect();
    co_await w.send(get("/", c.fields));
    EXPECT_EQ((co_await w.read_answer()).content, c.client) << c.fields;
    auto v = co_await wary.connect();
    co_await v.send(get("/", c.fields));
    EXPECT_EQ((co_await v.read_answer()).content, "127.0.0.1") << c.fields;
  }
}

VIRTUAL_TEST(ServerConnection, LimitsTheRequestsOfOneClient) {
  gate slow{l};
  served s{l,
           through(slow),
           {.max_connections_per_peer = 2, .max_requests_per_client = 1, .trusted_proxies = {"127.0.0.1"}}};
  std::vector<wire> waiting;
  for (const std::string client : {"192.0.2.1", "192.0.2.2", "192.0.2.3"}) {  // a proxy is not one peer
    waiting.push_back(co_await s.connect());
    co_await waiting.back().send(get("/", "X-Forwarded-For: " + client + "\r\n"));
  }
  while (slow.waiting < 3) co_await settle(l, 1ms);
  auto again = co_await s.connect();
  co_await again.send(get("/", "X-Forwarded-For: 192.0.2.1\r\n"));
  EXPECT_EQ((co_await again.read_answer()).status, 429);
  slow.open.set();
  for (auto& w : waiting) EXPECT_EQ((co_await w.read_answer()).status, 200);
  auto later = co_await s.connect();
  co_await later.send(get("/", "X-Forwarded-For: 192.0.2.1\r\n"));
  EXPECT_EQ((co_await later.read_answer()).status, 200);
}

TEST(ServerConnectionOptions, RefuseNetworksThatAreNone) {
  epoll_loop l;
  EXPECT_THROW((http::server{l, echo_client, {.trusted_proxies = {"10.0.0.0/33"}}}), std::invalid_argument);
}

}  // namespace
}  // namespace weft::http
