#pragma once
// Two services, each with an SQLite database on a disk that loses what was not synced, and a broker between them:
//
//     orders    changes accounts and publishes each change through its outbox
//     billing   writes down each change it hears of, through its inbox
//
// Whatever crashes, billing has in the end exactly what orders committed, once, in the order of each account.
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
  bool second_relay = false;  // which comes and goes
  double handler_failures = 0;
  bool quiet = false;                                // no more changes, no more failures
  std::map<std::string, std::int64_t> acknowledged;  // the last number that a commit returned for
  bool outbox_empty = false;                         // as orders last saw it
  std::uint64_t commits = 0, deliveries = 0, shards_handed_over = 0;
};

task<void> run_orders(testkit::host& h, ledger& book);
task<void> run_billing(testkit::host& h, ledger& book);

// From the databases as they are on the disks.
task<result<std::map<std::string, std::int64_t>>> committed_by_orders(testkit::host& h);
task<result<std::vector<change>>> effects_in_billing(testkit::host& h);

}  // namespace outbox_simulation
