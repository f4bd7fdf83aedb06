#pragma once
// A message as a row of weft_outbox, and back. What tools may want to look for (id, topic, key) are columns; the rest
// of the envelope is one value of bytes.
#include <weft/messaging/broker.hpp>
#include <weft/storage/value.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft::messaging {

struct outbox_row {
  std::int64_t seq = 0;
  unsigned shard = 0;
  outgoing what;
  duration age{};                   // since add()
  std::optional<error> unreadable;  // `what` is incomplete then
};

// Stable for ever: it decides who publishes what.
[[nodiscard]] unsigned shard_of(const message& m, unsigned shards) noexcept;

// Headers, content type, priority, time to live, delay, what to do if unroutable.
[[nodiscard]] std::string encode_meta(const outgoing& what);
// errc::data_loss when it was not made by encode_meta(), or by a newer one.
[[nodiscard]] result<> decode_meta(std::string_view bytes, outgoing& into);

// From the columns seq, shard, id, topic, message_key, meta, body, and the age in milliseconds. The error of a result
// of another shape; a row whose meta cannot be read is `unreadable`.
[[nodiscard]] result<outbox_row> read_row(const storage::row& r);

// What add() refuses; fills in nothing.
[[nodiscard]] result<> check_for_outbox(const outgoing& what, const message_limits& limits);

}  // namespace weft::messaging
