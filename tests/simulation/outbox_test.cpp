// From one database to the other through outbox, broker and inbox, while hosts lose their power at every step: after
// quiet each committed change has exactly one effect, in the order of its account. With a bug planted it does not, so
// that the check is known to see it. WEFT_SEEDS=100000 is the long run.
#include "outbox_services.hpp"

#include <gtest/gtest.h>

#include <iostream>

namespace outbox_simulation {
namespace {

using namespace std::chrono_literals;
using testkit::simulation;

// What happens between the start and the quiet.
void disturb(simulation& sim, ledger& book) {
  auto& random = sim.random();
  for (int i = 0; i < 8; ++i) {
    // A host that lost its power within a call of its disk is down earlier.
    sim.run_until([&] { return !sim.at("orders").running() || !sim.at("billing").running(); },
                  duration{random.between(0, 120'000'000)});
    auto& h = sim.at(random.chance(0.6) ? "orders" : "billing");
    if (random.chance(0.2)) book.hub->cut();
    if (random.chance(0.4)) book.broker_away = !book.broker_away;
    if (h.running() && random.chance(0.7))
      h.crash(random.chance(0.7) ? testkit::crash_kind::power : testkit::crash_kind::process);
    if (random.chance(0.3)) sim.run_for(duration{random.between(0, 300'000'000)});  // the other one goes on
    for (const auto* name : {"orders", "billing"})
      if (!sim.at(name).running()) sim.at(name).restart();
  }
}

// The programs end, and the databases are looked at as they are.
void check_effects(simulation& sim, const ledger& book) {
  auto& orders = sim.at("orders");
  auto& billing = sim.at("billing");
  for (auto* h : {&orders, &billing}) {
    h->on_boot([](testkit::host&) -> task<void> { co_return; });
    h->crash(testkit::crash_kind::power);
    h->restart();
  }
  const auto committed = sim.run(orders, committed_by_orders(orders));
  const auto effects = sim.run(billing, effects_in_billing(billing));
  if (!sim.check(committed && effects, "the databases can be read")) return;
  std::map<std::string, std::int64_t> last;
  for (const auto& e : *effects) {
    const auto expected = ++last[e.account];
    if (!sim.check(e.number == expected,
                   e.account + ": after " + std::to_string(expected - 1) + " came " + std::to_string(e.number)))
      return;
  }
  for (const auto& [account, number] : *committed)
    sim.check(last[account] == number, account + " was changed " + std::to_string(number) + " times, with " +
                                           std::to_string(last[account]) + " effects");
  for (const auto& [account, number] : book.acknowledged)
    sim.check(committed->at(account) >= number, account + " lost a change that was acknowledged");
}

// Each reminder that was committed came, once, and none before it was due.
void check_reminders(simulation& sim, const ledger& book) {
  auto& orders = sim.at("orders");
  auto& billing = sim.at("billing");
  const auto committed = sim.run(orders, reminders_of_orders(orders));
  const auto came = sim.run(billing, effects_in_billing(billing, "reminded"));
  if (!sim.check(committed && came, "the databases can be read")) return;
  std::map<std::string, int> times;
  for (const auto& each : *came) ++times[name_of(each)];
  for (const auto& each : *committed)
    sim.check(times[name_of(each)] == 1,
              "the reminder " + name_of(each) + " came " + std::to_string(times[name_of(each)]) + " times");
  sim.check(came->size() == committed->size(), "a reminder came that was not committed");
  sim.check(book.early.empty(), "a reminder came before it was due");
}

// Nothing is left for billing, and nothing comes any more.
bool settles(simulation& sim, testkit::host& on, messaging::memory_broker& broker) {
  for (int i = 0; i < 200; ++i) {
    sim.run_for(100ms);
    const auto depths = sim.run(on, broker.admin()->depths({}));
    if (!depths) return false;
    std::uint64_t left = 0;
    for (const auto& d : *depths) left += d.ready + d.delayed + d.in_flight;
    if (left == 0) {
      sim.run_for(300ms);
      return true;
    }
  }
  return false;
}

ledger& run_system(simulation& sim, planted bug) {
  auto& random = sim.random();
  auto& book = sim.make<ledger>(messaging::memory_options{});
  book.bug = bug;
  book.second_relay = random.chance(0.4);
  book.handler_failures = random.chance(0.5) ? 0.1 : 0;
  book.polls = random.chance(0.5);
  // The queue stays when its consumer is away.
  auto& keeper = sim.add_host("keeper");
  messaging::memory_broker opening{keeper.loop(), book.hub};
  auto group = sim.run(keeper, opening.subscribe({}, {.group = "billing", .patterns = {"account.changed"}}));
  sim.check(group.has_value(), "the group is there");
  group->reset();
  group = sim.run(keeper, opening.subscribe({}, {.group = "reminders", .patterns = {"account.reminder"}}));
  sim.check(group.has_value(), "the group is there");
  group->reset();
  const testkit::disk_options disk{.power_loss_in_call = random.chance(0.5) ? 0.002 : 0};
  for (const auto* name : {"orders", "billing"}) {
    auto& h = sim.add_host(name);
    h.set_disk_options(disk);
    h.on_boot([&book, orders = h.name() == "orders"](testkit::host& self) {
      return orders ? run_orders(self, book) : run_billing(self, book);
    });
  }
  disturb(sim, book);
  book.quiet = true;
  book.broker_away = false;
  for (const auto* name : {"orders", "billing"}) {
    auto& h = sim.at(name);
    h.set_disk_options({});
    // One that runs may go on, with a relay that dies now: what waits in its shards is for the other one to find.
    if (!h.running() || random.chance(0.5)) h.restart();
  }
  book.outbox_empty = false;
  sim.check(sim.run_until([&] { return book.outbox_empty; }, 60s), "the outbox runs empty");
  sim.check(settles(sim, keeper, opening), "billing handles everything");
  check_effects(sim, book);
  check_reminders(sim, book);
  return book;
}

TEST(OutboxSystem, EachCommittedChangeHasOneEffectInOrder) {
  std::uint64_t commits = 0, deliveries = 0, handed_over = 0, refused = 0, reminded = 0, died = 0;
  const auto report = testkit::explore({.name = "OutboxSystem.EachCommittedChangeHasOneEffectInOrder", .seeds = 60},
                                       [&](simulation& sim) {
                                         const auto& book = run_system(sim, planted::none);
                                         commits += book.commits;
                                         deliveries += book.deliveries;
                                         handed_over += book.shards_handed_over;
                                         refused += book.refused;
                                         reminded += book.reminded;
                                         died += book.died_with_shards;
                                       });
  EXPECT_TRUE(report.passed()) << report;
  std::cout << report << commits << " commits acknowledged, " << deliveries << " times handled or tried, "
            << handed_over << " shards handed to a newcomer, " << died << " of one that died; " << refused
            << " calls refused in outages, " << reminded << " reminders\n";
  if (report.seeds_run < 60) return;
  EXPECT_GT(deliveries, commits);  // there were duplicates to suppress
  EXPECT_GT(handed_over, 30u);
  EXPECT_GT(died, 10u);
  EXPECT_GT(refused, 100u);
  EXPECT_GT(reminded, 100u);
}

TEST(OutboxSystem, FindsAClientThatConfirmsBeforeItSends) {
  const auto report = testkit::explore({.name = "OutboxSystem.FindsAClientThatConfirmsBeforeItSends", .seeds = 60},
                                       [](simulation& sim) { run_system(sim, planted::confirms_before_sending); });
  ASSERT_EQ(report.failures.size(), 1u) << report;
  EXPECT_TRUE(report.failures.front().replayed_exactly) << report;
}

TEST(OutboxSystem, FindsAnEffectApartFromItsInboxRow) {
  const auto report = testkit::explore({.name = "OutboxSystem.FindsAnEffectApartFromItsInboxRow", .seeds = 120},
                                       [](simulation& sim) { run_system(sim, planted::effect_apart_from_inbox); });
  ASSERT_EQ(report.failures.size(), 1u) << report;
  EXPECT_TRUE(report.failures.front().replayed_exactly) << report;
}

}  // namespace
}  // namespace outbox_simulation
