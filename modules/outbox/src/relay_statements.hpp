#pragma once
// What a relay says to the database.
#include "outbox_sql.hpp"

#include <weft/outbox/relay.hpp>

#include <string>
#include <string_view>

namespace weft::messaging {

struct relay_statements {
  relay_statements(const outbox_sql& q, behind_parked followers);

  // Said before those of one transaction, to PostgreSQL, which keeps plans. One that was made while the table was small
  // goes through all of it, or sorts all that waits, each time; so for this transaction only the indexes are left.
  static constexpr std::string_view plan_by_index =
      "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), "
      "set_config('enable_sort', 'off', true)";
  // Likewise. A mark is not worth a sync: should the server lose its power with it, the message is published once more,
  // under the same id, as after any mark that was not made.
  static constexpr std::string_view without_sync = "SELECT set_config('synchronous_commit', 'off', true)";

  // Relays and leases. $1 a lease in milliseconds, $2 the relay's name, $3 shards that it holds, $4 how many to take;
  // count, leave: $1 the name; release: $1 shard, $2 token.
  std::string enter, count, leave, forget;
  std::string renew, acquire, release;
  // $1 shards, $2 numbers and $3 keys that are left out, $4 how many, $5 the number that they are above, $6 no row
  // after so many bytes of bodies.
  std::string read;
  // $1 leases as outbox_sql::lease() has them, $2 numbers; park: $2 one number, $3 the reason.
  std::string check, remove, keep, park;
  std::string purge;  // $1 how old, in milliseconds

 private:
  void lease_shards(const outbox_sql& q, const std::string& now);
  void read_and_mark(const outbox_sql& q, const std::string& now, behind_parked followers);
};

}  // namespace weft::messaging
