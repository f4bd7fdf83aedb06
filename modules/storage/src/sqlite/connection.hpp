#pragma once
// One connection to a SQLite database: blocking, for one thread at a time.
#include <weft/storage/sqlite.hpp>

#include <sqlite3.h>

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft::storage {

class sqlite_connection final : public sqlite_session {
 public:
  enum class role : std::uint8_t { writer, reader, only };
  // `vfs`: the name of a registered file system; null for the default one.
  static result<std::unique_ptr<sqlite_connection>> open(const sqlite_options& options, const char* vfs, role r);
  ~sqlite_connection();

  // Refused: statements for which check_statement() finds a reason, and on a reader those that write.
  result<rows> run(std::string_view sql, const parameters& values = {}) override;
  // Pragmas.
  result<> control(const char* sql);
  // BEGIN and the like: few, and the same each time.
  result<> control_prepared(const char* sql);

  [[nodiscard]] bool in_transaction() const noexcept { return sqlite3_get_autocommit(handle_) == 0; }
  // A reader met a statement that writes since this was last asked.
  [[nodiscard]] bool met_write() noexcept { return std::exchange(met_write_, false); }
  // While set, statements that write are refused, whatever the connection is.
  void only_reading(bool only) noexcept { only_reading_ = only; }
  // While set, what would undo the whole transaction (OR ROLLBACK) is refused, for others share it.
  void shared(bool is) noexcept { shared_ = is; }
  // While set, nothing runs once the transaction has ended, for it would be committed by itself.
  void only_within_transaction(bool only) noexcept { only_within_ = only; }
  // Such a statement was refused since this was last asked.
  [[nodiscard]] bool met_rollback() noexcept { return std::exchange(met_rollback_, false); }
  // The device failed to write: what SQLite and the system's cache have in memory is not what the disk has. The
  // connection is to be closed, and does not touch the files when it is.
  [[nodiscard]] bool sync_failed() const noexcept { return sync_failed_; }
  // While set and true, what runs ends with errc::cancelled.
  void interrupt_by(const std::atomic<bool>* flag) noexcept { interrupt_ = flag; }

 private:
  struct prepared {
    sqlite3_stmt* handle = nullptr;
    std::vector<int> numbers;  // of the parameter at each place: 1 for $1
    std::vector<std::string> columns;
    bool names_rollback = false;
    std::list<std::string>::iterator age;
  };
  sqlite_connection(const sqlite_options& options, role r) : options_{options}, role_{r} {}
  result<> configure();
  result<> use_log();
  result<prepared*> prepare(std::string_view sql);
  result<> describe(prepared& p);
  result<> bind(const prepared& p, const parameters& values);
  static void name_columns(prepared& p);
  result<rows> step(prepared& p);
  void forget(std::string_view sql);
  result<> allowed(const prepared& p);
  error failure(int status, std::string_view operation = {});
  void note(int extended) noexcept;
  int checkpoint(const char* schema, int pages);

  sqlite_options options_;
  role role_;
  sqlite3* handle_ = nullptr;
  std::map<std::string, prepared, std::less<>> prepared_;
  std::map<std::string_view, sqlite3_stmt*> controls_;  // texts that are literals
  std::list<std::string> ages_;                         // the least recently used first
  const std::atomic<bool>* interrupt_ = nullptr;
  bool met_write_ = false, met_rollback_ = false;
  bool only_reading_ = false, shared_ = false, only_within_ = false, sync_failed_ = false;
};

}  // namespace weft::storage
