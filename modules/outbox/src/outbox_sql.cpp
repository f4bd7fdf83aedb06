#include "outbox_sql.hpp"

namespace weft::messaging {

// The number of a row is never given twice (AUTOINCREMENT): a late mark must not meet another row.
std::vector<storage::migration> outbox_sql::migrations() {
  return {
      {.version = 1,
       .statements =
           {.sqlite =
                {"CREATE TABLE weft_outbox ("
                 "seq INTEGER PRIMARY KEY AUTOINCREMENT, shard INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0, "
                 "id TEXT NOT NULL, topic TEXT NOT NULL, message_key TEXT NOT NULL, meta BLOB NOT NULL, "
                 "body BLOB NOT NULL, added_at INTEGER NOT NULL, ended_at INTEGER, reason TEXT)",
                 "CREATE INDEX weft_outbox_waiting ON weft_outbox (seq) WHERE state = 0",
                 "CREATE INDEX weft_outbox_sent ON weft_outbox (ended_at) WHERE state = 1",
                 "CREATE INDEX weft_outbox_parked ON weft_outbox (message_key, seq) WHERE state = 2",
                 "CREATE TABLE weft_outbox_shards (shard INTEGER PRIMARY KEY, owner TEXT NOT NULL DEFAULT '', "
                 "token INTEGER NOT NULL DEFAULT 0, expires INTEGER NOT NULL DEFAULT 0)"},
            // A queue turns its whole table over: vacuum early, and by count rather than by share.
            .postgres =
                {"CREATE TABLE weft_outbox ("
                 "seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, shard integer NOT NULL, "
                 "state smallint NOT NULL DEFAULT 0, id text NOT NULL, topic text NOT NULL, "
                 "message_key text NOT NULL, meta bytea NOT NULL, body bytea NOT NULL, added_at bigint NOT NULL, "
                 "ended_at bigint, reason text) WITH (autovacuum_vacuum_scale_factor = 0.02, "
                 "autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0.02, "
                 "autovacuum_analyze_scale_factor = 0.05, autovacuum_analyze_threshold = 5000)",
                 "CREATE INDEX weft_outbox_waiting ON weft_outbox (seq) WHERE state = 0",
                 "CREATE INDEX weft_outbox_sent ON weft_outbox (ended_at) WHERE state = 1",
                 "CREATE INDEX weft_outbox_parked ON weft_outbox (message_key, seq) WHERE state = 2",
                 "CREATE TABLE weft_outbox_shards (shard integer PRIMARY KEY, owner text NOT NULL DEFAULT '', "
                 "token bigint NOT NULL DEFAULT 0, expires bigint NOT NULL DEFAULT 0)"}}},
      // Who there is to share the shards.
      {.version = 2,
       .statements = {.both = {"CREATE TABLE weft_outbox_relays (name text NOT NULL PRIMARY KEY, "
                               "expires bigint NOT NULL)"}}},
  };
}

std::string_view outbox_sql::now() const noexcept {
  return kind_ == storage::engine::sqlite ? "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
                                          : "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
}

std::string outbox_sql::elements(int parameter, std::string_view type) const {
  const auto number = "$" + std::to_string(parameter);
  if (kind_ == storage::engine::sqlite) return "(SELECT value FROM json_each(" + number + "))";
  return "(SELECT unnest(" + number + "::" + std::string{type} + "[]))";
}

std::string outbox_sql::in(std::string_view column, int parameter, std::string_view type) const {
  if (kind_ == storage::engine::sqlite) return std::string{column} + " IN " + elements(parameter, type);
  return std::string{column} + " = ANY($" + std::to_string(parameter) + "::" + std::string{type} + "[])";
}

// PostgreSQL makes a hash table of the subquery, whatever it plans around it.
std::string outbox_sql::not_in(std::string_view column, int parameter, std::string_view type) const {
  return std::string{column} + " NOT IN " + elements(parameter, type);
}

std::string outbox_sql::list(std::span<const std::int64_t> numbers) const {
  const bool json = kind_ == storage::engine::sqlite;
  std::string text{json ? "[" : "{"};
  for (const auto n : numbers) {
    if (text.size() > 1) text += ',';
    text += std::to_string(n);
  }
  return text += json ? ']' : '}';
}

// The texts have no control characters; what is left to escape is the same in JSON and in PostgreSQL's arrays.
std::string outbox_sql::list(std::span<const std::string> texts) const {
  const bool json = kind_ == storage::engine::sqlite;
  std::string text{json ? "[" : "{"};
  for (const auto& t : texts) {
    if (text.size() > 1) text += ',';
    text += '"';
    for (const char c : t) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  return text += json ? ']' : '}';
}

std::string_view outbox_sql::locked() const noexcept { return kind_ == storage::engine::sqlite ? "" : " FOR SHARE"; }
std::string_view outbox_sql::locked_to_change(locks_of_others others) const noexcept {
  if (kind_ == storage::engine::sqlite) return "";
  return others == locks_of_others::wait ? " FOR UPDATE" : " FOR UPDATE SKIP LOCKED";
}

namespace {
// Of the connection that writes, of which there is one for a file; gone with the process.
constexpr std::string_view alive_table =
    "CREATE TEMP TABLE IF NOT EXISTS weft_outbox_alive (name TEXT NOT NULL PRIMARY KEY)";
}  // namespace

std::vector<storage::statement> outbox_sql::bury_the_dead(const std::string& relay) const {
  if (kind_ != storage::engine::sqlite) return {};
  const std::string of_the_dead = " NOT IN (SELECT name FROM temp.weft_outbox_alive)";
  return {{std::string{alive_table}},
          {"INSERT INTO temp.weft_outbox_alive (name) VALUES ($1) ON CONFLICT DO NOTHING", {relay}},
          {"DELETE FROM weft_outbox_relays WHERE name" + of_the_dead},
          {"UPDATE weft_outbox_shards SET owner = '', expires = 0 WHERE owner <> '' AND owner" + of_the_dead}};
}

std::vector<storage::statement> outbox_sql::no_longer_alive(const std::string& relay) const {
  if (kind_ != storage::engine::sqlite) return {};
  return {{std::string{alive_table}}, {"DELETE FROM temp.weft_outbox_alive WHERE name = $1", {relay}}};
}

std::int64_t outbox_sql::lease(unsigned shard, std::int64_t token) noexcept { return token * 1024 + shard; }

}  // namespace weft::messaging
