#include "connection.hpp"

#include "error.hpp"
#include "sql_text.hpp"

#include <algorithm>
#include <charconv>

namespace weft::storage {

result<std::unique_ptr<sqlite_connection>> sqlite_connection::open(const sqlite_options& options, const char* vfs,
                                                                   role r) {
  std::unique_ptr<sqlite_connection> made{new sqlite_connection{options, r}};
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (r == role::reader ? 0 : SQLITE_OPEN_CREATE);
  if (const int status = sqlite3_open_v2(options.path.c_str(), &made->handle_, flags, vfs); status != SQLITE_OK)
    return fail(made->failure(status, "opening " + options.path)
                    .with_remedy("see whether the folder exists and may be written"));
  if (auto configured = made->configure(); !configured)
    return fail(configured.error().with_operation("opening " + options.path));
  return made;
}

sqlite_connection::~sqlite_connection() {
  if (sync_failed_) sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  for (auto& [sql, p] : prepared_) sqlite3_finalize(p.handle);
  for (auto& [sql, handle] : controls_) sqlite3_finalize(handle);
  sqlite3_close_v2(handle_);
}

result<> sqlite_connection::configure() {
  sqlite3_progress_handler(
      handle_, 1000,
      [](void* self) {
        const auto* flag = static_cast<sqlite_connection*>(self)->interrupt_;
        return flag != nullptr && flag->load(std::memory_order_relaxed) ? 1 : 0;
      },
      this);
  sqlite3_limit(handle_, SQLITE_LIMIT_ATTACHED, 0);
  const bool on_own_files = role_ == role::only && options_.disk != nullptr;
  // Without shared memory the index of the log lives on the heap, which takes that nobody else opens the file.
  if (on_own_files) WEFT_TRY_VOID(control("PRAGMA locking_mode=EXCLUSIVE"));
  if (options_.disk != nullptr) WEFT_TRY_VOID(control("PRAGMA temp_store=MEMORY"));
  WEFT_TRY_VOID(control("PRAGMA foreign_keys=ON"));
  WEFT_TRY_VOID(control("PRAGMA trusted_schema=OFF"));
  if (role_ == role::reader) {
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    WEFT_TRY_VOID(control("PRAGMA wal_autocheckpoint=0"));
    // Only at start-up, and while the writer resets the log, a reader meets a lock.
    sqlite3_busy_timeout(handle_, 5000);
    return control("PRAGMA query_only=ON");
  }
  WEFT_TRY_VOID(use_log());
  WEFT_TRY_VOID(control("PRAGMA synchronous=FULL"));
  // SQLite's own way to checkpoint after a commit keeps to itself that the device failed.
  sqlite3_wal_hook(
      handle_,
      [](void* self, sqlite3*, const char* schema, int pages) {
        return static_cast<sqlite_connection*>(self)->checkpoint(schema, pages);
      },
      this);
  WEFT_TRY_VOID(control("PRAGMA journal_size_limit=67108864"));
  sqlite3_busy_timeout(handle_, 5000);
  return {};
}

// The commit before it stands, whatever comes of this.
int sqlite_connection::checkpoint(const char* schema, int pages) {
  if (pages >= options_.checkpoint_pages)
    note(sqlite3_wal_checkpoint_v2(handle_, schema, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr));
  return SQLITE_OK;
}

void sqlite_connection::note(int extended) noexcept {
  if (extended == SQLITE_IOERR_FSYNC || extended == SQLITE_IOERR_DIR_FSYNC) sync_failed_ = true;
}

error sqlite_connection::failure(int status, std::string_view operation) {
  note(status);
  if (handle_ != nullptr) note(sqlite3_extended_errcode(handle_));
  return sqlite_failure(handle_, status, operation);
}

// Of the verbs around every write each is parsed once.
result<> sqlite_connection::control_prepared(const char* sql) {
  auto& handle = controls_[sql];
  if (handle == nullptr)
    if (const int status = sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
        status != SQLITE_OK)
      return fail(failure(status, sql));
  sqlite3_step(handle);
  if (const int status = sqlite3_reset(handle); status != SQLITE_OK) return fail(failure(status, sql));
  return {};
}

result<> sqlite_connection::use_log() {
  WEFT_TRY_VOID(control("PRAGMA journal_mode=WAL"));
  WEFT_TRY(const auto mode, run("SELECT journal_mode FROM pragma_journal_mode"));
  WEFT_TRY(const auto name, mode.scalar<std::string>());
  if (name != "wal" && name != "memory")
    return fail(errc::failed_precondition, "the file system takes no write-ahead log (journal mode " + name + ")");
  return {};
}

result<> sqlite_connection::control(const char* sql) {
  if (const int status = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr); status != SQLITE_OK)
    return fail(failure(status, sql));
  return {};
}

result<rows> sqlite_connection::run(std::string_view sql, const parameters& values) {
  if (only_within_ && !in_transaction())
    return fail(errc::aborted, "the transaction ended with a statement that failed before");
  WEFT_TRY(auto* p, prepare(sql));
  WEFT_TRY_VOID(allowed(*p));
  auto bound = bind(*p, values);
  auto out = bound ? step(*p) : result<rows>{fail(bound.error())};
  sqlite3_reset(p->handle);
  sqlite3_clear_bindings(p->handle);
  return out;
}

result<> sqlite_connection::allowed(const prepared& p) {
  if ((role_ == role::reader || only_reading_) && sqlite3_stmt_readonly(p.handle) == 0) {
    met_write_ = true;
    return fail(errc::failed_precondition, "only reading is allowed here");
  }
  if (shared_ && p.names_rollback) {
    met_rollback_ = true;
    return fail(errc::aborted, "the statement may undo the writes of others; it runs again, alone");
  }
  return {};
}

result<sqlite_connection::prepared*> sqlite_connection::prepare(std::string_view sql) {
  if (const auto found = prepared_.find(sql); found != prepared_.end()) {
    ages_.splice(ages_.end(), ages_, found->second.age);
    return &found->second;
  }
  WEFT_TRY_VOID(check_statement({std::string{sql}}));
  prepared p;
  const char* rest = nullptr;
  const int status = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                        &p.handle, &rest);
  if (status != SQLITE_OK) return fail(failure(status));
  const auto after = sql.substr(static_cast<std::size_t>(rest - sql.data()));
  auto described =
      nothing_follows(after) ? describe(p) : result<>{fail(errc::invalid_argument, "there is more than one statement")};
  if (!described) {
    sqlite3_finalize(p.handle);
    return fail(described.error());
  }
  if (prepared_.size() >= std::max<std::size_t>(options_.statements, 1)) forget(ages_.front());
  p.age = ages_.insert(ages_.end(), std::string{sql});
  return &prepared_.emplace(std::string{sql}, std::move(p)).first->second;
}

void sqlite_connection::forget(std::string_view sql) {
  const auto found = prepared_.find(sql);
  sqlite3_finalize(found->second.handle);
  ages_.erase(found->second.age);
  prepared_.erase(found);
}

result<> sqlite_connection::describe(prepared& p) {
  p.names_rollback = names(sqlite3_sql(p.handle), "rollback");
  const int count = sqlite3_bind_parameter_count(p.handle);
  for (int place = 1; place <= count; ++place) {
    const char* name = sqlite3_bind_parameter_name(p.handle, place);
    const std::string_view text = name != nullptr ? name : "?";
    int number = 0;
    const auto [end, problem] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
    if (text.front() != '$' || problem != std::errc{} || end != text.data() + text.size() || number < 1)
      return fail(error{errc::invalid_argument, "a parameter is written '" + std::string{text} + "'"}.with_remedy(
          "write parameters as $1, $2, ..."));
    p.numbers.push_back(number);
  }
  name_columns(p);
  return {};
}

void sqlite_connection::name_columns(prepared& p) {
  p.columns.clear();
  const int columns = sqlite3_column_count(p.handle);
  for (int i = 0; i < columns; ++i) p.columns.emplace_back(sqlite3_column_name(p.handle, i));
}

namespace {

int bind_value(sqlite3_stmt* handle, int place, const value& v) {
  switch (v.type()) {
    case value_type::null:
      return sqlite3_bind_null(handle, place);
    case value_type::boolean:
      return sqlite3_bind_int(handle, place, *v.get_if<bool>() ? 1 : 0);
    case value_type::integer:
      return sqlite3_bind_int64(handle, place, *v.get_if<std::int64_t>());
    case value_type::real:
      return sqlite3_bind_double(handle, place, *v.get_if<double>());
    case value_type::text: {
      const auto& text = *v.get_if<std::string>();
      return sqlite3_bind_text64(handle, place, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
    }
    case value_type::blob: {
      const auto& bytes = v.get_if<blob>()->bytes;
      if (bytes.empty()) return sqlite3_bind_zeroblob(handle, place, 0);  // an empty one is not null
      return sqlite3_bind_blob64(handle, place, bytes.data(), bytes.size(), SQLITE_STATIC);
    }
  }
  return SQLITE_MISUSE;
}

value read_column(sqlite3_stmt* handle, int column) {
  switch (sqlite3_column_type(handle, column)) {
    case SQLITE_INTEGER:
      return std::int64_t{sqlite3_column_int64(handle, column)};
    case SQLITE_FLOAT:
      return sqlite3_column_double(handle, column);
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(handle, column));
      return std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(handle, column)));
    }
    case SQLITE_BLOB: {
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(handle, column));
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle, column));
      return blob{size == 0 ? std::string{} : std::string(bytes, size)};
    }
    default:
      return null;
  }
}

std::size_t bytes_in(sqlite3_stmt* handle, int columns) {
  std::size_t bytes = 0;
  for (int i = 0; i < columns; ++i)
    bytes +=
        sizeof(value) +
        (sqlite3_column_type(handle, i) >= SQLITE_TEXT ? static_cast<std::size_t>(sqlite3_column_bytes(handle, i)) : 0);
  return bytes;
}

}  // namespace

result<> sqlite_connection::bind(const prepared& p, const parameters& values) {
  const auto highest = p.numbers.empty() ? 0 : *std::ranges::max_element(p.numbers);
  if (static_cast<std::size_t>(highest) != values.size())
    return fail(errc::invalid_argument, "the statement takes " + std::to_string(highest) + " parameters, and " +
                                            std::to_string(values.size()) + " are given");
  for (std::size_t i = 0; i < p.numbers.size(); ++i) {
    const int place = static_cast<int>(i) + 1;
    const auto& v = values[static_cast<std::size_t>(p.numbers[i]) - 1];
    if (const int status = bind_value(p.handle, place, v); status != SQLITE_OK) return fail(failure(status));
  }
  return {};
}

result<rows> sqlite_connection::step(prepared& p) {
  detail::row_data data;
  const auto before = sqlite3_total_changes64(handle_);
  std::size_t bytes = 0;
  int status = sqlite3_step(p.handle);
  // Tables that have changed make SQLite prepare the statement again, by itself.
  if (sqlite3_stmt_status(p.handle, SQLITE_STMTSTATUS_REPREPARE, 1) > 0) name_columns(p);
  data.columns = p.columns;
  const int columns = static_cast<int>(p.columns.size());
  for (;; status = sqlite3_step(p.handle)) {
    if (status == SQLITE_DONE) break;
    if (status != SQLITE_ROW) return fail(failure(status));
    bytes += bytes_in(p.handle, columns);
    if (bytes > options_.result_bytes)
      return fail(error{errc::resource_exhausted,
                        "the result is larger than " + std::to_string(options_.result_bytes) + " bytes"}
                      .with_limit(limit_kind::size)
                      .with_remedy("ask for it in pages (LIMIT), or raise result_bytes"));
    for (int i = 0; i < columns; ++i) data.cells.push_back(read_column(p.handle, i));
    ++data.count;
  }
  // What triggers and cascades changed is not what was asked for.
  if (sqlite3_total_changes64(handle_) != before) data.affected = sqlite3_changes64(handle_);
  return rows{std::move(data)};
}

}  // namespace weft::storage
