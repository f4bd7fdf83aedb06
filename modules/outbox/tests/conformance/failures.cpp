// What the relay does when the broker fails, when it is killed, and when another one takes its place.
#include "suite.hpp"

namespace weft::messaging {

using namespace std::chrono_literals;

namespace {
task<result<>> record(storage::transaction& tx, context ctx, std::string what) {
  WEFT_CO_TRY_VOID(co_await tx.execute(std::move(ctx), "INSERT INTO effects VALUES ($1)", {std::move(what)}));
  co_return result<>{};
}
}  // namespace

TEST_P(Outbox, RepublishesUnderTheSameIdWhatWasNotMarked) {
  auto in = run(inbox::open(*db, context{})).value();
  execute("CREATE TABLE effects (id text)");
  add({message_of("1", "k"), message_of("2", "k"), message_of("3")});
  bus->hold_answers();
  start_relay({.name = "only", .poll = 1h});
  until([&] { return bus->taken().size() == 2; }, "the broker has what may be published");  // of "k" one at a time
  in.reset();
  restart();  // between the publish and the mark
  bus->release_answers();
  EXPECT_EQ(count("weft_outbox"), 3);
  start_relay({.name = "only", .poll = 1h});  // of the same name: need not wait for the lease to expire
  until_empty();
  EXPECT_EQ(bus->taken().size(), 5u);
  EXPECT_EQ(bus->first_by_key().at("k"), (std::vector<std::string>{"1", "2"}));

  in = run(inbox::open(*db, context{})).value();
  for (const auto& id : bus->ids()) {
    const inbox_work effect = [id](storage::transaction& tx, const context& ctx) { return record(tx, ctx, id); };
    ASSERT_TRUE(run(in->handle(context{}, "group", id, effect)));
  }
  EXPECT_EQ(count("effects"), 3);
  in.reset();
}

TEST_P(Outbox, ANewcomerGetsAFairShareAndNothingIsPublishedTwice) {
  std::map<std::string, std::vector<std::string>> expected;
  int next = 0;
  const auto add_some = [&] {
    std::vector<outgoing> some;
    for (int i = 0; i < 60; ++i, ++next) {
      const auto key = "key-" + std::to_string(next % 40), id = std::to_string(next);
      some.push_back(message_of(id, key));
      expected[key].push_back(id);
    }
    add(std::move(some));
  };
  const auto held = [&] {
    std::vector<std::size_t> all;
    for (const auto& r : relays) all.push_back(r->statistics().leases);
    std::ranges::sort(all);
    return all;
  };
  using shares = std::vector<std::size_t>;
  add_some();
  bus->hold_answers();
  auto& first = start_relay();
  until([&] { return bus->taken().size() == 40; }, "one of each key is with the broker");
  auto& second = start_relay();
  EXPECT_EQ(first.statistics().leases, 16u);  // none is given up with a message under way
  EXPECT_EQ(second.statistics().leases, 0u);
  bus->release_answers();
  until([&] { return held() == shares{8, 8}; }, "two have a half each");
  add_some();
  until_empty();
  start_relay();
  until([&] { return held() == shares{5, 5, 6}; }, "three have a third each");
  add_some();
  until_empty();
  ASSERT_TRUE(run(relays.front()->stop(context{})));
  relays.erase(relays.begin());
  until([&] { return held() == shares{8, 8}; }, "what one gave back is shared at once");
  add_some();
  until_empty();
  EXPECT_EQ(bus->taken().size(), static_cast<std::size_t>(next));
  EXPECT_EQ(bus->first_by_key(), expected);
  for (const auto& r : relays) EXPECT_EQ(r->statistics().leases_lost, 0u);
}

TEST_P(Outbox, OneThatDiedIsReplaced) {
  start_relay();
  auto& second = start_relay({.lease = 60ms, .poll = 1h});
  until([&] { return second.statistics().leases == 8; }, "it has its share");
  relays.erase(relays.begin());  // dies without a word
  expire_leases();
  until([&] { return second.statistics().leases == 16; }, "the second takes over");
  add("after");
  until_empty();
  EXPECT_EQ(bus->ids(), std::vector<std::string>{"after"});
}

TEST_P(Outbox, AShareIsGivenToNoMoreRelaysThanThereAreShards) {
  out.reset();
  execute("DELETE FROM weft_outbox_shards");
  out = run(outbox::open(*db, context{}, {.shards = 2})).value();
  for (int i = 0; i < 3; ++i) start_relay({.name = "relay-" + std::to_string(i), .poll = 1h});
  until([&] { return relays[0]->statistics().leases == 1 && relays[1]->statistics().leases == 1; },
        "two have one each");
  EXPECT_EQ(relays[2]->statistics().leases, 0u);
  ASSERT_TRUE(run(relays[0]->stop(context{})));
  until([&] { return relays[2]->statistics().leases == 1; }, "the third takes the place of one that went");
}

TEST_P(Outbox, TakesOverByTheDatabasesClock) {
  start_relay({.lease = 1h, .poll = 1h});
  relays.clear();  // its leases still run
  auto& second = start_relay({.lease = 300ms, .poll = 1h});
  EXPECT_EQ(second.statistics().leases, 0u);
  change_shards("expires = CASE WHEN expires > 0 THEN expires - 3600000 ELSE expires END");  // an hour later
  execute("UPDATE weft_outbox_relays SET expires = expires - 3600000");
  until([&] { return second.statistics().leases == 16; }, "they have run out");
}

TEST_P(Outbox, CannotMarkOnceItsLeaseIsLost) {
  for (int i = 0; i < 40; ++i) add(std::to_string(i));
  bus->hold_answers();
  auto& stopped = start_relay({.poll = 1h});
  until([&] { return bus->taken().size() == 40; }, "all are with the broker");
  // Another relay has taken over meanwhile.
  change_shards("owner = 'another', token = token + 1, expires = expires + 3600000");
  bus->release_answers();
  until([&] { return stopped.statistics().leases_lost == 16; }, "it notices");
  EXPECT_EQ(stopped.statistics().leases, 0u);
  EXPECT_EQ(count("weft_outbox"), 40);
  relays.clear();
  start_relay({.name = "another", .poll = 1h});
  until_empty();
  EXPECT_EQ(bus->taken().size(), 80u);
}

TEST_P(Outbox, RelaysThatCompetePublishInOrder) {
  std::map<std::string, std::vector<std::string>> expected;
  auto& random = where->home().random();
  for (int i = 0; i < 4; ++i)
    start_relay({.batch = 4, .calls = 2, .window = 16, .lease = 60ms, .poll = 5ms, .first_pause = 1ms});
  bus->verdict = [&](const outgoing&) -> result<> {
    if (random.chance(0.1)) return fail(errc::unavailable, "not now");
    return {};
  };
  for (int round = 0; round < 30; ++round) {
    std::vector<outgoing> some;
    for (int i = 0; i < 10; ++i) {
      const auto id = std::to_string(round) + "." + std::to_string(i), key = "key-" + std::to_string(i % 3);
      some.push_back(message_of(id, key));
      expected[key].push_back(id);
    }
    add(std::move(some));
    if (round % 5 == 4) expire_leases();
  }
  until_empty();
  EXPECT_EQ(bus->first_by_key(), expected);
}

TEST_P(Outbox, KeepsTheOrderOfAKeyWhilePublishingFails) {
  int failures = 3;
  bus->verdict = [&](const outgoing& o) -> result<> {
    if (o.what.id == "a1" && failures > 0) return --failures, fail(errc::unavailable, "not now");
    return {};
  };
  add({message_of("a1", "a"), message_of("a2", "a"), message_of("b1", "b"), message_of("a3", "a"),
       message_of("b2", "b")});
  auto& relay = start_relay();
  until_empty();
  const std::map<std::string, std::vector<std::string>> expected{{"a", {"a1", "a2", "a3"}}, {"b", {"b1", "b2"}}};
  EXPECT_EQ(bus->first_by_key(), expected);
  EXPECT_EQ(bus->taken().size(), 5u);
  EXPECT_EQ(bus->ids().front(), "b1");  // it did not wait for "a"
  EXPECT_EQ(relay.statistics().retried, 3u);
}

TEST_P(Outbox, AKeyThatFailsDoesNotFillTheMemory) {
  bool fails = true;
  bus->verdict = [&](const outgoing& o) -> result<> {
    if (o.what.key == "stuck" && fails) return fail(errc::resource_exhausted, "its queue is full");
    return {};
  };
  std::vector<outgoing> all;
  for (int i = 0; i < 200; ++i) all.push_back(message_of("s" + std::to_string(i), "stuck"));
  for (int i = 0; i < 50; ++i) all.push_back(message_of(std::to_string(i), "key-" + std::to_string(i % 5)));
  add(std::move(all));
  auto& relay = start_relay({.batch = 8, .window = 32, .poll = 1h, .first_pause = 5ms, .longest_pause = 10ms});
  until([&] { return relay.statistics().published == 50; }, "the others are published");
  EXPECT_LE(relay.statistics().in_memory, 32u);
  fails = false;
  until([&] { return relay.statistics().published == 250; }, "then the rest");
  until_empty();
  std::vector<std::string> expected;
  for (int i = 0; i < 200; ++i) expected.push_back("s" + std::to_string(i));
  EXPECT_EQ(bus->first_by_key().at("stuck"), expected);
}

TEST_P(Outbox, WaitsOutAnOutage) {
  bool down = true;
  bus->verdict = [&](const outgoing&) -> result<> {
    if (down) return fail(errc::unavailable, "no connection");
    return {};
  };
  std::map<std::string, std::vector<std::string>> expected;
  std::vector<outgoing> all;
  for (int i = 0; i < 400; ++i) {
    const auto key = "key-" + std::to_string(i % 50);
    all.push_back(message_of(std::to_string(i), key));
    expected[key].push_back(std::to_string(i));
  }
  add(std::move(all));
  auto& relay = start_relay({.batch = 32, .calls = 2, .poll = 1h, .first_pause = 5ms, .longest_pause = 20ms});
  until([&] { return relay.statistics().retried >= 200; }, "it tries");
  down = false;
  until([&] { return relay.statistics().published == 400; }, "everything is published");
  until_empty();
  EXPECT_EQ(bus->taken().size(), 400u);
  EXPECT_EQ(bus->first_by_key(), expected);
}

TEST_P(Outbox, RepeatsWhatTheBrokerDoesNotAnswerInTime) {
  add("slow");
  bus->hold_answers();
  start_relay({.poll = 1h, .publish_timeout = 20ms, .first_pause = 5ms, .longest_pause = 10ms});
  until([&] { return bus->count("slow") >= 2; }, "it is published again");
  bus->release_answers();
  until_empty();
}

TEST_P(Outbox, ParksWhatIsRefusedForGood) {
  bus->verdict = [](const outgoing& o) -> result<> {
    if (o.what.id == "bad") return fail(errc::invalid_argument, "the broker does not like it");
    return {};
  };
  add({message_of("1", "k"), message_of("bad", "k"), message_of("3", "k"),
       message_of("large", "l", std::string(2000, 'x')), message_of("4", "l")});
  start_relay();
  until([&] { return relay_idle() && bus->taken().size() == 3; }, "the others go on");
  EXPECT_EQ(bus->first_by_key().at("k"), (std::vector<std::string>{"1", "3"}));
  const auto parked = run(out->parked(context{})).value();
  ASSERT_EQ(parked.size(), 2u);
  EXPECT_EQ(parked[0].what.what.id, "bad");
  EXPECT_TRUE(parked[0].reason.contains("the broker does not like it")) << parked[0].reason;
  EXPECT_EQ(parked[1].what.what.body.size(), 2000u);
  EXPECT_TRUE(parked[1].reason.contains("2000 bytes")) << parked[1].reason;
  EXPECT_EQ(run(out->depth(context{})).value().parked, 2u);
  EXPECT_EQ(run(out->parked(context{}, {.after = parked[0].number, .limit = 10})).value().size(), 1u);

  bus->verdict = nullptr;
  EXPECT_EQ(run(out->replay(context{}, {parked[0].number})).value(), 1u);
  until([&] { return bus->count("bad") == 1; }, "it is published after all");
  EXPECT_EQ(run(out->purge(context{})).value(), 1u);
  until_empty();
  EXPECT_EQ(bus->count("large"), 0u);
}

TEST_P(Outbox, HoldsTheKeyOfAParkedMessageBackIfAsked) {
  bool refuses = true;
  bus->verdict = [&](const outgoing& o) -> result<> {
    if (o.what.id == "bad" && refuses) return fail(errc::invalid_argument, "not this one");
    return {};
  };
  add({message_of("1", "k"), message_of("bad", "k"), message_of("3", "k"), message_of("other", "o")});
  auto held = options();
  held.followers = behind_parked::wait;
  start_relay(held);
  until_count("weft_outbox WHERE state = 2", 1);
  add("4", "k");
  add("unkeyed");
  until([&] { return bus->count("unkeyed") == 1 && relay_idle(); }, "others go on");
  EXPECT_EQ(bus->first_by_key().at("k"), std::vector<std::string>{"1"});
  restart();  // also for a relay that was not there
  start_relay(held);
  refuses = false;
  EXPECT_EQ(run(out->replay(context{})).value(), 1u);
  expire_leases();
  run(relays.back()->stop(context{})).value();
  relays.clear();
  start_relay(held);
  until_empty();
  EXPECT_EQ(bus->first_by_key().at("k"), (std::vector<std::string>{"1", "bad", "3", "4"}));
}

TEST_P(Outbox, StopsGracefully) {
  for (int i = 0; i < 20; ++i) add(std::to_string(i));
  bus->hold_answers();
  auto& relay = start_relay();
  until([&] { return bus->taken().size() == 20; }, "all are with the broker");
  struct stopping {
    static task<result<>> run(outbox_relay& r, scripted_broker& b, loop& l) {
      auto [stopped, released] = co_await when_all(l, r.stop(context{}.with_timeout(l, 20s)), release(b, l));
      co_return stopped;
    }
    static task<bool> release(scripted_broker& b, loop& l) {
      co_await weft::yield{l};
      b.release_answers();
      co_return true;
    }
  };
  EXPECT_TRUE(run(stopping::run(relay, *bus, where->home())));
  EXPECT_TRUE(empty());
  EXPECT_EQ(relay.statistics().leases, 0u);
  EXPECT_EQ(start_relay().statistics().leases, 16u);  // at once
  EXPECT_EQ(bus->taken().size(), 20u);
}

TEST_P(Outbox, CanBeStoppedAfterTheContextOfItsStartHasEnded) {
  for (int i = 0; i < 5; ++i) add(std::to_string(i));
  bus->hold_answers();
  outbox_relay relay{*out, *bus, options()};
  cancel_source ending;
  ASSERT_TRUE(run(relay.start(context{}.with_cancellation(ending.token()))));
  until([&] { return bus->taken().size() == 5; }, "all are with the broker");
  ending.cancel();
  bus->release_answers();
  const auto stopped = run(relay.stop(context{}.with_timeout(where->home(), 20s)));
  EXPECT_TRUE(stopped || stopped.error().code() == errc::cancelled) << stopped.error().describe();
  start_relay();
  until_empty();
}

TEST_P(Outbox, GivesUpWaitingAtTheDeadlineOfTheStop) {
  add("1");
  bus->hold_answers();
  auto& relay = start_relay();
  until([&] { return bus->taken().size() == 1; }, "it is with the broker");
  const auto stopped = run(relay.stop(context{}.with_timeout(where->home(), 20ms)));
  EXPECT_EQ(stopped.error().code(), errc::deadline_exceeded);
  EXPECT_TRUE(stopped.error().message().contains("1 message")) << stopped.error().describe();
  EXPECT_EQ(count("weft_outbox"), 1);
}

}  // namespace weft::messaging
