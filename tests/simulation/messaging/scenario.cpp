#include "scenario.hpp"

#include <weft/messaging/broker_admin.hpp>
#include <weft/messaging/memory_broker.hpp>
#include <weft/messaging_sqlite/sqlite_broker.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/runtime/when.hpp>

#include <algorithm>

#include "lying_disk.hpp"

namespace messages {

using namespace weft;
using namespace weft::messaging;
using namespace weft::testkit;
using namespace std::chrono_literals;

namespace {

const std::vector<std::string> groups{"billing", "mail"};
constexpr int calls_of_a_publisher = 8;

// Outlives the crashes.
struct system_state {
  explicit system_state(simulation& sim) : book{sim} {}
  ledger book;
  backend over = backend::sqlite;
  std::shared_ptr<memory_hub> hub;  // of memory:
  int publishers_done = 0;
  std::map<std::string, int> calls_left;  // by the name of a publisher
  bool calm = false;                      // whatever comes is handled, and nothing fails any more
};

task<bool> pause(host& h, duration at_most) {
  co_return (co_await weft::sleep(h.loop(), context{}, duration{h.loop().random().between(0, at_most.count())}))
      .has_value();
}

bool all_taken(const std::vector<result<>>& results) {
  return std::ranges::all_of(results, [](const result<>& r) { return r.has_value(); });
}

// The same ids in one commit, or in two that follow each other: they count once.
task<bool> publish_twice(host& h, broker& bus, std::vector<outgoing> batch) {
  const auto [first, second] =
      co_await when_all(h.loop(), bus.publish(context{}, batch), bus.publish(context{}, batch));
  co_return all_taken(first) || all_taken(second);
}

task<void> publish_all(host& h, broker& bus, system_state& s, std::vector<std::string> keys, duration delay) {
  auto& random = h.loop().random();
  auto& left = s.calls_left.try_emplace(keys.front(), calls_of_a_publisher).first->second;
  while (left > 0) {
    const auto& key = keys[random.below(keys.size())];
    const auto late = delay > duration::zero() ? duration{random.between(0, delay.count())} : duration{};
    const auto batch = s.book.begin(key, 1 + random.below(3), late);
    const bool taken = s.over != backend::memory && random.chance(0.2)
                           ? co_await publish_twice(h, bus, batch)
                           : all_taken(co_await bus.publish(context{}, batch));
    if (taken) {
      s.book.confirm(key);
      --left;
    }
    co_await pause(h, taken ? 2ms : 5ms);
  }
}

// Those that expire are not put aside: a replay would give them a new life.
settlement decide(rng& random, const message& m, bool calm) {
  const auto dice = calm ? 0 : random.below(m.time_to_live > duration::zero() ? 95 : 100);
  if (dice < 80) return settlement::ack();
  if (dice < 90) return settlement::retry(duration{random.between(0, 4'000'000)}, error{errc::unavailable, "later"});
  if (dice < 95) return settlement::give_back();
  return settlement::dead_letter("bad luck", error{errc::internal, "no"}, dead_letter_scope::key);
}

// Takes a few, handles them for a while, and settles them in any order. False: the consumer is to be thrown away.
task<bool> handle_some(host& h, consumer& c, const std::string& group, system_state& s) {
  auto& random = h.loop().random();
  std::vector<raw_delivery> held;
  if (auto first = co_await c.next(context{}.with_timeout(h.loop(), 20ms)); first && *first)
    held.push_back(**std::move(first));
  while (!held.empty() && held.size() < 4) {
    auto more = c.try_next();
    if (!more) break;
    held.push_back(*std::move(more));
  }
  for (const auto& d : held) s.book.delivered(group, d, h.simulation().now());
  if (!held.empty() && !s.calm) co_await pause(h, 1ms);
  while (!held.empty()) {
    if (!s.calm && random.chance(0.03)) co_return false;
    const auto at = random.below(held.size());
    const auto d = std::move(held[at]);
    held.erase(held.begin() + static_cast<std::ptrdiff_t>(at));
    const auto how = decide(random, *d.what, s.calm);
    const auto kind = how.what;
    if (co_await c.settle(context{}, d.tag, how) && kind == settlement::kind::ack) s.book.acknowledged(group, d);
    if (random.chance(0.1)) {  // a tag names one delivery only
      const auto stale = co_await c.settle(context{}, d.tag, settlement::ack());
      h.simulation().check(!stale && stale.error().code() == errc::aborted, "a stale settlement is aborted");
    }
  }
  co_return true;
}

task<void> consume(host& h, broker& bus, std::string group, system_state& s) {
  for (;;) {
    auto c = co_await bus.subscribe(context{}, {.group = group, .patterns = {"work.*"}, .prefetch = 5});
    if (!c) {
      co_await pause(h, 5ms);
      continue;
    }
    while (co_await handle_some(h, **c, group, s)) {
    }
  }
}

task<void> replay_dead_letters(host& h, broker& bus) {
  for (;;) {
    co_await pause(h, 10ms);
    for (const auto& group : groups) static_cast<void>(co_await bus.admin()->replay(context{}, group, {}));
  }
}

task<void> work(host& h, broker& a, broker& b, system_state& s) {
  for (const auto& group : groups)  // there is somebody to take what is published
    if (!co_await a.subscribe(context{}, {.group = group, .patterns = {"work.*"}})) co_return;
  task_group all{h.loop()};
  for (const auto& group : groups)
    for (auto* bus : {&a, &b}) all.spawn(consume(h, *bus, group, s));
  all.spawn(replay_dead_letters(h, b));
  all.spawn(publish_all(h, a, s, {"red", "blue"}, {}));
  all.spawn(publish_all(h, b, s, {"green"}, {}));
  all.spawn(publish_all(h, b, s, {"later"}, 8ms));
  all.spawn(publish_all(h, a, s, {"brief"}, {}));
  co_await all.join();
}

task<void> over_memory(host& h, system_state& s) {
  memory_broker a{h.loop(), s.hub}, b{h.loop(), s.hub};
  co_await work(h, a, b, s);
}

task<void> over_sqlite(host& h, system_state& s) {
  sqlite_broker_options options{.disk = &h.blocking_disk(), .remember_ids = 1h, .checkpoint_pages = 20};
  if (s.over == backend::sqlite_on_a_lying_disk) options.disk = &h.simulation().make<lying_disk>(h.blocking_disk());
  broker_factory brokers;
  brokers.add("sqlite", sqlite_brokers(options));
  const auto a = co_await brokers.open(h.loop(), context{}, "sqlite:broker.db");
  if (!a) co_return;  // the power went while it opened
  const auto b = co_await brokers.open(h.loop(), context{}, "sqlite:broker.db");
  co_await work(h, **a, **b, s);
}

// For a while the disk may be full, and commits fail; then it is not, and they go on.
void crash(simulation& sim, host& h, system_state& s, disk_options disk) {
  const auto ended = [&] { return !h.running(); };
  const auto life = sim.random().between(0, 15'000'000);
  if (s.over == backend::sqlite && !s.calm && sim.random().chance(0.5)) {
    sim.run_until(ended, duration{sim.random().between(0, life)});
    auto full = disk;
    full.capacity = 1;
    h.set_disk_options(full);
    sim.run_until(ended, duration{sim.random().between(0, 3'000'000)});
    h.set_disk_options(disk);
  }
  sim.run_until(ended, duration{life});
  h.crash(sim.random().chance(0.6) ? crash_kind::power : crash_kind::process);
  if (s.over != backend::memory) s.book.reborn();
  h.restart();
}

bool published(const system_state& s) {
  return s.calls_left.size() == 4 && std::ranges::all_of(s.calls_left, [](const auto& p) { return p.second == 0; });
}

}  // namespace

run_summary run_messages(simulation& sim, backend over) {
  auto& s = sim.make<system_state>(sim);
  s.over = over;
  if (over == backend::memory) s.hub = std::make_shared<memory_hub>();
  auto& h = sim.add_host("app");
  disk_options disk{.power_loss_in_call = over == backend::memory ? 0 : 0.003};
  h.set_disk_options(disk);
  h.on_boot([&s](host& self) { return s.over == backend::memory ? over_memory(self, s) : over_sqlite(self, s); });
  run_summary sum;
  for (sum.crashes = 0; sum.crashes < 4 && !sim.failed(); ++sum.crashes) crash(sim, h, s, disk);
  disk.power_loss_in_call = 0;
  h.set_disk_options(disk);
  s.calm = true;
  crash(sim, h, s, disk);
  ++sum.crashes;
  sim.run_until([&] { return published(s) && s.book.complete(groups); }, 10s);
  sim.check(published(s), "everything is published in the end");
  sim.check(s.book.complete(groups), s.book.missing(groups));
  sim.run_for(50ms);  // what is left of unconfirmed calls
  s.book.check_calls(groups);
  sum.published = s.book.published, sum.handled = s.book.handled, sum.again = s.book.again;
  return sum;
}

}  // namespace messages
