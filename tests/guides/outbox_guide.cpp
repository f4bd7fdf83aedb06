#include <weft/messaging/memory_broker.hpp>
#include <weft/outbox.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/storage/sqlite.hpp>
#include <weft/testkit/run.hpp>

#include <gtest/gtest.h>
#include <boost/describe/class.hpp>

namespace {
using namespace weft;
using namespace std::chrono_literals;

// [events]
struct order_placed {
  std::string id;
  std::int64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(order_placed, (), (id, cents))
inline constexpr messaging::topic<order_placed> orders_placed{"orders.placed.v1"};

struct invoice_written {
  std::string order;
};
BOOST_DESCRIBE_STRUCT(invoice_written, (), (order))
inline constexpr messaging::topic<invoice_written> invoices_written{"invoices.written.v1"};
// [/events]

// [publish]
class shop {
 public:
  shop(messaging::outbox& out, const messaging::publisher& events) : out_{out}, events_{events} {}

  task<result<>> place(context ctx, order_placed order) {
    return out_.transact(std::move(ctx), placing{out_, events_, std::move(order)});
  }

 private:
  struct placing {
    messaging::outbox& out;
    const messaging::publisher& events;
    order_placed order;

    task<result<>> operator()(storage::transaction& tx, context ctx) const {
      WEFT_CO_TRY_VOID(co_await tx.execute(ctx, "INSERT INTO orders VALUES ($1, $2)", {order.id, order.cents}));
      if (order.cents < 0) co_return fail(errc::invalid_argument, "a negative amount");  // no row, no message
      co_return co_await out.add(tx, ctx, events, orders_placed, order, order.id);
    }
  };

  messaging::outbox& out_;
  const messaging::publisher& events_;
};
// [/publish]

// [handle]
class billing {
 public:
  billing(messaging::outbox& out, const messaging::publisher& events) : out_{out}, events_{events} {}

  // All of it in one transaction: the id of the message, the invoice, and the event that tells of it.
  task<result<>> write_invoice(storage::transaction& tx, context ctx, order_placed order) {
    WEFT_CO_TRY_VOID(co_await tx.execute(ctx, "INSERT INTO invoices VALUES ($1, $2)", {order.id, order.cents}));
    co_return co_await out_.add(tx, ctx, events_, invoices_written, invoice_written{order.id}, order.id);
  }

 private:
  messaging::outbox& out_;
  const messaging::publisher& events_;
};

void subscribe(messaging::router& bus, messaging::inbox& in, billing& books) {
  in.on(bus, orders_placed, {.group = "billing"},
        [&](storage::transaction& tx, const context& ctx, const messaging::delivery<order_placed>& d) {
          return books.write_invoice(tx, ctx, d.event);
        });
}
// [/handle]

task<result<>> tell_what_is_parked(messaging::outbox& out, std::vector<std::string>& told) {
  // [parked]
  WEFT_CO_TRY(const auto parked, co_await out.parked({}));
  for (const auto& p : parked) told.push_back(p.what.what.topic + ": " + p.reason);
  if (!parked.empty()) WEFT_CO_TRY_VOID(co_await out.replay({}, {parked.front().number}));  // or purge()
  // [/parked]
  co_return result<>{};
}

task<result<std::int64_t>> rows_in(storage::database& db, std::string table) {
  WEFT_CO_TRY(const auto found, co_await db.query({}, "SELECT count(*) FROM " + table));
  co_return found.scalar<std::int64_t>();
}

task<result<>> run_all(testkit::host& h) {
  auto& l = h.loop();
  WEFT_CO_TRY(const auto db, co_await storage::open_sqlite(l, {.path = "shop.db", .disk = &h.blocking_disk()}));
  WEFT_CO_TRY_VOID(co_await db->execute({}, "CREATE TABLE orders (id TEXT PRIMARY KEY, cents INTEGER)"));
  WEFT_CO_TRY_VOID(co_await db->execute({}, "CREATE TABLE invoices (id TEXT, cents INTEGER)"));
  messaging::memory_broker broker{l, std::make_shared<messaging::memory_hub>()};
  const messaging::publisher events{l, broker, {.source = "/shop"}};

  // [wire]
  WEFT_CO_TRY(const auto out, co_await messaging::outbox::open(*db, {}));
  WEFT_CO_TRY(const auto in, co_await messaging::inbox::open(*db, {}, {.keep = 24h * 7, .out = out.get()}));
  messaging::outbox_relay relay{*out, broker, {.name = "shop-1"}};
  WEFT_CO_TRY_VOID(co_await relay.start({}));
  // [/wire]

  billing books{*out, events};
  messaging::router bus{l, broker};
  subscribe(bus, *in, books);
  WEFT_CO_TRY_VOID(co_await bus.start({}));
  shop market{*out, events};
  WEFT_CO_TRY_VOID(co_await market.place({}, {"o-1", 990}));
  EXPECT_EQ((co_await market.place({}, {"o-2", -1})).error().code(), errc::invalid_argument);
  while ((co_await out->depth({})).value().waiting > 0) static_cast<void>(co_await weft::sleep(l, {}, 10ms));
  EXPECT_EQ((co_await rows_in(*db, "orders")).value(), 1);
  EXPECT_EQ((co_await rows_in(*db, "invoices")).value(), 1);
  EXPECT_EQ((co_await rows_in(*db, "weft_inbox")).value(), 1);
  EXPECT_EQ(relay.statistics().published, 2u);

  std::vector<std::string> told;
  WEFT_CO_TRY_VOID(co_await tell_what_is_parked(*out, told));
  EXPECT_TRUE(told.empty());
  // [stop]
  WEFT_CO_TRY_VOID(co_await bus.stop(context{}.with_timeout(l, 20s)));
  WEFT_CO_TRY_VOID(co_await relay.stop(context{}.with_timeout(l, 20s)));
  // [/stop]
  co_return result<>{};
}

TEST(OutboxGuide, PlacesAnOrderAndWritesItsInvoiceOnce) {
  const auto done = testkit::run([](testkit::host& h) { return run_all(h); });
  EXPECT_TRUE(done) << done.error().describe();
}

}  // namespace
