// Deliveries and their effects, through the inbox.
#include "suite.hpp"

#include <weft/messaging/memory_broker.hpp>

#include <boost/describe/class.hpp>

namespace weft::messaging {

using namespace std::chrono_literals;

namespace {

struct order_placed {
  std::string id;
};
BOOST_DESCRIBE_STRUCT(order_placed, (), (id))
constexpr topic<order_placed> orders_placed{"orders.placed"};

task<result<>> record(storage::transaction& tx, context ctx, std::string what) {
  WEFT_CO_TRY_VOID(co_await tx.execute(std::move(ctx), "INSERT INTO effects VALUES ($1)", {std::move(what)}));
  co_return result<>{};
}
task<result<>> record_and_fail(storage::transaction& tx, context ctx, std::string what) {
  WEFT_CO_TRY_VOID(co_await record(tx, std::move(ctx), std::move(what)));
  co_return fail(errc::unavailable, "the handler fails");
}
task<result<>> record_and_throw(storage::transaction& tx, context ctx) {
  WEFT_CO_TRY_VOID(co_await record(tx, std::move(ctx), "thrown"));
  throw std::runtime_error{"a bug"};
}
task<result<>> record_and_publish(storage::transaction& tx, context ctx, outbox& out, outgoing what, bool fails) {
  WEFT_CO_TRY_VOID(co_await record(tx, ctx, what.what.id));
  WEFT_CO_TRY_VOID(co_await out.add(tx, ctx, std::move(what)));
  if (fails) co_return fail(errc::unavailable, "the handler fails");
  co_return result<>{};
}

inbox_work recording(std::string what) {
  return [what](storage::transaction& tx, const context& ctx) { return record(tx, ctx, what); };
}

}  // namespace

TEST_P(Inbox, ASecondDeliveryHasNoEffect) {
  EXPECT_EQ(handle("1", recording("a")).value(), inbox_outcome::handled);
  EXPECT_EQ(handle("1", recording("b")).value(), inbox_outcome::duplicate);
  EXPECT_EQ(handle("2", recording("c")).value(), inbox_outcome::handled);
  EXPECT_EQ(handle("1", recording("d"), "another group").value(), inbox_outcome::handled);
  EXPECT_EQ(count("effects"), 3);
  EXPECT_EQ(count("effects WHERE id = 'b'"), 0);
}

TEST_P(Inbox, OfDeliveriesAtTheSameTimeOneHasAnEffect) {
  std::vector<task<result<inbox_outcome>>> all;
  for (int i = 0; i < 6; ++i) all.push_back(in->handle(context{}, "group", "same", recording("effect")));
  int handled = 0;
  for (const auto& r : run(when_all(where->home(), std::move(all)))) {
    ASSERT_TRUE(r) << r.error().describe();
    handled += *r == inbox_outcome::handled ? 1 : 0;
  }
  EXPECT_EQ(handled, 1);
  EXPECT_EQ(count("effects"), 1);
}

TEST_P(Inbox, WhenTheFirstOfTwoFailsTheOtherHasTheEffect) {
  std::vector<task<result<inbox_outcome>>> all;
  const inbox_work failing = [](storage::transaction& tx, const context& ctx) {
    return record_and_fail(tx, ctx, "failed");
  };
  all.push_back(in->handle(context{}, "group", "same", failing));
  all.push_back(in->handle(context{}, "group", "same", recording("effect")));
  const auto outcomes = run(when_all(where->home(), std::move(all)));
  EXPECT_EQ(outcomes[0].error().code(), errc::unavailable);
  EXPECT_EQ(outcomes[1].value(), inbox_outcome::handled);
  EXPECT_EQ(count("effects WHERE id = 'effect'"), 1);
  EXPECT_EQ(count("effects"), 1);
}

TEST_P(Inbox, AnErrorOfTheHandlerLetsTheMessageComeAgain) {
  const inbox_work failing = [](storage::transaction& tx, const context& ctx) {
    return record_and_fail(tx, ctx, "failed");
  };
  EXPECT_EQ(handle("1", failing).error().code(), errc::unavailable);
  EXPECT_EQ(count("weft_inbox"), 0);
  const inbox_work throwing = [](storage::transaction& tx, const context& ctx) { return record_and_throw(tx, ctx); };
  EXPECT_THROW(static_cast<void>(handle("1", throwing)), std::runtime_error);
  EXPECT_EQ(handle("1", recording("done")).value(), inbox_outcome::handled);
  EXPECT_EQ(count("effects"), 1);
}

TEST_P(Inbox, AHandlersOwnAlreadyExistsIsNoDuplicate) {
  execute("CREATE UNIQUE INDEX once ON effects (id)");
  ASSERT_TRUE(handle("1", recording("x")));
  EXPECT_EQ(handle("2", recording("x")).error().code(), errc::already_exists);
  EXPECT_EQ(count("weft_inbox"), 1);
}

TEST_P(Inbox, WhatTheHandlerPublishesBelongsToItsTransaction) {
  open_inbox({.out = out.get()});
  start_relay();
  const auto publishing = [this](bool fails) -> inbox_work {
    return [this, fails](storage::transaction& tx, const context& ctx) {
      return record_and_publish(tx, ctx, *out, message_of("follow-up"), fails);
    };
  };
  EXPECT_FALSE(handle("1", publishing(true)));
  EXPECT_TRUE(handle("1", publishing(false)));
  EXPECT_TRUE(handle("1", publishing(false)));
  until([&] { return bus->taken().size() == 1 && relay_idle(); }, "it is published, without polling");
  EXPECT_EQ(count("effects"), 1);
  EXPECT_EQ(bus->taken().size(), 1u);
}

TEST_P(Inbox, WrapsTheHandlerOfARouter) {
  auto hub = std::make_shared<memory_hub>();
  memory_broker memory{where->home(), hub};
  {
    router messages{where->home(), memory};
    messages.use(retry{.immediate = 0, .max_attempts = 10, .first_delay = 1ms});
    int calls = 0;
    in->on(messages, orders_placed, {.group = "billing"},
           [&](storage::transaction& tx, const context& ctx, const delivery<order_placed>& d) {
             return ++calls == 1 ? record_and_fail(tx, ctx, d.event.id) : record(tx, ctx, d.event.id);
           });
    ASSERT_TRUE(run(messages.start(context{})));
    publisher events{where->home(), memory, {.source = "/orders"}};
    const auto once = events.prepare(context{}, orders_placed, order_placed{"7"}, "7").value();
    ASSERT_TRUE(run(publish_one(memory, context{}, once)));
    until([&] { return calls == 2 && messages.in_flight() == 0; }, "it is handled at the second attempt");
    ASSERT_TRUE(run(publish_one(memory, context{}, once)));  // the same id again
    ASSERT_TRUE(run(events.publish(context{}, orders_placed, order_placed{"8"}, "8")));
    until_count("effects WHERE id = '8'", 1);
    EXPECT_TRUE(run(messages.stop(context{})));
    EXPECT_EQ(calls, 3);
  }
  EXPECT_EQ(count("effects"), 2);
  EXPECT_EQ(run(memory.admin()->depths(context{})).value()[0].ready, 0u);
}

TEST_P(Inbox, RefusesWhatHasNoName) {
  EXPECT_EQ(handle("", recording("x")).error().code(), errc::invalid_argument);
  EXPECT_EQ(handle("1", recording("x"), "").error().code(), errc::invalid_argument);
  EXPECT_THROW(static_cast<void>(in->wrap<order_placed>("", {})), std::invalid_argument);
  EXPECT_EQ(run(inbox::open(*db, context{}, {.keep = 0s})).error().code(), errc::invalid_argument);
}

TEST_P(Inbox, ForgetsWhatItKeptLongEnoughInSmallTransactions) {
  open_inbox({.keep = 1h, .purge_batch = 3});
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(handle(std::to_string(i), recording("x")));
  execute("UPDATE weft_inbox SET forget_at = forget_at - 3700000 WHERE id <> '9'");
  EXPECT_EQ(run(in->purge(context{})).value(), 9u);
  EXPECT_EQ(count("weft_inbox"), 1);
  EXPECT_EQ(handle("9", recording("y")).value(), inbox_outcome::duplicate);
  EXPECT_EQ(handle("1", recording("y")).value(), inbox_outcome::handled);
}

TEST_P(Inbox, RemembersAcrossRestartsForDeduplicate) {
  auto store = in->as_duplicate_store();
  const auto claim = [&](const std::string& id) { return run(store->claim(context{}, "mail", id)).value(); };
  EXPECT_EQ(claim("1"), duplicate_state::fresh);
  EXPECT_EQ(claim("1"), duplicate_state::in_progress);
  store->release("mail", "1");
  EXPECT_EQ(claim("1"), duplicate_state::fresh);
  ASSERT_TRUE(run(store->complete(context{}, "mail", "1", 1h)));
  store->release("mail", "1");  // as the middleware does
  EXPECT_EQ(claim("1"), duplicate_state::handled);
  store.reset();
  in.reset();
  restart();
  open_inbox({});
  store = in->as_duplicate_store();
  EXPECT_EQ(claim("1"), duplicate_state::handled);
  EXPECT_EQ(claim("2"), duplicate_state::fresh);
  store.reset();
}

}  // namespace weft::messaging
