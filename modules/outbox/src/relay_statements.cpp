#include "relay_statements.hpp"

namespace weft::messaging {

relay_statements::relay_statements(const outbox_sql& q, behind_parked followers) {
  const std::string now{q.now()};
  lease_shards(q, now);
  read_and_mark(q, now, followers);
}

void relay_statements::lease_shards(const outbox_sql& q, const std::string& now) {
  using locks = outbox_sql::locks_of_others;
  enter = "INSERT INTO weft_outbox_relays (name, expires) VALUES ($2, " + now +
          " + $1) ON CONFLICT (name) DO UPDATE SET expires = excluded.expires";
  count = "SELECT count(*), count(CASE WHEN name < $1 THEN 1 END) FROM weft_outbox_relays WHERE expires > " + now;
  leave = "DELETE FROM weft_outbox_relays WHERE name = $1";
  forget = "DELETE FROM weft_outbox_relays WHERE expires <= " + now;
  // Marks lock the same rows: everybody takes them in the order of the shards.
  renew = "WITH mine AS (SELECT shard FROM weft_outbox_shards WHERE owner = $2 AND " + q.in("shard", 3, "bigint") +
          " ORDER BY shard" + std::string{q.locked_to_change(locks::wait)} +
          ") UPDATE weft_outbox_shards SET expires = " + now +
          " + $1 WHERE owner = $2 AND shard IN (SELECT shard FROM mine) RETURNING shard, token";
  // What its name held before it takes back at once; of what is free only its share. Others that take at the same
  // moment take other ones.
  const auto another = q.not_in("shard", 3, "bigint");
  acquire =
      "WITH free AS (SELECT shard FROM weft_outbox_shards WHERE owner <> $2 AND (owner = '' OR expires <= " + now +
      ") AND " + another + " ORDER BY shard LIMIT $4" + std::string{q.locked_to_change(locks::skip)} +
      ") UPDATE weft_outbox_shards SET owner = $2, token = token + 1, expires = " + now +
      " + $1 WHERE (owner = $2 OR owner = '' OR expires <= " + now +
      ") AND (owner = $2 OR shard IN (SELECT shard FROM free)) AND " + another + " RETURNING shard, token";
  release = "UPDATE weft_outbox_shards SET owner = '', expires = 0 WHERE shard = $1 AND token = $2";
}

void relay_statements::read_and_mark(const outbox_sql& q, const std::string& now, behind_parked followers) {
  std::string waiting =
      "SELECT seq, shard, id, topic, message_key, meta, body, added_at FROM weft_outbox AS o WHERE state = 0 AND seq > "
      "$5 AND " +
      q.in("shard", 1, "bigint") + " AND " + q.not_in("seq", 2, "bigint") + " AND " +
      q.not_in("message_key", 3, "text");
  if (followers == behind_parked::wait)
    waiting +=
        " AND NOT EXISTS (SELECT 1 FROM weft_outbox AS p WHERE p.state = 2 AND p.message_key = o.message_key "
        "AND p.message_key <> '' AND p.seq < o.seq)";
  waiting += " ORDER BY seq LIMIT $4";
  // Up to the row with which the bytes are reached. Neither engine reads a body to tell its length.
  read = "SELECT seq, shard, id, topic, message_key, meta, body, " + now +
         " - added_at FROM (SELECT waiting.*, sum(length(body)) OVER (ORDER BY seq) - length(body) AS before FROM (" +
         waiting + ") AS waiting) AS counted WHERE before < $6 ORDER BY seq";
  // The leases are looked at, and on PostgreSQL held, by the transaction that marks. Locks are taken in one order.
  const auto leases = q.in(outbox_sql::lease_of_row, 1, "bigint");
  check = "SELECT shard, token FROM weft_outbox_shards WHERE " + leases + " ORDER BY shard" + std::string{q.locked()};
  const auto leased = " AND shard IN (SELECT shard FROM weft_outbox_shards WHERE " + leases + ")";
  remove = "DELETE FROM weft_outbox WHERE " + q.in("seq", 2, "bigint") + leased;
  keep = "UPDATE weft_outbox SET state = 1, ended_at = " + now + " WHERE state = 0 AND " + q.in("seq", 2, "bigint") +
         leased;
  park = "UPDATE weft_outbox SET state = 2, ended_at = " + now + ", reason = $3 WHERE state = 0 AND seq = $2" + leased;
  purge = "DELETE FROM weft_outbox WHERE seq IN (SELECT seq FROM weft_outbox WHERE state = 1 AND ended_at < " + now +
          " - $1 ORDER BY ended_at LIMIT 500)";
}

}  // namespace weft::messaging
