#pragma once
// One connection in pipeline mode: units of statements go out as they come and are answered in order; an error skips
// the rest of its unit and nothing else.
#include "connecting.hpp"
#include "values.hpp"

#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::storage {

// Statements up to a synchronisation point.
struct pg_unit {
  // What the loss of the connection means once the unit has been sent.
  enum class loss : std::uint8_t {
    undone,           // it belongs to a transaction that then never commits: nothing of it stays
    reading,          // it looks as if it only read: errc::unavailable; but it may have called what writes
    unknown_outcome,  // it may have committed
  };

  explicit pg_unit(loop& l) : done{l} {}
  std::string begin;  // sent first when it is not empty
  std::vector<statement> batch;
  loss when_lost = loss::undone;
  bool prepare = true;  // statements may be prepared for it, or have been

  std::vector<rows> results;
  pg_rows current;  // of the statement whose rows arrive
  // It met a prepared statement that is gone or of no use any more: it was undone, and works without (prepare = false).
  bool stale = false;
  std::string last_tag;  // of the last command: "COMMIT", "ROLLBACK", "INSERT 0 1"
  result<> outcome;
  bool finished = false;
  bool cancelled = false;
  event done;
};
using pg_unit_ref = std::shared_ptr<pg_unit>;

class pg_connection final : public std::enable_shared_from_this<pg_connection> {
 public:
  // Known of all connections of a pool: a pooler in between lends each transaction another session, so that what was
  // prepared is gone, or was prepared by others. From then on nothing is prepared.
  struct pooler_seen {
    bool value = false;
  };
  pg_connection(loop& l, pg_session session, const postgres_options& options, pooler_seen& pooler, std::string peer);
  ~pg_connection();
  pg_connection(const pg_connection&) = delete;
  pg_connection& operator=(const pg_connection&) = delete;

  // Starts what reads and writes in the group. `on_broken` is called once, when the connection is of no more use.
  result<> start(task_group& group, std::function<void()> on_broken);
  // Sends it; `done` is set when the server has answered up to the synchronisation point.
  void send(const pg_unit_ref& unit);
  // Awaits its end. When the context ends first the server is asked to cancel it, if it is `cancellable`, and has
  // `cancel_grace` for an answer; then the connection is given up.
  enum class ending : std::uint8_t { cancellable, must_end };
  task<result<>> finish(context ctx, pg_unit_ref unit, ending how);
  // The same for one whose awaiter is gone.
  void abandon(const pg_unit_ref& unit);
  // Until it may carry another caller: everything answered, cancels delivered, no transaction open.
  task<void> settle();
  // Whether settle() has anything to do.
  [[nodiscard]] bool settled() const noexcept;

  [[nodiscard]] bool broken() const noexcept { return broken_; }
  // Of one that nothing was asked of: looks at what the server may have said meanwhile. False: it is of no use, and
  // broken from now on.
  [[nodiscard]] bool check_idle();
  // It has carried out something.
  [[nodiscard]] bool proven() const noexcept { return proven_; }
  void break_with(const error& why);

  std::function<void(std::string_view channel, std::string_view payload)> on_notification;
  [[nodiscard]] std::string quoted(const std::string& identifier) const;

 private:
  enum class kind : std::uint8_t { prepare, execute, begin, sync };
  struct step {
    pg_unit_ref unit;
    kind what;
    std::size_t index = 0;   // of the statement
    std::string prepared{};  // the name it is, or is to be, prepared under
  };
  struct prepared {
    std::string name;
    bool ready = false;
    std::list<std::string>::iterator age;
  };

  static task<void> read_on(std::shared_ptr<pg_connection> self);
  static task<void> write_on(std::shared_ptr<pg_connection> self);
  static void receive_notice(void* self, const PGresult* notice);

  static task<void> cancel_on_server(std::shared_ptr<pg_connection> self);

  bool send_all(const pg_unit_ref& unit);
  bool send_prepares(const pg_unit_ref& unit, std::vector<std::string>& names);
  bool send_execute(const pg_unit_ref& unit, std::size_t index, const std::string& name);
  bool send_control(const std::string& sql);
  bool sync(const pg_unit_ref& unit, bool last);
  void deallocate(const pg_unit_ref& unit, const std::string& name);
  void forget(std::string_view key);
  void flush();
  void take_results();
  void take(step& current, const PGresult* r);
  void failed(step& current, const PGresult* r);
  void store(step& current, const PGresult* r);
  bool add_rows(pg_unit& unit, const PGresult* r);
  void bound_message();
  void end(pg_unit& unit);
  void cancel(const pg_unit_ref& unit);
  [[nodiscard]] error lost(const pg_unit& unit, const error& why) const;
  void count_unread();
  [[nodiscard]] std::uint64_t bytes_taken() const;

  loop& loop_;
  pg_handle handle_;
  address address_;
  std::optional<pg_cancel_key> cancel_key_;
  task_group* tasks_ = nullptr;  // outlives every connection that is not broken
  std::unique_ptr<watched_descriptor> watched_;
  const postgres_options& options_;
  pooler_seen& pooler_;
  std::string peer_;
  std::function<void()> on_broken_;
  event flush_needed_, progress_;
  std::deque<step> in_flight_;
  std::map<std::string, prepared, std::less<>> prepared_;  // by types and text
  std::list<std::string> ages_;
  std::vector<std::string> unused_names_;     // prepared on the server, and of no use any more
  std::uint32_t generation_ = 0;              // of names, after tables have changed
  std::uint64_t unread_before_ = 0;           // sum of what the socket held each time before libpq read from it
  bool took_result_ = false;                  // since the last look at the socket
  std::optional<std::uint64_t> waits_since_;  // bytes taken when the message that is incomplete began, or soon after
  bool broken_ = false, proven_ = false;
  bool fence_needed_ = false;  // a cancel may still hit what comes next
  std::size_t cancels_ = 0;    // under way
};

}  // namespace weft::storage
