#pragma once
// The tables of the outbox and what is said to them, for both engines. Times are milliseconds since 1970 by the
// database's clock.
#include <weft/storage/database.hpp>
#include <weft/storage/migrate.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::messaging {

// weft_outbox.state
inline constexpr int row_waiting = 0, row_sent = 1, row_parked = 2;

class outbox_sql {
 public:
  explicit outbox_sql(storage::engine kind) : kind_{kind} {}

  [[nodiscard]] static std::vector<storage::migration> migrations();

  // Milliseconds since 1970, as an expression.
  [[nodiscard]] std::string_view now() const noexcept;
  // A list of numbers or texts is one parameter; `in` is the condition on a column, "seq IN (...)".
  [[nodiscard]] std::string in(std::string_view column, int parameter, std::string_view type) const;
  [[nodiscard]] std::string not_in(std::string_view column, int parameter, std::string_view type) const;
  [[nodiscard]] std::string list(std::span<const std::int64_t> numbers) const;
  [[nodiscard]] std::string list(std::span<const std::string> texts) const;
  // At the end of a SELECT: others may not change the row before this transaction ends.
  [[nodiscard]] std::string_view locked() const noexcept;
  // The same for rows that this transaction is about to change: so they are locked in the order of the SELECT.
  enum class locks_of_others : std::uint8_t { wait, skip };
  [[nodiscard]] std::string_view locked_to_change(locks_of_others others) const noexcept;

  // What only SQLite can say, for one process alone has its file: which relays are surely gone. Their shards are free
  // afterwards. $1 the relay that says it, which counts as alive until it leaves or the process ends.
  [[nodiscard]] std::vector<storage::statement> bury_the_dead(const std::string& relay) const;
  [[nodiscard]] std::vector<storage::statement> no_longer_alive(const std::string& relay) const;

  // A shard under one of its leases as one number, and the same of a row of weft_outbox_shards.
  [[nodiscard]] static std::int64_t lease(unsigned shard, std::int64_t token) noexcept;
  static constexpr std::string_view lease_of_row = "(token * 1024 + shard)";

 private:
  [[nodiscard]] std::string elements(int parameter, std::string_view type) const;
  storage::engine kind_;
};

}  // namespace weft::messaging
