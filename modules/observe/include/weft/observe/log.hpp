#pragma once
// Structured logs: a short message and named fields, with the trace and the correlation id of the context.
//
//     observe::logger log{loop, observe::make_log_output(), {.service = "users"}};
//     log.info(ctx, "user created", {{"user_id", id}, {"took_ms", 12}});
//     auto pool_log = log.with({{"component", "pool"}});
//     auto beside = pool_log.on(other_loop);            // the same log, on another core
//
// On a terminal:   09:30:00.250 INFO  users  user created  user_id=7 took_ms=12 trace=4bf92f35
// Else, a line:    {"time":"2026-02-01T09:30:00.250Z","level":"info","service":"users","message":"user created",...}
//
// Whatever is in a message or a field stays inside it: control characters and invalid UTF-8 are escaped, so no input
// can forge a line. Fields with a secret's name are redacted. More records than the limit are dropped, counted and
// reported. A logger is a cheap value; copies share level, limit and sink. It reads the time of its loop, so each core
// has its own by on(); sinks are called from all of them.
#include <weft/base/time.hpp>
#include <weft/observe/metrics.hpp>
#include <weft/observe/redaction.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/loop.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace weft::observe {

enum class log_level : std::uint8_t { trace, debug, info, warning, error, critical, off };

[[nodiscard]] std::string_view to_string(log_level level) noexcept;
// "trace" to "off", any case; "warn" too. Else errc::invalid_argument.
[[nodiscard]] result<log_level> parse_log_level(std::string_view name);

// Borrows texts: a field lives as long as the call that it is written in.
class field_value : public std::variant<bool, std::int64_t, std::uint64_t, double, std::string_view> {
 public:
  using base = std::variant<bool, std::int64_t, std::uint64_t, double, std::string_view>;
  template <std::same_as<bool> Bool>
  field_value(Bool value) : base{value} {}
  template <std::signed_integral Integer>
  field_value(Integer value) : base{std::int64_t{value}} {}
  template <std::unsigned_integral Integer>
    requires(!std::same_as<Integer, bool>)
  field_value(Integer value) : base{std::uint64_t{value}} {}
  field_value(double value) : base{value} {}
  field_value(std::string_view value) : base{value} {}
  field_value(const std::string& value) : base{std::string_view{value}} {}
  field_value(const char* value) : base{std::string_view{value}} {}
};

struct field {
  std::string_view name;
  field_value value;
};

// What a sink gets. Borrowed for the length of the call.
struct log_record {
  wall_time at;
  log_level level = log_level::info;
  std::string_view service, message, correlation_id;
  const trace_position* trace = nullptr;  // never null in a sink; not valid(): no trace
  std::span<const field> fields;          // redacted and bounded
};

// Must not block. Called from the threads of all loggers that share it.
class log_sink {
 public:
  virtual ~log_sink() = default;
  virtual void write(const log_record& record) noexcept = 0;
};

// {"time":...,"level":...,"service":...,"message":...,"trace_id":...,"span_id":...,"correlation_id":..., fields}, no
// line end. A field that has one of these names is written with "field." before it; of two with the same name the later
// one counts.
[[nodiscard]] std::string format_json(const log_record& record);
enum class colours { off, on };
// For people: the time in UTC, level, service, message and fields in columns. No line end.
[[nodiscard]] std::string format_pretty(const log_record& record, colours use = colours::off);

// Keeps what was logged, for tests. For one thread.
class memory_log final : public log_sink {
 public:
  struct entry {
    wall_time at;
    log_level level;
    std::string service, message, correlation_id;
    trace_position trace;
    std::vector<std::pair<std::string, std::string>> fields;  // texts as they are, all else as in JSON
    std::string json;

    [[nodiscard]] std::string_view field(std::string_view name) const noexcept;  // empty without it
  };

  explicit memory_log(std::size_t capacity = 10'000) : capacity_{capacity} {}  // the oldest go first
  void write(const log_record& record) noexcept override;
  [[nodiscard]] const std::vector<entry>& entries() const noexcept { return entries_; }
  // The last entry with this message, or null.
  [[nodiscard]] const entry* find(std::string_view message) const noexcept;
  void clear() { entries_.clear(); }

 private:
  std::size_t capacity_;
  std::vector<entry> entries_;
};

enum class log_format { automatic, pretty, json };  // automatic: pretty on a terminal, else JSON
enum class log_colours { automatic, on, off };      // automatic: on a terminal, unless NO_COLOR or TERM=dumb is set

struct log_output_options {
  int descriptor = 1;  // standard output; stays open and the caller's
  log_format format = log_format::automatic;
  log_colours colour = log_colours::automatic;
  // Lines that wait to be written, at least 1. Beyond it the oldest is dropped.
  std::size_t queue = 1024;
  duration last_wait = std::chrono::seconds{1};
  // weft_log_dropped_total{reason="queue"}; null: none. Outlives the sink.
  registry* metrics = nullptr;
};

// Writes lines to a descriptor from a thread of its own, so that a slow reader never holds up a loop. Destroying the
// sink writes what is left, and gives up on a reader that takes nothing for `last_wait`. For any number of loggers, on
// any threads.
[[nodiscard]] std::shared_ptr<log_sink> make_log_output(log_output_options options = {});

struct logger_options {
  std::string service = "unknown";
  log_level level = log_level::info;
  // Records per second that pass, and how many of them at once. What is dropped is counted, and reported by a record
  // "log records dropped" when there is room again. 0: no limit.
  std::uint32_t max_per_second = 10'000;
  std::uint32_t burst = 10'000;
  std::size_t max_fields = 64;            // of a record
  std::size_t max_text_size = 16 * 1024;  // of a message or a field's text, in bytes; the rest is cut off
  redaction secrets;
  // weft_log_records_total{level}, weft_log_dropped_total{reason="rate"}; null: none. Outlives the loggers.
  registry* metrics = nullptr;
};

class logger {
 public:
  // The loop outlives the logger. Throws std::invalid_argument without a sink, or for a limit without burst.
  logger(const loop& clock, std::shared_ptr<log_sink> sink, logger_options options = {});

  // The same log with another loop's time.
  [[nodiscard]] logger on(const loop& clock) const;
  // With these fields in every record, before the record's own.
  [[nodiscard]] logger with(std::initializer_list<field> fields) const;

  // Of all copies.
  void set_level(log_level level) const noexcept;
  [[nodiscard]] log_level level() const noexcept;
  [[nodiscard]] bool enabled(log_level level) const noexcept {
    return level >= this->level() && level < log_level::off;
  }

  void write(log_level level, const context& ctx, std::string_view message, std::span<const field> fields) const;

  using fields = std::initializer_list<field>;
  void trace(const context& ctx, std::string_view text, fields f = {}) const { put(log_level::trace, ctx, text, f); }
  void debug(const context& ctx, std::string_view text, fields f = {}) const { put(log_level::debug, ctx, text, f); }
  void info(const context& ctx, std::string_view text, fields f = {}) const { put(log_level::info, ctx, text, f); }
  void warning(const context& ctx, std::string_view text, fields f = {}) const {
    put(log_level::warning, ctx, text, f);
  }
  void error(const context& ctx, std::string_view text, fields f = {}) const { put(log_level::error, ctx, text, f); }
  void critical(const context& ctx, std::string_view text, fields f = {}) const {
    put(log_level::critical, ctx, text, f);
  }
  // Outside any request.
  void debug(std::string_view text, fields f = {}) const { put(log_level::debug, context{}, text, f); }
  void info(std::string_view text, fields f = {}) const { put(log_level::info, context{}, text, f); }
  void warning(std::string_view text, fields f = {}) const { put(log_level::warning, context{}, text, f); }
  void error(std::string_view text, fields f = {}) const { put(log_level::error, context{}, text, f); }

 private:
  struct shared;
  struct fixed_fields;
  void put(log_level level, const context& ctx, std::string_view text, fields f) const {
    if (enabled(level)) write(level, ctx, text, {f.begin(), f.size()});
  }

  const loop* clock_;
  std::shared_ptr<shared> shared_;
  std::shared_ptr<const fixed_fields> fixed_;
};

}  // namespace weft::observe
