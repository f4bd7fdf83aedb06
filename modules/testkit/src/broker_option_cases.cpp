// The broker suite: what a publisher may ask for.
#include "broker_trial.hpp"

namespace weft::testkit {

using namespace messaging;
using namespace std::chrono_literals;

namespace {

using ids = std::vector<std::string>;

task<void> delays(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}});
  const auto began = t.l.now();
  co_await t.publish(*bus, numbered("late", t.name("x")), 800ms);
  co_await t.publish(*bus, numbered("soon", t.name("x")), 300ms);
  co_await t.publish(*bus, numbered("now", t.name("x")));
  t.check(co_await t.receive_ids(*c, 1) == ids{"now"}, "what has no delay comes at once");
  t.check(co_await t.receive_ids(*c, 1) == ids{"soon"}, "the shorter delay comes first");
  t.check(t.l.now() - began >= 290ms, "no earlier than asked");
  t.check(co_await t.receive_ids(*c, 1) == ids{"late"}, "then the longer");
  t.check(t.l.now() - began >= 790ms, "no earlier than asked");
}

task<void> prefers_priorities(broker_trial& t) {
  const auto bus = co_await t.open();
  const subscription s{.group = t.name("g"), .patterns = {t.name("x")}, .prefetch = 1};
  (co_await t.subscribe(*bus, s)).reset();
  for (const auto& [id, priority] : {std::pair{"low", 1}, {"middle", 5}, {"high", 9}, {"low too", 1}}) {
    auto m = numbered(id, t.name("x"));
    m.priority = static_cast<std::uint8_t>(priority);
    co_await t.publish(*bus, std::move(m));
  }
  const auto c = co_await t.subscribe(*bus, s);
  t.check(co_await t.receive_ids(*c, 4) == ids{"high", "middle", "low", "low too"}, "higher first, then older");
}

task<void> expires(broker_trial& t) {
  const auto bus = co_await t.open();
  const subscription s{.group = t.name("g"), .patterns = {t.name("x")}};
  (co_await t.subscribe(*bus, s)).reset();
  auto m = numbered("short", t.name("x"));
  m.time_to_live = 200ms;
  co_await t.publish(*bus, m);
  co_await t.publish(*bus, numbered("long", t.name("x")));
  co_await t.wait(400ms);
  const auto c = co_await t.subscribe(*bus, s);
  t.check(co_await t.receive_ids(*c, 1) == ids{"long"}, "what has expired is not delivered");
}

task<void> tells_of_no_taker(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}});
  const auto ask = [&](std::string_view topic, unroutable then) {
    return publish_one(*bus, t.within_patience(), {.what = numbered("1", t.name(topic)), .if_unroutable = then});
  };
  t.ok(co_await ask("x", unroutable::refuse), "somebody takes it");
  t.ok(co_await ask("y", unroutable::drop), "nobody has to take it");
  const auto refused = co_await ask("y", unroutable::refuse);
  t.check(!refused && refused.error().code() == errc::not_found, "nobody takes it: errc::not_found");
  t.equal((co_await t.receive_ids(*c, 1)).size(), 1, "messages");
}

// F1: with a delay as well, success means that a group has it or will have it.
task<void> tells_of_no_taker_of_what_is_delayed(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}});
  const auto ask = [&](std::string_view topic) {
    return publish_one(
        *bus, t.within_patience(),
        {.what = numbered("1", t.name(topic)), .delay = 300ms, .if_unroutable = unroutable::refuse});
  };
  const auto refused = co_await ask("y");
  t.check(!refused && refused.error().code() == errc::not_found, "nobody takes it: errc::not_found, at once");
  t.ok(co_await ask("x"), "somebody takes it");
  t.equal((co_await t.receive_ids(*c, 1)).size(), 1, "messages");
}

// Of several groups and topics, one after another and beside each other; and what was refused may be sent again.
task<void> takes_all_or_none(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto a = co_await t.subscribe(*bus, {.group = t.name("a"), .patterns = {t.name("x")}});
  const auto b = co_await t.subscribe(*bus, {.group = t.name("b"), .patterns = {t.name("*")}});
  const auto batch = [&](std::string_view last_topic) {
    std::vector<outgoing> all;
    for (const auto& [id, topic] : {std::pair{"1", "x"}, {"2", "y"}})
      all.push_back({.what = numbered(id, t.name(topic))});
    all.push_back({.what = numbered("3", t.name(last_topic)), .if_unroutable = unroutable::refuse});
    return all;
  };
  const auto refused = co_await bus->publish(t.within_patience(), batch("nobody.takes.this"));
  t.equal(refused.size(), 3, "results");
  t.check(!refused[2] && refused[2].error().code() == errc::not_found, "the one that nobody takes is refused");
  for (const auto at : {0, 1})
    t.check(!refused[at] && refused[at].error().code() == errc::aborted, "and the others with it: errc::aborted");
  co_await t.expect_quiet(*a, "none of them is delivered");
  co_await t.expect_quiet(*b, "none of them is delivered");
  for (const auto& each : co_await bus->publish(t.within_patience(), batch("y"))) t.ok(each, "all of them");
  t.check(co_await t.receive_ids(*a, 1) == ids{"1"}, "each group has its part");
  t.check(co_await t.receive_ids(*b, 3) == ids{"1", "2", "3"}, "each group has its part");
}

task<void> drops_duplicates(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}});
  for (int i = 0; i < 3; ++i) co_await t.publish(*bus, numbered("same", t.name("x")));
  co_await t.publish(*bus, numbered("other", t.name("x")));
  t.check(co_await t.receive_ids(*c, 2) == ids{"same", "other"}, "an id that was there is dropped");
}

task<void> refuses_other_subscriptions(broker_trial& t) {
  const auto bus = co_await t.open();
  for (const auto& wrong :
       {subscription{.group = t.name("g"), .patterns = {}}, subscription{.group = t.name("g"), .patterns = {"a..b"}},
        subscription{.group = t.name("g"), .patterns = {"a.b*"}},
        subscription{.group = t.name("g"), .patterns = {t.name("x")}, .prefetch = 0}}) {
    const auto refused = co_await bus->subscribe(t.within_patience(), wrong);
    t.check(!refused && refused.error().code() == errc::invalid_argument, "a wrong subscription is refused");
  }
}

constexpr broker_case cases[] = {
    {"Delays", "a delayed message comes when it is due", {feature::delay}, broker_fault::none, delays},
    {"PrefersPriorities", "higher priorities go first", {feature::priorities}, broker_fault::none, prefers_priorities},
    {"Expires", "what has expired is not delivered", {feature::expiry}, broker_fault::none, expires},
    {"TellsOfNoTaker",
     "a publisher learns that nobody takes its message",
     {feature::mandatory},
     broker_fault::none,
     tells_of_no_taker},
    {"TellsOfNoTakerOfWhatIsDelayed",
     "a publisher learns that nobody takes its message, also when it is delayed",
     {feature::mandatory, feature::delay},
     broker_fault::none,
     tells_of_no_taker_of_what_is_delayed},
    {"DropsDuplicates",
     "the broker drops a message whose id it has seen",
     {feature::deduplication},
     broker_fault::none,
     drops_duplicates},
    {"TakesAllOrNone",
     "messages of one call are taken together, or none of them is",
     {feature::transactions, feature::mandatory, feature::topic_patterns},
     broker_fault::none,
     takes_all_or_none},
    {"RefusesWrongSubscriptions",
     "a wrong subscription is refused",
     {},
     broker_fault::none,
     refuses_other_subscriptions},
};

}  // namespace

std::span<const broker_case> option_cases() { return cases; }

}  // namespace weft::testkit
