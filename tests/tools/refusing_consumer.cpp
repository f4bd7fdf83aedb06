// A consumer for tests of the tools: every message fails once, and then for good.
//     refusing_consumer URL GROUP PATTERN          prints "ready", then the id of each message that it refused
//     refusing_consumer URL GROUP PATTERN hold     prints the ids, and never says what becomes of them
//     refusing_consumer URL GROUP PATTERN serve    also offers the broker's administration, and says where after
//     "ready"
#include <weft/http/server.hpp>
#include <weft/messaging_amqp/amqp_broker.hpp>
#include <weft/messaging_http/admin_routes.hpp>
#include <weft/messaging_sqlite/sqlite_broker.hpp>
#include <weft/runtime/epoll_loop.hpp>

#include <cstdio>
#include <string>

namespace {

using namespace weft;
using messaging::settlement;

void say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

task<result<>> refuse(messaging::consumer& from, context ctx, bool hold) {
  for (;;) {
    WEFT_CO_TRY(const auto d, co_await from.next(ctx));
    if (!d) co_return result<>{};
    const bool first = d->attempt == 1;
    const error why{errc::failed_precondition, first ? "no database" : "no such customer"};
    if (!hold)
      WEFT_CO_TRY_VOID(co_await from.settle(
          ctx, d->tag, first ? settlement::retry({}, why) : settlement::dead_letter("refused by the test", why)));
    if (hold || !first) say(d->what->id);
  }
}

task<result<>> consume(loop& l, std::string url, std::string group, std::string pattern, std::string how) {
  messaging::broker_factory brokers;
  brokers.add("sqlite", messaging::sqlite_brokers()).add("amqp", messaging::amqp_brokers());
  WEFT_CO_TRY(const auto bus, co_await brokers.open(l, {}, url));
  WEFT_CO_TRY(const auto from, co_await bus->subscribe({}, {.group = group, .patterns = {pattern}}));
  http::router routes;
  routes.mount("/admin/messaging", messaging::admin_routes(l, *bus, {.token = "weft"}));
  http::server server{l, routes.as_handler()};
  if (how == "serve") WEFT_CO_TRY_VOID(server.listen(address::loopback(0)));
  say("ready");
  if (how == "serve") say(server.local().to_string());
  co_return co_await refuse(*from, {}, how == "hold");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  epoll_loop loop;
  const auto done = loop.run(consume(loop, argv[1], argv[2], argv[3], argc > 4 ? argv[4] : ""));
  if (!done) std::fprintf(stderr, "%s\n", done.error().describe().c_str());
  return done ? 0 : 1;
}
