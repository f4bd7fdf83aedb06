#pragma once
// The correlation id: one id for all that a request sets in motion, across services and events, whether traced or not.
//
//     auto ctx = observe::correlation::ensure(request_ctx, header_value, loop.random());
//     ctx.correlation_id();          // what the caller sent, if it is fit to be kept, else a new one
//
// What callers send ends in logs, headers and stores, so it is kept only if it is short and plain. Any thread.
#include <weft/runtime/context.hpp>
#include <weft/runtime/rng.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace weft::observe::correlation {

inline constexpr std::string_view header = "x-correlation-id";
inline constexpr std::size_t max_size = 128;

// 1 to 128 letters, digits, and - _ . ~ : / + = @ # |
[[nodiscard]] bool valid(std::string_view id) noexcept;
// A random UUID.
[[nodiscard]] std::string generate(rng& random);
// `received` (empty: none) when valid; else the context's own when it has one; else a new one.
[[nodiscard]] context ensure(const context& ctx, std::string_view received, rng& random);

}  // namespace weft::observe::correlation
