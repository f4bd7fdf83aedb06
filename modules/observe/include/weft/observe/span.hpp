#pragma once
// Spans: what happened, when, and because of what.
//
//     observe::memory_spans ended;
//     observe::tracer tracer{loop, ended, {.service = "users"}};
//     auto span = tracer.start(ctx, "GET /users/{id}", {.kind = observe::span_kind::server});
//     span.set("http.response.status_code", 200);
//     auto posts = co_await client.get(span.ctx(), "/posts");      // the call is the span's child
//     span.fail(posts.error());                                    // status and message
//     span.end();                                                  // or by the destructor
//
// A tracer, its spans and its sink belong to one loop; the tracer outlives its spans, the sink the tracer. A span that
// is not recorded holds its context only: no clock, no attributes; it has a span id of its own all the same, for logs
// and for calls. Attributes, events and links are bounded in number and text in length; what is dropped is counted.
// Attributes whose name says that they are secret are redacted.
#include <weft/base/error.hpp>
#include <weft/base/time.hpp>
#include <weft/observe/redaction.hpp>
#include <weft/observe/sampler.hpp>
#include <weft/observe/trace_context.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/loop.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace weft::observe {

enum class span_kind : std::uint8_t { internal, server, client, producer, consumer };
enum class span_status : std::uint8_t { unset, ok, error };

[[nodiscard]] std::string_view to_string(span_kind kind) noexcept;
[[nodiscard]] std::string_view to_string(span_status status) noexcept;

class attribute_value : public std::variant<bool, std::int64_t, double, std::string> {
 public:
  using base = std::variant<bool, std::int64_t, double, std::string>;
  template <std::same_as<bool> Bool>
  attribute_value(Bool value) : base{value} {}
  template <std::integral Integer>
    requires(!std::same_as<Integer, bool>)
  attribute_value(Integer value) : base{static_cast<std::int64_t>(value)} {}
  attribute_value(double value) : base{value} {}
  attribute_value(std::string value) : base{std::move(value)} {}
  attribute_value(std::string_view value) : base{std::string{value}} {}
  attribute_value(const char* value) : base{std::string{value}} {}
};

struct attribute {
  std::string key;
  attribute_value value;
  friend bool operator==(const attribute&, const attribute&) = default;
};

struct span_event {
  wall_time at;
  std::string name;
  std::vector<attribute> attributes;
};

// To a span in another trace, or a second cause: the messages of a batch.
struct span_link {
  trace_position to;
  std::vector<attribute> attributes;
};

struct span_data {
  std::string service, name;
  span_kind kind = span_kind::internal;
  trace_position position;
  std::array<std::uint8_t, 8> parent_id{};  // all zero: the first span of its trace
  bool parent_remote = false;
  std::string correlation_id;
  wall_time start;
  duration elapsed{};
  span_status status = span_status::unset;
  std::string status_message;
  std::vector<attribute> attributes;
  std::vector<span_event> events;
  std::vector<span_link> links;
  std::uint32_t dropped_attributes = 0, dropped_events = 0, dropped_links = 0;

  // The attribute's value, or null.
  [[nodiscard]] const attribute_value* find(std::string_view key) const noexcept;
};

// Takes the spans that end, on the tracer's loop, at once. It must not block; see span_batcher for sinks that send.
class span_sink {
 public:
  virtual ~span_sink() = default;
  virtual void take(span_data&& ended) noexcept = 0;
};

// Keeps the last spans, for tests and the console.
class memory_spans final : public span_sink {
 public:
  explicit memory_spans(std::size_t capacity = 1000) : capacity_{capacity} {}
  void take(span_data&& ended) noexcept override;
  [[nodiscard]] const std::deque<span_data>& spans() const noexcept { return spans_; }
  // The last span of that name, or null.
  [[nodiscard]] const span_data* find(std::string_view name) const noexcept;
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }
  void clear() { spans_.clear(); }

 private:
  std::size_t capacity_;
  std::deque<span_data> spans_;
  std::uint64_t dropped_ = 0;
};

struct tracer_options {
  std::string service = "unknown";
  std::shared_ptr<const sampler> policy = parent_based(always_sampler());
  std::size_t max_attributes = 128;      // of a span, an event, a link
  std::size_t max_events = 128;          // of a span
  std::size_t max_links = 128;           // of a span
  std::size_t max_text_size = 4 * 1024;  // of a name, a message or an attribute's text, in bytes; the rest is cut off
  redaction secrets;
};

struct span_options {
  span_kind kind = span_kind::internal;
  std::vector<attribute> attributes;
  std::vector<span_link> links;
};

class tracer;

class span {
 public:
  span() = default;
  span(span&&) noexcept = default;
  span& operator=(span&& other) noexcept;
  ~span() { end(); }

  // The given context at this span's position: for whatever the span causes.
  [[nodiscard]] const context& ctx() const noexcept { return context_; }
  [[nodiscard]] bool recording() const noexcept { return data_ != nullptr; }

  // A key that is set already gets the new value.
  void set(std::string_view key, attribute_value value);
  void add_event(std::string_view name, std::vector<attribute> attributes = {});
  void add_link(span_link link);
  void rename(std::string_view name);
  // The last status counts, but ok stays.
  void set_status(span_status status, std::string_view message = {});
  // Status error, with the code as the attribute "error.type".
  void fail(const error& problem);
  // Hands the span to the sink. Later calls do nothing.
  void end() noexcept;

 private:
  friend class tracer;
  span(const tracer& owner, context ctx) : tracer_{&owner}, context_{std::move(ctx)} {}

  const tracer* tracer_ = nullptr;
  context context_;
  std::unique_ptr<span_data> data_;
  steady_time started_{};
};

class tracer {
 public:
  tracer(loop& l, span_sink& sink, tracer_options options = {});
  tracer(const tracer&) = delete;
  tracer& operator=(const tracer&) = delete;

  // A child of the position in `ctx`, or the first span of a new trace.
  [[nodiscard]] span start(const context& ctx, std::string_view name) const;
  [[nodiscard]] span start(const context& ctx, std::string_view name, span_options options) const;

 private:
  friend class span;
  [[nodiscard]] std::string cut(std::string_view text) const;
  void add(std::vector<attribute>& to, std::string_view key, attribute_value value, std::uint32_t& dropped) const;
  void tidy(std::vector<attribute>& attributes, std::uint32_t& dropped) const;

  loop& loop_;
  span_sink& sink_;
  tracer_options options_;
};

}  // namespace weft::observe
