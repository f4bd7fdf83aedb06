// The broker suite: order, attempts and dead letters.
#include <algorithm>
#include <map>

#include "broker_trial.hpp"

namespace weft::testkit {

using namespace messaging;
using namespace std::chrono_literals;

namespace {

using ids = std::vector<std::string>;

task<void> keeps_order_per_key(broker_trial& t) {
  const auto first = co_await t.open(), second = co_await t.open();
  const subscription s{.group = t.name("g"), .patterns = {t.name("x")}, .prefetch = 20};
  const auto a = co_await t.subscribe(*first, s);
  const auto b = co_await t.subscribe(*second, s);
  constexpr std::size_t count = 300, keys = 7;
  co_await t.publish_many(*first, t.name("x"), count, [](std::size_t i) { return "k" + std::to_string(i % keys); });
  std::map<std::string, std::size_t> last;
  std::size_t left = count;
  const auto take = [&](const raw_delivery& d) {
    const auto number = std::stoul(d.what->id);
    if (const auto before = last.find(d.what->key); before != last.end())
      broker_trial::check(before->second < number, "key " + d.what->key + " keeps its order");
    last[d.what->key] = number;
    --left;
  };
  co_await t.beside(t.consume(*a, left, take), t.consume(*b, left, take));
}

task<void> a_retry_blocks_its_key(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}, .prefetch = 10});
  for (const auto* id : {"a1", "a2", "b1", "a3", "b2"})
    co_await t.publish(*bus, numbered(id, t.name("x"), std::string(1, id[0])));
  ids order;
  const auto began = t.l.now();
  auto again = began;
  bool failed = false;
  while (order.size() < 5) {
    const auto d = co_await t.receive(*c);
    if (d.what->id == "a1" && !failed) {
      failed = true;
      co_await t.settle(*c, d, settlement::retry(400ms, error{errc::unavailable, "not yet"}));
      continue;
    }
    if (d.what->id == "a1") again = t.l.now();
    order.push_back(d.what->id);
    co_await t.settle(*c, d, settlement::ack());
  }
  t.check(order == ids{"b1", "b2", "a1", "a2", "a3"}, "the other key goes on, this one waits in its order");
  t.check(again - began >= 390ms, "the retry comes no earlier than asked");
}

task<void> counts_attempts(broker_trial& t) {
  const auto bus = co_await t.open();
  const subscription s{.group = t.name("g"), .patterns = {t.name("x")}};
  auto c = co_await t.subscribe(*bus, s);
  co_await t.publish(*bus, numbered("1", t.name("x"), "k"));
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    const auto d = co_await t.receive(*c);
    t.equal(d.attempt, attempt, "attempt");
    t.check(d.redelivered == (attempt > 1), "redelivered from the second on");
    co_await t.settle(*c, d, settlement::retry({}, error{errc::unavailable, "again"}));
  }
  c.reset();
  c = co_await t.subscribe(*bus, s);
  t.equal((co_await t.receive_and_ack(*c)).attempt, 4, "the count survives the consumer");
}

task<void> giving_back_does_not_count(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}});
  co_await t.publish_many(*bus, t.name("x"), 3);
  const auto first = co_await t.receive(*c);
  co_await t.settle(*c, first, settlement::give_back());
  const auto again = co_await t.receive(*c);
  t.equal(again.what->id, first.what->id, "what was given back comes first");
  t.equal(again.attempt, 1, "attempt");
}

task<void> keeps_dead_letters(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto group = t.name("g");
  const auto c = co_await t.subscribe(*bus, {.group = group, .patterns = {t.name("x")}});
  auto m = numbered("1", t.name("x"), "k");
  m.fields.set("x-kept", "as it was");
  co_await t.publish(*bus, m);
  co_await t.settle(*c, co_await t.receive(*c), settlement::retry({}, error{errc::unavailable, "first try"}));
  co_await t.settle(*c, co_await t.receive(*c),
                    settlement::dead_letter("no such user", error{errc::not_found, "user 7"}));
  co_await t.expect_quiet(*c, "a dead letter is not delivered");

  auto& admin = *bus->admin();
  const auto letters = t.value(co_await admin.dead_letters(t.within_patience(), {.group = group}), "listing");
  t.equal(letters.size(), 1, "dead letters");
  t.equal(letters[0].reason, "no such user", "reason");
  t.equal(letters[0].what->body, m.body, "body");
  t.equal(letters[0].what->topic, m.topic, "topic");
  t.equal(letters[0].what->fields.get("x-kept"), "as it was", "header");
  t.check(!letters[0].failures.empty(), "the failures are kept");
  t.equal(letters[0].failures.back().what, "user 7", "the last failure");

  t.equal(t.value(co_await admin.replay(t.within_patience(), group, {letters[0].number}), "replaying"), 1, "replayed");
  const auto replayed = co_await t.receive_and_ack(*c);
  t.equal(replayed.what->id, "1", "what was replayed");
  t.equal(replayed.attempt, 1, "its attempt");
  t.check(t.value(co_await admin.dead_letters(t.within_patience(), {.group = group}), "listing").empty(),
          "what was replayed is no dead letter any more");
}

task<void> purges_dead_letters(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto group = t.name("g");
  const auto c = co_await t.subscribe(*bus, {.group = group, .patterns = {t.name("x")}});
  co_await t.publish_many(*bus, t.name("x"), 3);
  for (int i = 0; i < 3; ++i) co_await t.settle(*c, co_await t.receive(*c), settlement::dead_letter("bad"));
  auto& admin = *bus->admin();
  t.equal(t.value(co_await admin.purge(t.within_patience(), group, {}), "purging"), 3, "purged");
  t.equal(t.value(co_await admin.replay(t.within_patience(), group, {}), "replaying"), 0, "left to replay");
  co_await t.expect_quiet(*c, "what was purged is gone");
}

task<void> parks_the_whole_key(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto group = t.name("g");
  const auto c = co_await t.subscribe(*bus, {.group = group, .patterns = {t.name("x")}});
  for (const auto* id : {"a1", "a2", "b1"}) co_await t.publish(*bus, numbered(id, t.name("x"), std::string(1, id[0])));
  auto d = co_await t.receive(*c);
  t.equal(d.what->id, "a1", "first");
  co_await t.settle(*c, d, settlement::dead_letter("bad", {}, dead_letter_scope::key));
  t.check(co_await t.receive_ids(*c, 1) == ids{"b1"}, "the other key goes on");
  co_await t.publish(*bus, numbered("a3", t.name("x"), "a"));
  co_await t.expect_quiet(*c, "what comes later on the key is parked too");

  auto& admin = *bus->admin();
  const auto letters = t.value(co_await admin.dead_letters(t.within_patience(), {.group = group}), "listing");
  t.equal(letters.size(), 3, "parked messages");
  t.equal(t.value(co_await admin.replay(t.within_patience(), group, {letters[0].number}), "replaying"), 3,
          "replayed with the first");
  co_await t.publish(*bus, numbered("a4", t.name("x"), "a"));
  t.check(co_await t.receive_ids(*c, 4) == ids{"a1", "a2", "a3", "a4"}, "the key comes back in its order");
}

constexpr broker_case cases[] = {
    {"KeepsOrderPerKey",
     "messages of one key arrive in order",
     {feature::ordering_per_key},
     broker_fault::none,
     keeps_order_per_key},
    {"ARetryBlocksItsKey",
     "a message that waits for its retry holds up its key, and no other",
     {feature::ordering_per_key, feature::ordered_retry, feature::delay},
     broker_fault::none,
     a_retry_blocks_its_key},
    {"CountsAttempts",
     "the number of attempts survives",
     {feature::durable_attempts},
     broker_fault::none,
     counts_attempts},
    {"GivingBackDoesNotCount",
     "what is given back comes first, and is no attempt",
     {},
     broker_fault::none,
     giving_back_does_not_count},
    {"KeepsDeadLetters",
     "a dead letter is kept with its reason, and can be replayed",
     {feature::dead_letter, feature::dead_letter_admin},
     broker_fault::none,
     keeps_dead_letters},
    {"PurgesDeadLetters",
     "dead letters can be purged",
     {feature::dead_letter, feature::dead_letter_admin},
     broker_fault::none,
     purges_dead_letters},
    {"ParksTheWholeKey",
     "a sequenced dead letter takes along what is behind it on its key, and brings it back",
     {feature::sequenced_dead_letter, feature::dead_letter_admin},
     broker_fault::none,
     parks_the_whole_key},
};

}  // namespace

std::span<const broker_case> order_cases() { return cases; }

}  // namespace weft::testkit
