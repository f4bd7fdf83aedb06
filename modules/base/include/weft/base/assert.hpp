#pragma once
// WEFT_ASSERT(condition, "what is broken"): for bugs, in every build. Never on input: what a network, a caller or a
// file can cause is a `result`. A broken assertion prints the place and aborts.
namespace weft {
[[noreturn]] void assertion_failed(const char* condition, const char* message, const char* file, int line) noexcept;
}
#define WEFT_ASSERT(condition, message)                \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::weft::assertion_failed(#condition, message, __FILE__, __LINE__))
