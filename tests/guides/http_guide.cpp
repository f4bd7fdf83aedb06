#include <weft/http/client.hpp>
#include <weft/http/compression.hpp>
#include <weft/http/router.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/task_group.hpp>

#include <gtest/gtest.h>
#include <boost/describe/class.hpp>

namespace {
using namespace weft;
using namespace std::chrono_literals;

// [handlers]
struct greeting {
  std::string text;
  int times = 0;
};
BOOST_DESCRIBE_STRUCT(greeting, (), (text, times))

task<result<http::response>> greet(http::request& r, std::string name, int times) {
  if (times > 100) co_return fail(errc::invalid_argument, "times: at most 100");  // 400
  co_return http::response::json(greeting{"hello " + name, times});
}

// Streamed content is pulled: the next piece is made when the one before has left.
struct countdown {
  int left = 3;
  task<result<std::string>> next() { co_return left > 0 ? std::to_string(left--) + "\n" : std::string{}; }
};
task<result<http::response>> count(http::request&) {
  auto state = std::make_shared<countdown>();
  http::response r;
  r.content = http::body::generate([state] { return state->next(); });
  co_return r;
}

// Received content can be read piece by piece as well; a slow handler slows its client, not the memory.
task<result<http::response>> measure(http::request& r) {
  std::size_t bytes = 0;
  for (;;) {
    WEFT_CO_TRY(auto piece, co_await r.content.next());
    if (piece.empty()) break;
    bytes += piece.size();
  }
  co_return http::response::text(std::to_string(bytes));
}

http::router make_routes() {
  http::router routes;
  routes.use(http::compress_responses());
  routes.get("/greet/{name}/{times:int}", greet);
  routes.get("/count", count);
  routes.put("/measure", measure);
  return routes;
}
// [/handlers]

// [server]
task<void> serve_and_call(loop& l, const http::router& routes) {
  http::server server{l, routes.as_handler(), {.max_body_bytes = 1 << 20, .head_timeout = 5s}};
  EXPECT_TRUE(server.listen(address::loopback(0)));

  http::client client{l, {.base_url = "http://" + server.local().to_string()}};
  const auto ctx = context{}.with_timeout(l, 2s);
  auto greeted = co_await client.get<greeting>(ctx, "/greet/Ada/3");
  EXPECT_EQ(greeted.value().text, "hello Ada");

  auto refused = co_await client.get<greeting>(ctx, "/greet/Ada/200");
  EXPECT_EQ(refused.error().code(), errc::invalid_argument);

  auto counted = co_await client.get_raw(ctx, "/count");
  EXPECT_EQ(*co_await counted->content.text(), "3\n2\n1\n");

  auto measured = co_await client.send(ctx, {http::method::put, "/measure", std::string(500'000, 'x')});
  EXPECT_EQ(*co_await measured->content.text(), "500000");

  co_await server.drain(1s);  // answers what is under way, then closes
}
// [/server]

TEST(HttpGuide, ServesAndCalls) {
  epoll_loop loop;
  const auto routes = make_routes();
  loop.run(serve_and_call(loop, routes));
}

}  // namespace
