#pragma once
// Two services, each with an SQLite database on a disk that loses what was not synced, and a broker between them:
//
//     orders    changes accounts and publishes each change through its outbox
//     billing   writes down each change it hears of, through its inbox
//
// Whatever crashes, billing has in the end exactly what orders committed, once, in the order of each account. Some
// changes come with a reminder, which is delayed: it has one effect too, and not before it is due. The broker is away for
// a while now and then, and may have taken what it did not confirm.
#include <weft/messaging/memory_broker.hpp>
#include <weft/outbox.hpp>
#include <weft/storage/sqlite.hpp>
#include <weft/testkit.hpp>

#include <boost/describe/class.hpp>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace outbox_simulation {

using namespace weft;

struct change {
  std::string account;
  std::int64_t number = 0;  // of this account: 1, 2, 3 ...
};
BOOST_DESCRIBE_STRUCT(change, (), (account, number))
inline constexpr messaging::topic<change> changes{"account.changed"};
inline constexpr messaging::topic<change> reminders{"account.reminder"};
inline constexpr int accounts = 5;

// The bug that a run is made with, to see that the check finds it.
enum class planted {
  none,
  confirms_before_sending,  // the broker's client confirms what it has only put into its own memory
  effect_apart_from_inbox,  // the effect is one transaction, the inbox row the next
};

struct ledger {
  explicit ledger(messaging::memory_options o) : hub{std::make_shared<messaging::memory_hub>(o)} {}
  std::shared_ptr<messaging::memory_hub> hub;  // the broker: it stays
  planted bug = planted::none;
  bool second_relay = false;         // which comes and goes
  bool polls = true;                 // relays look by themselves; else only for what they are told of, or take over
  bool broker_away = false;          // for orders
  std::set<std::string> early;       // reminders that came before they were due
  std::map<std::string, steady_time> due;  // by account and number
  double handler_failures = 0;
  bool quiet = false;                                // no more changes, no more failures
  std::map<std::string, std::int64_t> acknowledged;  // the last number that a commit returned for
  bool outbox_empty = false;                         // as orders last saw it
  std::uint64_t commits = 0, deliveries = 0, shards_handed_over = 0;
  std::uint64_t refused = 0, reminded = 0, died_with_shards = 0;
};

[[nodiscard]] inline std::string name_of(const change& c) { return c.account + "#" + std::to_string(c.number); }

task<void> run_orders(testkit::host& h, ledger& book);
task<void> run_billing(testkit::host& h, ledger& book);

// From the databases as they are on the disks.
task<result<std::map<std::string, std::int64_t>>> committed_by_orders(testkit::host& h);
task<result<std::vector<change>>> effects_in_billing(testkit::host& h, std::string table = "effects");
task<result<std::vector<change>>> reminders_of_orders(testkit::host& h);

}  // namespace outbox_simulation
