// The broker suite: ends, lost connections, restarts and full queues.
#include <set>

#include "broker_trial.hpp"

namespace weft::testkit {

using namespace messaging;
using namespace std::chrono_literals;

namespace {

task<void> stop_soon(broker_trial& t, consumer& c) {
  co_await t.wait(100ms);
  t.ok(co_await c.stop(t.within_patience()), "stopping");
}

task<void> expect_stopped(broker_trial& t, consumer& c) {
  const auto got = t.value(co_await c.next(t.within_patience()), "waiting");
  t.check(!got.has_value(), "next() gives nothing once stopped");
}

task<void> stopping_ends_the_wait(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}});
  co_await t.beside(stop_soon(t, *c), expect_stopped(t, *c));
  t.check(!t.value(co_await c->next(t.within_patience()), "again").has_value(), "and nothing ever after");
}

task<void> stops_without_loss(broker_trial& t) {
  const auto bus = co_await t.open();
  const subscription s{.group = t.name("g"), .patterns = {t.name("x")}, .prefetch = 20};
  constexpr std::size_t count = 100;
  std::set<std::string> handled;
  {
    const auto first = co_await t.subscribe(*bus, s);
    co_await t.publish_many(*bus, t.name("x"), count, [](std::size_t i) { return "k" + std::to_string(i); });
    std::vector<raw_delivery> out;
    for (int i = 0; i < 10; ++i) out.push_back(co_await t.receive(*first));
    t.ok(co_await first->stop(t.within_patience()), "stopping");
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (i % 2 == 0) handled.insert(out[i].what->id);
      co_await t.settle(*first, out[i], i % 2 == 0 ? settlement::ack() : settlement::give_back());
    }
  }
  const auto second = co_await t.subscribe(*bus, s);
  while (handled.size() < count) {
    const auto d = co_await t.receive_and_ack(*second);
    t.check(handled.insert(d.what->id).second, "message " + d.what->id + " is handled once");
  }
  co_await t.expect_quiet(*second, "nothing else is left");
}

task<void> a_given_up_wait_loses_nothing(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}});
  const auto other = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}});
  co_await t.expect_quiet(*c, "nothing is there");
  co_await t.publish(*bus, numbered("1", t.name("x")));
  std::optional<raw_delivery> got;
  for (int i = 0; i < 20 && !got; ++i)  // either may be offered it
    for (auto* each : {c.get(), other.get()})
      if (auto d = co_await each->next(context{}.with_timeout(t.l, 100ms)); d && *d && !got) got = **d;
  t.check(got.has_value(), "the message that came after is delivered");
}

task<void> survives_a_cut(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}, .prefetch = 10});
  constexpr std::size_t count = 200;
  co_await t.publish_many(*bus, t.name("x"), count / 2, [](std::size_t i) { return "k" + std::to_string(i % 5); });
  std::set<std::string> handled;
  std::vector<raw_delivery> out;
  for (int i = 0; i < 3; ++i) out.push_back(co_await t.receive(*c));
  co_await t.target.cut(t.l);
  const auto stale = co_await c->settle(t.within_patience(), out[0].tag, settlement::ack());
  t.check(!stale && stale.error().code() == errc::aborted, "what was out before the cut cannot be settled");
  bool again = false;
  for (auto from = count / 2; from < count; ++from) {  // a publisher repeats what failed, under the same id
    for (int tries = 0;; ++tries) {
      const auto sent =
          co_await publish_one(*bus, t.within_patience(), {.what = numbered(std::to_string(from), t.name("x"))});
      if (sent) break;
      t.check(tries < 50, "publishing works again: " + sent.error().describe());
      co_await t.wait(100ms);
    }
  }
  while (handled.size() < count) {
    const auto d = co_await t.receive(*c);
    again = again || d.redelivered;
    if (co_await c->settle(t.within_patience(), d.tag, settlement::ack())) handled.insert(d.what->id);
  }
  t.check(again, "what was out is delivered again");
}

task<void> survives_a_restart(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}, .prefetch = 10});
  constexpr std::size_t count = 100;
  co_await t.publish_many(*bus, t.name("x"), count);
  for (int i = 0; i < 3; ++i) co_await t.receive(*c);
  co_await t.target.restart(t.l);
  std::set<std::string> handled;
  while (handled.size() < count) {
    const auto d = co_await t.receive(*c);
    if (co_await c->settle(t.within_patience(), d.tag, settlement::ack())) handled.insert(d.what->id);
  }
}

// F12: what is lost with an ephemeral group is said, once the group is there again.
task<void> tells_of_a_lost_inbox(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.patterns = {t.name("inbox")}, .lives = lifetime::ephemeral});
  co_await t.publish(*bus, numbered("before", t.name("inbox")));
  co_await t.target.cut(t.l);
  const auto first = co_await c->next(t.within_patience());
  const bool lost = !first && first.error().code() == errc::aborted;
  t.check(lost || (first && *first && (**first).what->id == "before"),
          "what was in the group comes, or next() says that it is lost");
  if (!lost) co_await t.settle(*c, **first, settlement::ack());
  for (int tries = 0;; ++tries) {  // as refuse says whether the group is there
    outgoing what{.what = numbered("after", t.name("inbox"))};
    if (bus->features().set.has(feature::mandatory)) what.if_unroutable = unroutable::refuse;
    const auto sent = co_await publish_one(*bus, t.within_patience(), std::move(what));
    if (sent) break;
    t.check(sent.error().code() != errc::not_found, "the group is there when next() has returned");
    t.check(tries < 50, "publishing works again: " + sent.error().describe());
    co_await t.wait(100ms);
  }
  t.equal((co_await t.receive_and_ack(*c)).what->id, "after", "and it works on, the loss is said once");
}

// A5, F8: a settlement that fails ends in something.
task<void> a_failed_settlement_ends(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}, .prefetch = 1});
  co_await t.publish_many(*bus, t.name("x"), 2);
  const auto d = co_await t.receive(*c);
  co_await t.target.fail_settling(t.l, true);
  const auto first = co_await c->settle(context{}.with_timeout(t.l, 1s), d.tag, settlement::dead_letter("bad"));
  co_await t.target.fail_settling(t.l, false);
  bool settled = first.has_value();
  for (int tries = 0; !settled; ++tries) {
    t.check(tries < 50, "it can be settled in the end");
    const auto again = co_await c->settle(t.within_patience(), d.tag, settlement::dead_letter("bad"));
    settled = again || again.error().code() == errc::aborted;
    if (!settled) co_await t.wait(100ms);
  }
  std::set<std::string> handled;
  while (!handled.contains("1")) handled.insert((co_await t.receive_and_ack(*c)).what->id);
}

task<void> publish_one_more(broker_trial& t, broker& bus, bool& taken) {
  co_await t.publish(bus, numbered("waits", t.name("x")));
  taken = true;
}

task<void> make_room_soon(broker_trial& t, consumer& c, const bool& taken) {
  co_await t.wait(200ms);
  t.check(!taken, "a publisher waits for room");
  co_await t.receive_and_ack(c);
}

task<void> pushes_back(broker_trial& t) {
  const auto bus = co_await t.open();
  const auto c = co_await t.subscribe(*bus, {.group = t.name("g"), .patterns = {t.name("x")}});
  const auto bound = *t.target.bound();
  co_await t.publish_many(*bus, t.name("x"), bound);
  const auto impatient = context{}.with_timeout(t.l, 200ms);
  const auto refused = co_await publish_one(*bus, impatient, {.what = numbered("over", t.name("x"))});
  t.check(!refused && refused.error().code() == errc::resource_exhausted, "beyond the bound it is refused, in the end");
  bool taken = false;
  co_await t.beside(publish_one_more(t, *bus, taken), make_room_soon(t, *c, taken));
  t.check(taken, "and goes on when there is some");
  t.equal((co_await t.receive_ids(*c, bound)).size(), bound, "nothing is lost");
}

constexpr broker_case cases[] = {
    {"StoppingEndsTheWait", "a consumer that is stopped waits no more", {}, broker_fault::none, stopping_ends_the_wait},
    {"StopsWithoutLoss",
     "what a stopped consumer did not handle goes to another",
     {},
     broker_fault::none,
     stops_without_loss},
    {"AGivenUpWaitLosesNothing",
     "a wait that ends early takes no message along",
     {},
     broker_fault::none,
     a_given_up_wait_loses_nothing},
    {"SurvivesACut", "consumers and publishers go on after a lost connection", {}, broker_fault::cut, survives_a_cut},
    {"SurvivesARestart",
     "what was confirmed survives the broker's restart",
     {feature::durable},
     broker_fault::restart,
     survives_a_restart},
    {"TellsOfALostInbox",
     "a consumer of an ephemeral group learns that it was lost",
     {feature::ephemeral},
     broker_fault::cut,
     tells_of_a_lost_inbox},
    {"AFailedSettlementEnds",
     "a delivery whose settlement failed is settled again, and frees its place",
     {feature::dead_letter},
     broker_fault::settling,
     a_failed_settlement_ends},
    {"PushesBack", "a full group makes publishers wait, in bounded memory", {}, broker_fault::bound, pushes_back},
};

}  // namespace

std::span<const broker_case> fault_cases() { return cases; }

}  // namespace weft::testkit
