#pragma once
// The one vocabulary of failure: `result<T>` holds a value or an `error`, and an error is a canonical code with
// context.
//
//     result<user> find(std::string_view id) {
//       if (id.empty()) return fail(errc::invalid_argument, "user id is empty");
//       ...
//     }
//
// Codes are gRPC's (https://grpc.io/docs/guides/status-codes/), mapped once each to HTTP, gRPC and GraphQL. Branch on
// `code()`, never on text. An `error` is one pointer wide, cheap to move and to copy, immutable, and may cross threads.
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace weft {

enum class errc : std::uint8_t {
  cancelled = 1,          // the caller no longer wants the answer
  unknown = 2,            // a failure that fits no other code
  invalid_argument = 3,   // the request is wrong, whatever the state of the system
  deadline_exceeded = 4,  // time ran out; the operation may still have happened
  not_found = 5,
  already_exists = 6,
  permission_denied = 7,    // the caller is known and may not
  resource_exhausted = 8,   // a quota, a limit, a queue bound
  failed_precondition = 9,  // the system is not in the state the operation needs
  aborted = 10,             // a conflict with another operation; retry a level higher
  out_of_range = 11,
  unimplemented = 12,
  internal = 13,     // an invariant is broken
  unavailable = 14,  // not reachable or not ready; retrying may help
  data_loss = 15,
  unauthenticated = 16,  // the caller is not known
};

// The bound that an errc::resource_exhausted ran into. One code for what passes, what never fits and what somebody has
// to make room for would have callers retry all three.
enum class limit_kind : std::uint8_t {
  quota,  // a rate, a queue, a pool: there may be room again in a moment (HTTP 429)
  size,   // of this one call: it never fits, however often it is repeated (HTTP 413)
  space,  // of the machine: a full disk, which nobody empties by calling again (HTTP 507)
};

// The code's canonical name, lower case: "not_found".
[[nodiscard]] std::string_view to_string(errc code) noexcept;

class [[nodiscard]] error {
 public:
  explicit error(errc code, std::string_view message = {});

  [[nodiscard]] errc code() const noexcept { return code_; }
  // What went wrong, without the context that with_*() added.
  [[nodiscard]] std::string_view message() const noexcept;
  // What was being done ("GET /users/7"), to whom ("10.0.0.3:8080"), and what to do about it; empty when unknown.
  [[nodiscard]] std::string_view operation() const noexcept;
  [[nodiscard]] std::string_view peer() const noexcept;
  [[nodiscard]] std::string_view remedy() const noexcept;

  // Whether the same call may succeed later without anyone changing it (unavailable, deadline_exceeded, aborted,
  // resource_exhausted, unless its limit is one of size or space). It says nothing about whether repeating it is safe.
  [[nodiscard]] bool transient() const noexcept;

  // The same error with a context field set; an inner field that is already set is kept, since it is nearer the cause.
  [[nodiscard]] error with_operation(std::string_view operation) const;
  [[nodiscard]] error with_peer(std::string_view peer) const;
  [[nodiscard]] error with_remedy(std::string_view remedy) const;

  // Of an errc::resource_exhausted: the kind of bound, limit_kind::quota when nobody said.
  //     return fail(error{errc::resource_exhausted, "the body is too large"}.with_limit(limit_kind::size));
  [[nodiscard]] limit_kind limit() const noexcept { return limit_; }
  [[nodiscard]] error with_limit(limit_kind kind) const;

  // Whether the peer certainly did not act on the request: it was never connected, or refused before processing. Only
  // then may a request that is not idempotent be repeated.
  [[nodiscard]] bool unprocessed() const noexcept { return unprocessed_; }
  [[nodiscard]] error as_unprocessed() const;

  // For people: "not_found: user 7 (GET /users/7 to 10.0.0.3:8080): <remedy>".
  [[nodiscard]] std::string describe() const;

  friend bool operator==(const error& a, const error& b) noexcept {
    return a.code_ == b.code_ && a.message() == b.message();
  }

 private:
  struct rep;
  [[nodiscard]] error with(std::string_view operation, std::string_view peer, std::string_view remedy) const;

  std::shared_ptr<const rep> rep_;  // null: no message and no context
  errc code_;
  bool unprocessed_ = false;
  limit_kind limit_ = limit_kind::quota;
};

template <class T = void>
using result = std::expected<T, error>;

// `return fail(errc::not_found, "user 7");`
[[nodiscard]] std::unexpected<error> fail(errc code, std::string_view message = {});
[[nodiscard]] inline std::unexpected<error> fail(error e) { return std::unexpected<error>{std::move(e)}; }

}  // namespace weft

// Leaves the function with the error of `expression`, or goes on with its value in `declaration`:
//     WEFT_TRY(auto user, find(id));
// In a coroutine, WEFT_CO_TRY does the same with co_return.
#define WEFT_TRY_CONCAT_(a, b) a##b
#define WEFT_TRY_NAME_(line) WEFT_TRY_CONCAT_(weft_try_, line)
#define WEFT_TRY_IMPL_(leave, name, declaration, ...) \
  auto name = (__VA_ARGS__);                          \
  if (!name) [[unlikely]]                             \
    leave ::weft::fail(std::move(name).error());      \
  declaration = *std::move(name)
#define WEFT_TRY(declaration, ...) WEFT_TRY_IMPL_(return, WEFT_TRY_NAME_(__COUNTER__), declaration, __VA_ARGS__)
#define WEFT_CO_TRY(declaration, ...) WEFT_TRY_IMPL_(co_return, WEFT_TRY_NAME_(__COUNTER__), declaration, __VA_ARGS__)
// The same for an expression whose value is void.
#define WEFT_TRY_VOID_IMPL_(leave, name, ...)          \
  do {                                                 \
    if (auto name = (__VA_ARGS__); !name) [[unlikely]] \
      leave ::weft::fail(std::move(name).error());     \
  } while (false)
#define WEFT_TRY_VOID(...) WEFT_TRY_VOID_IMPL_(return, WEFT_TRY_NAME_(__COUNTER__), __VA_ARGS__)
#define WEFT_CO_TRY_VOID(...) WEFT_TRY_VOID_IMPL_(co_return, WEFT_TRY_NAME_(__COUNTER__), __VA_ARGS__)
