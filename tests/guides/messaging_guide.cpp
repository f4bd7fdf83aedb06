// The code of docs/guides/messaging.md.
#include <weft/http/server.hpp>
#include <weft/messaging.hpp>
#include <weft/messaging_http/admin_routes.hpp>
#include <weft/messaging_http/remote_broker.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit/run.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/describe/class.hpp>
#include <boost/json/object.hpp>

#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace {
using namespace weft;
using namespace std::chrono_literals;

task<result<>> done() { co_return result<>{}; }

// [topic]
struct order_placed {
  std::string order;
  std::int64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(order_placed, (), (order, cents))

inline constexpr messaging::topic<order_placed> orders_placed{"orders.placed"};
// [/topic]

// [books]
class books {
 public:
  task<result<>> record(const context&, const messaging::delivery<order_placed>& d) {
    if (d.event.cents < 0) co_return fail(errc::invalid_argument, "an order cannot cost less than nothing");
    if (closed) co_return fail(errc::unavailable, "the books are closed");
    total += d.event.cents;
    co_return result<>{};
  }

  std::int64_t total = 0;
  bool closed = false;
};
// [/books]

// [publish]
task<result<>> place(messaging::publisher& bus, context ctx, order_placed order) {
  // The key keeps the events of one order in their order.
  co_return co_await bus.publish(ctx, orders_placed, order, order.order);
}

task<result<>> remind(messaging::publisher& bus, context ctx, order_placed order) {
  co_return co_await bus.publish(ctx, orders_placed, order, order.order,
                                 {.delay = 1h, .if_unroutable = messaging::unroutable::refuse});
}
// [/publish]

// [batch]
task<std::size_t> place_all(messaging::publisher& bus, context ctx, std::vector<order_placed> orders) {
  messaging::publisher::batch several;
  for (const auto& order : orders) several.push_back(bus.prepare(ctx, orders_placed, order, order.order).value());
  std::size_t taken = 0;
  for (const auto& each : co_await bus.publish(ctx, std::move(several))) taken += each.has_value() ? 1 : 0;
  co_return taken;
}
// [/batch]

// [consume]
void add_billing(messaging::router& router, books& to) {
  router.use(messaging::deduplicate{.window = 1h})
      .use(messaging::dead_letter{})
      .use(messaging::retry{.immediate = 0, .max_attempts = 3, .first_delay = 1s, .factor = 10})
      .use(messaging::timeout{.after = 10s});
  router.on(orders_placed, {.group = "billing", .concurrency = 8},
            [&to](const context& ctx, const messaging::delivery<order_placed>& d) { return to.record(ctx, d); });
}
// [/consume]

TEST(MessagingGuide, PublishesAndConsumes) {
  testkit::run([](loop& l) -> task<void> {
    context ctx;
    // [whole]
    messaging::broker_factory brokers;
    brokers.add("memory", messaging::memory_brokers());
    const auto broker = (co_await brokers.open(l, ctx, "memory:")).value();

    books ledger;
    messaging::router router{l, *broker};
    add_billing(router, ledger);
    EXPECT_TRUE(co_await router.start(ctx));

    messaging::publisher bus{l, *broker, {.source = "/orders"}};
    EXPECT_TRUE(co_await place(bus, ctx, {"o-1", 4200}));
    // [/whole]
    EXPECT_EQ(co_await place_all(bus, ctx, {{"o-2", 1}, {"o-3", 2}}), 2u);
    EXPECT_TRUE(co_await remind(bus, ctx, {"o-1", 10}));
    EXPECT_TRUE(co_await weft::sleep(l, ctx, 1s));
    EXPECT_EQ(ledger.total, 4203);
    EXPECT_TRUE(co_await weft::sleep(l, ctx, 61min));
    EXPECT_EQ(ledger.total, 4213);

    // [failure]
    ledger.closed = true;  // transient: tried again after 1 s and 10 s
    EXPECT_TRUE(co_await place(bus, ctx, {"o-4", 100}));
    EXPECT_TRUE(co_await place(bus, ctx, {"o-5", -1}));  // no retry helps: parked at once
    EXPECT_TRUE(co_await weft::sleep(l, ctx, 1min));

    const auto dead = (co_await broker->admin()->dead_letters(ctx, {.group = "billing"})).value();
    EXPECT_EQ(dead.size(), 2u);
    EXPECT_EQ(dead[0].what->key, "o-5");
    EXPECT_EQ(dead[0].attempts, 1u);
    EXPECT_EQ(dead[1].failures.size(), 3u);  // of o-4, each with its time and its error

    ledger.closed = false;
    EXPECT_EQ(co_await broker->admin()->replay(ctx, "billing", {dead[1].number}), 1u);
    // [/failure]
    EXPECT_TRUE(co_await weft::sleep(l, ctx, 1min));
    EXPECT_EQ(ledger.total, 4313);
    // [stop]
    EXPECT_TRUE(co_await router.stop(ctx.with_timeout(l, 20s)));  // finishes what it is at, gives back the rest
    // [/stop]
  });
}

// [needs]
TEST(MessagingGuide, AsksForWhatItNeeds) {
  testkit::run([](loop& l) -> task<void> {
    messaging::memory_broker bus{l, std::make_shared<messaging::memory_hub>()};
    messaging::router router{l, bus, {.name = "billing", .needs = {messaging::feature::durable}}};
    const auto started = co_await router.start({});
    EXPECT_EQ(started.error().message(), "billing needs durable, which the broker memory lacks");
  });
}
// [/needs]

// [stage]
// Middleware of one's own: a stage around the next one.
struct count_failures {
  std::map<errc, int>& counts;

  [[nodiscard]] messaging::stage wrap(messaging::stage next, const messaging::middleware_wiring&) const {
    auto kept = std::make_shared<messaging::stage>(std::move(next));
    return [kept, &into = counts](const context& ctx, messaging::incoming& in) { return count(*kept, into, ctx, in); };
  }
  static task<messaging::outcome> count(messaging::stage& next, std::map<errc, int>& into, const context& ctx,
                                        messaging::incoming& in) {
    auto outcome = co_await next(ctx, in);
    if (!outcome.handled) ++into[outcome.handled.error().code()];
    co_return outcome;
  }
};
// [/stage]

TEST(MessagingGuide, TakesMiddlewareOfOnesOwn) {
  testkit::run([](loop& l) -> task<void> {
    messaging::memory_broker bus{l, std::make_shared<messaging::memory_hub>()};
    messaging::publisher out{l, bus, {.source = "/orders"}};
    books ledger;
    std::map<errc, int> counts;
    messaging::router router{l, bus};
    router.use(count_failures{counts});
    add_billing(router, ledger);
    EXPECT_TRUE(co_await router.start({}));
    EXPECT_TRUE(co_await place(out, {}, {"o-1", -1}));
    EXPECT_TRUE(co_await weft::sleep(l, {}, 1s));
    EXPECT_EQ(counts[errc::invalid_argument], 1);
    EXPECT_TRUE(co_await router.stop({}));
  });
}

// [rpc]
struct price_query {
  std::string sku;
};
BOOST_DESCRIBE_STRUCT(price_query, (), (sku))
struct price {
  std::int64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(price, (), (cents))

inline constexpr messaging::procedure<price_query, price> get_price{"prices.get"};

task<result<price>> look_up(const context&, const price_query& q) {
  if (q.sku != "book") co_return fail(errc::not_found, "no such sku: " + q.sku);
  co_return price{1990};
}
// [/rpc]

TEST(MessagingGuide, AsksAndAnswers) {
  testkit::run([](loop& l) -> task<void> {
    messaging::memory_broker bus{l, std::make_shared<messaging::memory_hub>()};
    context ctx;
    // [ask]
    messaging::router router{l, bus};
    messaging::answer(router, get_price, {.group = "prices"}, look_up);
    EXPECT_TRUE(co_await router.start(ctx));

    messaging::requester ask{l, bus};
    EXPECT_TRUE(co_await ask.start(ctx));
    const price_query book{"book"}, door{"door"};
    const auto found = co_await ask(ctx.with_timeout(l, 2s), get_price, book);
    EXPECT_EQ(found->cents, 1990);
    const auto missing = co_await ask(ctx.with_timeout(l, 2s), get_price, door);
    EXPECT_EQ(missing.error().code(), errc::not_found);  // the answering side's error, as it was
    // [/ask]
    co_await ask.stop(ctx);
    EXPECT_TRUE(co_await router.stop(ctx));
  });
}

TEST(MessagingGuide, TellsInsideTheProgram) {
  testkit::run([](loop&) -> task<void> {
    context ctx;
    // [bus]
    messaging::event_bus inside;
    std::int64_t seen = 0;
    const auto told = inside.subscribe(orders_placed, [&seen](const context&, const order_placed& o) {
      seen += o.cents;
      return done();
    });
    const order_placed order{"o-1", 4200};
    EXPECT_TRUE(co_await inside.publish(ctx, orders_placed, order));
    EXPECT_EQ(seen, 4200);
    // [/bus]
  });
}

// [versions]
struct order_placed_v2 {
  std::string order;
  std::int64_t amount = 0;
  std::string currency;
};
BOOST_DESCRIBE_STRUCT(order_placed_v2, (), (order, amount, currency))

inline constexpr messaging::topic<order_placed_v2> orders_placed_now{.name = "orders.placed", .version = 2};

messaging::upcasters known_upcasters() {
  messaging::upcasters old;
  old.add<order_placed, order_placed_v2>("orders.placed", 1, [](order_placed o) -> result<order_placed_v2> {
    return order_placed_v2{o.order, o.cents, "EUR"};
  });
  return old;
}
// [/versions]

TEST(MessagingGuide, ReadsOldEvents) {
  testkit::run([](loop& l) -> task<void> {
    messaging::memory_broker bus{l, std::make_shared<messaging::memory_hub>()};
    messaging::publisher out{l, bus, {.source = "/orders"}};
    context ctx;
    std::vector<std::string> seen;
    // [upcast]
    const auto old = known_upcasters();
    messaging::router router{l, bus, {.upcast = &old}};
    router.on(orders_placed_now, {.group = "billing"},
              [&seen](const context&, const messaging::delivery<order_placed_v2>& d) {
                seen.push_back(std::to_string(d.event.amount) + " " + d.event.currency);
                return done();
              });
    // [/upcast]
    EXPECT_TRUE(co_await router.start(ctx));
    EXPECT_TRUE(co_await out.publish(ctx, orders_placed, {"o-1", 4200}));
    EXPECT_TRUE(co_await out.publish(ctx, orders_placed_now, {"o-2", 100, "SEK"}));
    EXPECT_TRUE(co_await weft::sleep(l, ctx, 1s));
    EXPECT_THAT(seen, testing::ElementsAre("4200 EUR", "100 SEK"));
    EXPECT_TRUE(co_await router.stop(ctx));
  });
}

// [admin]
http::router admin_of(loop& l, messaging::broker& broker, std::string token) {
  http::router routes;
  routes.mount("/admin/messaging", messaging::admin_routes(l, broker, {.token = std::move(token)}));
  return routes;
}
// [/admin]

TEST(MessagingGuide, OffersItsAdministration) {
  testkit::run([](loop& l) -> task<void> {
    messaging::memory_broker bus{l, std::make_shared<messaging::memory_hub>()};
    const auto routes = admin_of(l, bus, "sesame");
    http::server server{l, routes.as_handler()};
    EXPECT_TRUE(server.listen(address::loopback(0)));
    const auto there = co_await messaging::remote_brokers()(l, {}, "http://:sesame@" + server.local().to_string());
    EXPECT_EQ((*there)->features().broker, "memory");
    co_await server.drain(1s);
  });
}

std::string file(const std::string& name) {
  std::ifstream in{std::string{WEFT_TEST_DIR} + "/" + name};
  return {std::istreambuf_iterator<char>{in}, {}};
}

// [schemas]
TEST(Schemas, AreWhatTheRegistryHas) {
  const auto registry = messaging::schema_registry::parse(file("schemas.json")).value();
  EXPECT_TRUE(registry.check<order_placed>("orders.placed", 1));
  EXPECT_TRUE(registry.check<order_placed_v2>("orders.placed", 2));
  EXPECT_TRUE(registry.check(known_upcasters()));  // those that it counts on are there
}
// [/schemas]

}  // namespace
