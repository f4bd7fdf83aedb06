#pragma once
// Which delays there are queues for. All messages of a delay queue have the same time to live, so none is held up by
// one before it; and delays are rounded up, so that there are not as many queues as there are delays.
#include <weft/runtime/timer.hpp>

#include <cstdint>

namespace weft::messaging {

// A queue without use for its x-expires is deleted, with what is in it, and publishing is no use: so it is declared
// again when the last declaration is older than `declare_again`, and lives `declared_for` longer than its delay. What
// fell due while the broker was starting is only tried again by it after three minutes, from the same queue.
inline constexpr duration declare_again = std::chrono::seconds{30};
inline constexpr std::uint64_t declared_for_ms = 900'000;
// The broker takes times below 2^32 ms.
inline constexpr duration max_amqp_delay = std::chrono::hours{45 * 24};

// In milliseconds, up to 6 % above the delay: exact below 16, then 16 steps for each power of two; 464 in all.
[[nodiscard]] std::uint64_t delay_step(duration delay) noexcept;

}  // namespace weft::messaging
