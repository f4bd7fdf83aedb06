// The broker suite: that messages arrive, as they were, at those who asked.
#include <algorithm>
#include <set>

#include "broker_trial.hpp"

namespace weft::testkit {

using namespace messaging;
using namespace std::chrono_literals;

namespace {

task<void> arrives_unchanged(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("made")}});
  auto m = numbered("id-1", t.name("made"), "key-1");
  m.fields = {{"ce-type", "made"}, {"x-empty", ""}, {"x-text", "gr\xc3\xbc\xc3\x9f dich"}};
  m.content_type = "application/octet-stream";
  m.body.assign("\0\x01\xff\r\n", 5);
  co_await t.publish(*bus, m);
  const auto got = co_await t.receive_and_ack(*c);
  t.equal(got.what->id, m.id, "id");
  t.equal(got.what->topic, m.topic, "topic");
  t.equal(got.what->key, m.key, "key");
  t.equal(got.what->content_type, m.content_type, "content type");
  t.equal(got.what->body, m.body, "body");
  for (const auto& h : m.fields) {
    const auto name = "header " + std::string{h.name};
    t.check(got.what->fields.contains(h.name), name + " is there");
    t.equal(got.what->fields.get(h.name), h.value, name);
  }
  t.equal(got.attempt, 1, "attempt");
  t.check(!got.redelivered, "the first delivery is no redelivery");
}

task<void> fans_out(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto a = co_await t.subscribe(*bus, {.group = t.name("a"), .patterns = {t.name("x")}});
  const auto b = co_await t.subscribe(*bus, {.group = t.name("b"), .patterns = {t.name("x")}});
  co_await t.publish_many(*bus, t.name("x"), 20);
  for (auto* c : {a.get(), b.get()}) {
    auto ids = co_await t.receive_ids(*c, 20);
    t.equal(std::set<std::string>(ids.begin(), ids.end()).size(), 20, "different messages in a group");
    co_await t.expect_quiet(*c, "each group gets each message once");
  }
}

task<void> consumers_compete(broker_trial& t) {
  const auto first = co_await t.open(), second = co_await t.open();
  const subscription s{.group = t.name("g"), .patterns = {t.name("x")}, .prefetch = 5};
  const auto a = co_await t.subscribe(*first, s);
  const auto b = co_await t.subscribe(*second, s);
  co_await t.publish_many(*first, t.name("x"), 40);
  std::set<std::string> seen;
  std::size_t left = 40, at_a = 0, at_b = 0;
  const auto take = [&](std::size_t& mine, const raw_delivery& d) {
    broker_trial::check(seen.insert(d.what->id).second, "message " + d.what->id + " went to one consumer only");
    ++mine;
    --left;
  };
  co_await t.beside(t.consume(*a, left, [&](const raw_delivery& d) { take(at_a, d); }),
                    t.consume(*b, left, [&](const raw_delivery& d) { take(at_b, d); }));
  co_await t.expect_quiet(*a, "nothing is left");
  co_await t.expect_quiet(*b, "nothing is left");
}

task<void> redelivers(broker_trial& t) {
  const auto bus = co_await t.open();
  const subscription s{.group = t.name("g"), .patterns = {t.name("x")}};
  {
    const auto lost = co_await t.subscribe(*bus, s);
    co_await t.publish_many(*bus, t.name("x"), 3);
    for (int i = 0; i < 3; ++i) co_await t.receive(*lost);
  }
  const auto c = co_await t.subscribe(*bus, s);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto d = co_await t.receive_and_ack(*c);
    t.equal(d.what->id, std::to_string(i), "what was lost comes again in its order");
    t.check(d.redelivered, "it says that it is a redelivery");
  }
  co_await t.expect_quiet(*c, "what was acknowledged does not come again");
}

task<void> waits_for_its_group(broker_trial& t) {
  const auto bus = co_await t.open();
  const subscription s{.group = t.name("g"), .patterns = {t.name("x")}};
  (co_await t.subscribe(*bus, s)).reset();
  co_await t.publish_many(*bus, t.name("x"), 10);
  const auto c = co_await t.subscribe(*bus, s);
  t.equal((co_await t.receive_ids(*c, 10)).size(), 10, "messages that waited");
}

task<void> ephemeral_ends(broker_trial& t) {
  const auto bus = co_await t.open();
  const subscription s{.patterns = {t.name("x")}, .lives = lifetime::ephemeral};
  {
    const auto c = co_await t.subscribe(*bus, s);
    co_await t.publish(*bus, numbered("1", t.name("x")));
    t.equal((co_await t.receive_and_ack(*c)).what->id, "1", "id");
  }
  co_await t.publish(*bus, numbered("2", t.name("x")));
  const auto again = co_await t.subscribe(*bus, s);
  co_await t.expect_quiet(*again, "a new consumer begins with nothing");
}

task<void> matches_patterns(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto star = co_await t.subscribe(*bus, {.group = t.name("star"), .patterns = {t.name("user.*")}});
  const auto hash = co_await t.subscribe(*bus, {.group = t.name("hash"), .patterns = {t.name("user.#")}});
  const auto both = co_await t.subscribe(
      *bus, {.group = t.name("both"), .patterns = {t.name("user.created"), t.name("*.created"), t.name("post.#")}});
  for (const auto* topic : {"user", "user.created", "user.created.v1", "post.created"})
    co_await t.publish(*bus, numbered(topic, t.name(topic)));
  using list = std::vector<std::string>;
  t.check(co_await t.receive_ids(*star, 1) == list{"user.created"}, "* is one word");
  t.check(co_await t.receive_ids(*hash, 3) == list{"user", "user.created", "user.created.v1"}, "# is any number");
  t.check(co_await t.receive_ids(*both, 2) == list{"user.created", "post.created"}, "several patterns, each once");
  for (auto* c : {star.get(), hash.get(), both.get()}) co_await t.expect_quiet(*c, "nothing else matches");
}

task<void> answers_for_each_message(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}});
  std::vector<outgoing> batch;
  batch.push_back({.what = numbered("1", t.name("x"))});
  batch.push_back({.what = numbered("2", "not a topic")});
  batch.push_back({.what = numbered("3", t.name("x"))});
  const auto results = co_await bus->publish(t.within_patience(), std::move(batch));
  t.equal(results.size(), 3, "results");
  if (bus->features().set.has(feature::transactions)) {  // all or nothing
    for (const auto at : {0, 2})
      t.check(!results[at] && results[at].error().code() == errc::aborted, "the others are refused with the wrong one");
    t.check(!results[1] && results[1].error().code() == errc::invalid_argument, "which is said to be wrong");
    co_return co_await t.expect_quiet(*c, "none of them is taken");
  }
  t.ok(results[0], "the first");
  t.check(!results[1] && results[1].error().code() == errc::invalid_argument, "a wrong one is refused");
  t.ok(results[2], "the one behind it");
  t.check(co_await t.receive_ids(*c, 2) == std::vector<std::string>{"1", "3"}, "the others arrive");
}

task<void> bounds_what_is_out(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}, .prefetch = 3});
  co_await t.publish_many(*bus, t.name("x"), 10);
  std::vector<raw_delivery> out;
  for (int i = 0; i < 3; ++i) out.push_back(co_await t.receive(*c));
  co_await t.expect_quiet(*c, "no more than the prefetch is out");
  co_await t.settle(*c, out[1], settlement::ack());
  t.equal((co_await t.receive(*c)).what->id, "3", "a settlement makes room");
}

task<void> carries_large_messages(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}});
  auto m = numbered("large", t.name("x"));
  m.body.resize(std::min<std::size_t>(4 * 1024 * 1024, bus->features().max_message_bytes / 2));
  for (std::size_t i = 0; i < m.body.size(); ++i) m.body[i] = static_cast<char>(i * 31 % 251);
  co_await t.publish(*bus, m);
  t.check((co_await t.receive_and_ack(*c)).what->body == m.body, "every byte arrives");
  if (bus->features().max_message_bytes > 64 * 1024 * 1024) co_return;
  m.body.resize(bus->features().max_message_bytes + 1);
  const auto refused = co_await publish_one(*bus, t.within_patience(), {.what = m});
  t.check(!refused && refused.error().code() == errc::resource_exhausted, "one that is too large is refused");
}

task<void> carries_many(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}, .prefetch = 1000});
  auto left = t.target.many();
  std::vector<bool> seen(left);
  const auto many = left;
  co_await t.beside(t.publish_many(*bus, t.name("x"), many, [](std::size_t i) { return std::to_string(i % 97); }),
                    t.consume(*c, left, [&](const raw_delivery& d) {
                      const auto at = std::stoul(d.what->id);
                      broker_trial::check(!seen.at(at), "message " + d.what->id + " came once");
                      seen[at] = true;
                      --left;
                    }));
  co_await t.expect_quiet(*c, "nothing comes twice");
}

constexpr broker_case cases[] = {
    {"ArrivesUnchanged", "a message arrives as it was published", {}, broker_fault::none, arrives_unchanged},
    {"FansOut", "every group gets every message", {}, broker_fault::none, fans_out},
    {"ConsumersCompete", "consumers of a group share its messages", {}, broker_fault::none, consumers_compete},
    {"Redelivers", "what a lost consumer did not settle is delivered again", {}, broker_fault::none, redelivers},
    {"WaitsForItsGroup", "a group's messages wait while nobody consumes", {}, broker_fault::none, waits_for_its_group},
    {"EphemeralEnds",
     "an ephemeral group ends with its consumer",
     {feature::ephemeral},
     broker_fault::none,
     ephemeral_ends},
    {"MatchesPatterns", "* is one word, # any number", {feature::topic_patterns}, broker_fault::none, matches_patterns},
    {"AnswersForEachMessage",
     "a batch has a result for each message",
     {},
     broker_fault::none,
     answers_for_each_message},
    {"BoundsWhatIsOut", "no more than the prefetch is out unsettled", {}, broker_fault::none, bounds_what_is_out},
    {"CarriesLargeMessages",
     "large messages arrive, too large ones are refused",
     {},
     broker_fault::none,
     carries_large_messages},
    {"CarriesMany", "very many messages arrive, each once while nothing fails", {}, broker_fault::none, carries_many},
};

}  // namespace

std::span<const broker_case> delivery_cases() { return cases; }

}  // namespace weft::testkit
