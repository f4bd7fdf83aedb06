#pragma once
// Connections and the calls that wait for them. Everything here is touched on the loop's thread alone, but for the
// `work` of a call and the connection it is given, which belong to the pool's thread while the call runs.
#include "connection.hpp"

#include <weft/runtime/sync.hpp>

#include <atomic>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

namespace weft::storage {

// One call: work for a connection, or (with no work) a transaction that wants one to itself.
struct sqlite_call {
  enum class state : std::uint8_t { waiting, running, finished, abandoned };
  using function = std::move_only_function<result<>(sqlite_connection&)>;

  sqlite_call(loop& l, function f) : work{std::move(f)}, done{l} {}

  function work;
  event done;
  state where = state::waiting;
  std::atomic<bool> interrupted{false};
  bool interruptible = false;
  bool reading = false;     // its statements may not write
  bool repeatable = false;  // the work may be called again when another call has undone it
  result<> outcome;
  std::exception_ptr problem;
  class sqlite_lane* lane = nullptr;  // of a transaction, once it has one
};
using sqlite_call_ref = std::shared_ptr<sqlite_call>;

// A connection, at most one call or group of calls at a time.
class sqlite_lane {
 public:
  explicit sqlite_lane(std::unique_ptr<sqlite_connection> c) : connection{std::move(c)} {}
  std::unique_ptr<sqlite_connection> connection;
  bool busy = false;                 // runs something, or is held by a transaction
  bool held_running = false;         // a statement of the transaction that holds it runs
  std::deque<sqlite_call_ref> held;  // statements of that transaction
  bool giving_back = false;          // the transaction has ended; once `held` is empty the lane is free
};

}  // namespace weft::storage
