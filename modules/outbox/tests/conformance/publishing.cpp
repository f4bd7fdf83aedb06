// From the user's transaction to the broker, while nothing fails.
#include "suite.hpp"

namespace weft::messaging {

using namespace std::chrono_literals;

TEST_P(Outbox, PublishesNothingOfATransactionThatIsRolledBack) {
  start_relay();
  {
    auto tx = run(db->begin(context{})).value();
    ASSERT_TRUE(run(out->add(tx, context{}, message_of("lost"))));
    ASSERT_TRUE(run(tx.rollback(context{})));
    auto dropped = run(db->begin(context{})).value();
    ASSERT_TRUE(run(out->add(dropped, context{}, message_of("lost too"))));
  }
  out->committed();
  add("kept");
  until_empty();
  EXPECT_EQ(bus->ids(), std::vector<std::string>{"kept"});
}

TEST_P(Outbox, PublishesWhatWasCommittedOnceAndInOrderPerKey) {
  std::map<std::string, std::vector<std::string>> expected;
  const auto add_some = [&](int from, int to) {
    std::vector<outgoing> all;
    for (int i = from; i < to; ++i) {
      const auto key = "key-" + std::to_string(i % 7);
      all.push_back(message_of(std::to_string(i), key));
      expected[key].push_back(std::to_string(i));
    }
    add(std::move(all));
  };
  add_some(0, 300);  // before there is a relay
  auto& relay = start_relay({.batch = 16, .calls = 4, .window = 64, .poll = 1h});
  for (int i = 300; i < 400; i += 10) add_some(i, i + 10);
  until([&] { return relay.statistics().published == 400; }, "everything is published");
  until_empty();
  EXPECT_EQ(bus->taken().size(), 400u);
  EXPECT_EQ(bus->first_by_key(), expected);
}

TEST_P(Outbox, CarriesTheWholeMessage) {
  outgoing sent{.what = {.id = "1",
                         .topic = "orders.placed",
                         .key = "käse \"7\" \\ {a,b}",
                         .fields = {{"ce-type", "placed"}, {"bytes", std::string("\xff\x00\n", 3)}},
                         .body = std::string("\0\x01\xff body", 8),
                         .content_type = "application/json",
                         .priority = 9,
                         .time_to_live = 90s},
                .if_unroutable = unroutable::refuse};
  add({sent});
  start_relay();
  until_empty();
  ASSERT_EQ(bus->taken().size(), 1u);
  EXPECT_EQ(bus->taken()[0].what, sent.what);
  EXPECT_EQ(bus->taken()[0].if_unroutable, unroutable::refuse);
}

TEST_P(Outbox, CountsADelayFromTheMomentItWasAdded) {
  auto later = message_of("later");
  later.delay = 1h;
  add({later});
  execute("UPDATE weft_outbox SET added_at = added_at - 1800000");
  start_relay();
  until_empty();
  ASSERT_EQ(bus->taken().size(), 1u);
  EXPECT_LE(bus->taken()[0].delay, 30min);
  EXPECT_GT(bus->taken()[0].delay, 20min);
}

TEST_P(Outbox, GivesAMessageAnIdThatLasts) {
  add({message_of("")});
  bus->hold_answers();
  start_relay();
  until([&] { return bus->taken().size() == 1; }, "it is with the broker");
  restart();
  bus->release_answers();
  expire_leases();
  start_relay();
  until_empty();
  ASSERT_EQ(bus->taken().size(), 2u);
  EXPECT_FALSE(bus->ids()[0].empty());
  EXPECT_EQ(bus->ids()[0], bus->ids()[1]);
}

TEST_P(Outbox, RefusesWhatNoBrokerTakesAndGoesOn) {
  auto tx = run(db->begin(context{})).value();
  const auto code = [&](outgoing what) { return run(out->add(tx, context{}, std::move(what))).error().code(); };
  auto wrong = message_of("1");
  wrong.what.topic = "two words";
  EXPECT_EQ(code(wrong), errc::invalid_argument);
  EXPECT_EQ(code(message_of("1", "\xc3\x28")), errc::invalid_argument);
  EXPECT_EQ(code(message_of("1", "", std::string((16UL << 20) + 1, 'x'))), errc::resource_exhausted);
  auto early = message_of("1");
  early.delay = -1s;
  EXPECT_EQ(code(early), errc::invalid_argument);
  ASSERT_TRUE(run(out->add(tx, context{}, message_of("good"))));
  ASSERT_TRUE(run(tx.commit(context{})));
  EXPECT_EQ(count("weft_outbox"), 1);
}

TEST_P(Outbox, FindsByPollingWhatNobodyToldItOf) {
  start_relay({.poll = 10ms});
  auto tx = run(db->begin(context{})).value();
  ASSERT_TRUE(run(out->add(tx, context{}, message_of("quiet"))));
  ASSERT_TRUE(run(tx.commit(context{})));
  until([&] { return bus->taken().size() == 1; }, "it is found");
}

TEST_P(Outbox, KeepsNoMoreInMemoryThanItMay) {
  std::vector<outgoing> all;
  for (int i = 0; i < 500; ++i) all.push_back(message_of(std::to_string(i)));
  add(std::move(all));
  auto& relay = start_relay({.batch = 8, .calls = 2, .window = 32, .poll = 1h});
  std::size_t most = 0;
  until(
      [&] {
        most = std::max(most, relay.statistics().in_memory);
        return relay.statistics().published == 500;
      },
      "everything is published");
  EXPECT_LE(most, 32u);
  until_empty();
}

TEST_P(Outbox, ReadsLargeMessagesAFewAtATime) {
  bus->has.max_message_bytes = 1 << 20;
  for (int i = 0; i < 12; ++i) add({message_of(std::to_string(i), "", std::string(300'000, 'x'))});
  for (int i = 12; i < 24; ++i) add({message_of(std::to_string(i), "", std::string(200'000, 'x'))});
  std::size_t most = 0;
  bus->verdict = [&](const outgoing&) -> result<> {
    most = std::max(most, relays.back()->statistics().in_memory);
    return {};
  };
  auto& relay = start_relay({.window_bytes = 1'000'000, .poll = 1h});
  until([&] { return relay.statistics().published == 24; }, "everything is published");
  EXPECT_GE(most, 3u);
  EXPECT_LE(most, 5u);  // the one that reaches the bound is read, too
  until_empty();
}

TEST_P(Outbox, KeepsSentRowsAsLongAsAsked) {
  add("old");
  add("young");
  start_relay({.poll = 1h, .keep_sent = 1h, .measure_every = 10ms});
  until_count("weft_outbox WHERE state = 1", 2);
  execute("UPDATE weft_outbox SET ended_at = ended_at - 3700000 WHERE id = 'old'");
  until_count("weft_outbox", 1);
  EXPECT_EQ(count("weft_outbox WHERE id = 'young'"), 1);
  EXPECT_EQ(bus->taken().size(), 2u);
}

TEST_P(Outbox, RemovesWhatWasKeptOnceNothingIsToBeKept) {
  add("old");
  auto& keeping = start_relay({.poll = 1h, .keep_sent = 1h});
  until_count("weft_outbox WHERE state = 1", 1);
  ASSERT_TRUE(run(keeping.stop(context{})));
  start_relay();
  until_empty();
}

TEST_P(Outbox, GivesOneKeysMessagesInOneCallToABrokerThatTakesItAsAWhole) {
  bus->has.set = {feature::transactions};
  std::vector<outgoing> all;
  std::vector<std::string> expected;
  for (int i = 0; i < 100; ++i) {
    all.push_back(message_of(std::to_string(i), "hot"));
    expected.push_back(std::to_string(i));
  }
  add(std::move(all));
  int failing = 3;
  bus->verdict_of_call = [&] { return --failing >= 0 ? result<>{fail(errc::unavailable, "not now")} : result<>{}; };
  start_relay();
  until_empty();
  EXPECT_EQ(bus->first_by_key().at("hot"), expected);
  EXPECT_EQ(bus->taken().size(), 100u);
  EXPECT_LT(bus->calls, 10u);
}

TEST_P(Outbox, TellsHowMuchWaits) {
  observe::registry metrics;
  add("a");
  add("b");
  execute("UPDATE weft_outbox SET added_at = added_at - 60000");
  const auto depth = run(out->depth(context{})).value();
  EXPECT_EQ(depth.waiting, 2u);
  EXPECT_GE(depth.oldest, 60s);
  bus->verdict = [](const outgoing& o) -> result<> {
    if (o.what.id == "a") return fail(errc::invalid_argument, "not this one");
    return {};
  };
  start_relay({.poll = 1h, .measure_every = 10ms, .metrics = &metrics});
  until(
      [&] {
        const auto text = metrics.expose();
        return text.contains("weft_outbox_published_total 1\n") && text.contains("weft_outbox_parked_total 1\n") &&
               text.contains("weft_outbox_lease_changes_total{change=\"taken\"} 16\n") &&
               text.contains("weft_outbox_leases 16\n") && text.contains("weft_outbox_backlog 0\n") &&
               text.contains("weft_outbox_parked 1\n") && text.contains("weft_outbox_oldest_age_seconds 0\n");
      },
      "the figures say so");
}

TEST_P(Outbox, RefusesAnotherNumberOfShards) {
  const auto refused = run(outbox::open(*db, context{}, {.shards = 8}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::failed_precondition);
  EXPECT_TRUE(refused.error().describe().contains("outbox.shards")) << refused.error().describe();
  EXPECT_EQ(run(outbox::open(*db, context{}, {.shards = 0})).error().code(), errc::invalid_argument);
  EXPECT_TRUE(run(outbox::open(*db, context{})));
  EXPECT_THROW(outbox_relay(*out, *bus, {.batch = 0}), std::invalid_argument);
}

}  // namespace weft::messaging
