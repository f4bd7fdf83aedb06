#pragma once
// W3C Trace Context Level 2 (https://www.w3.org/TR/trace-context-2/): the traceparent and tracestate headers, read,
// made and changed. No I/O; `context` (runtime) carries the trace_position that is meant here.
//
//     auto here = observe::extract(traceparents, tracestates);        // the header fields of a request
//     if (!here.valid()) here = observe::start_trace(rng, observe::sampling::record);
//     auto out = observe::inject(observe::child_of(here, rng));       // the header fields of the next request
//
// A traceparent that is missing, repeated or malformed restarts the trace, and its tracestate is not looked at. A
// malformed tracestate is dropped as a whole, and the traceparent kept. Header names are matched by the caller, in any
// case. Values and pure functions: any thread.
#include <weft/base/error.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/rng.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::observe {

inline constexpr std::string_view traceparent_header = "traceparent";
inline constexpr std::string_view tracestate_header = "tracestate";

inline constexpr std::uint8_t flag_sampled = 0x01;  // the caller may have recorded this
inline constexpr std::uint8_t flag_random = 0x02;   // at least the 7 rightmost bytes of the trace id are random

enum class sampling { drop, record };

// Version 00 exactly; of a higher version the fields that it shares with 00, sent on as 00. The position is `remote`.
// errc::invalid_argument says what is wrong. Spaces around the value are the caller's to remove; extract() does.
[[nodiscard]] result<trace_position> parse_traceparent(std::string_view value);
// "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01". The position is valid().
[[nodiscard]] std::string format_traceparent(const trace_position& position);

// The list in the tracestate header: newest first, one entry per vendor.
class tracestate {
 public:
  static constexpr std::size_t max_members = 32;
  static constexpr std::size_t max_key_size = 256;
  static constexpr std::size_t max_value_size = 256;
  // What is sent on at most, in bytes (the specification asks for 512 or more). Whole entries are dropped beyond it:
  // those longer than 128 bytes first, then from the end.
  static constexpr std::size_t max_sent_size = 1024;

  struct member {
    std::string key, value;
    friend bool operator==(const member&, const member&) = default;
  };

  tracestate() = default;
  // One field, or several that are combined in their order. Empty members are skipped. Of a key that occurs twice the
  // first entry, which is the newest, is kept. A bad key or value, or more than 32 members: errc::invalid_argument.
  [[nodiscard]] static result<tracestate> parse(std::string_view field);
  [[nodiscard]] static result<tracestate> parse(std::span<const std::string_view> fields);

  [[nodiscard]] std::optional<std::string_view> find(std::string_view key) const noexcept;
  // Adds or changes an entry, which is then the first; a 33rd pushes the last one out. errc::invalid_argument for a key
  // or value that the header cannot carry.
  [[nodiscard]] result<> set(std::string_view key, std::string_view value);
  // Only for one's own keys, or to keep others' from leaving a trusted network.
  bool erase(std::string_view key);
  // Drops entries until to_string() has at most that many bytes.
  void truncate(std::size_t max_size = max_sent_size);

  [[nodiscard]] const std::vector<member>& members() const noexcept { return members_; }
  [[nodiscard]] bool empty() const noexcept { return members_.empty(); }
  [[nodiscard]] std::string to_string() const;

 private:
  [[nodiscard]] result<> append(std::string_view member);

  std::vector<member> members_;
};

// The position that a request came from; not valid() when the trace has to be restarted.
[[nodiscard]] trace_position extract(std::span<const std::string_view> traceparents,
                                     std::span<const std::string_view> tracestates);

// A new trace: a random trace id, marked as such, and a random span id.
[[nodiscard]] trace_position start_trace(rng& random, sampling decision);
// The next position in the parent's trace: a new span id, all else kept; `decision` may change the sampled flag.
[[nodiscard]] trace_position child_of(const trace_position& parent, rng& random);
[[nodiscard]] trace_position child_of(const trace_position& parent, rng& random, sampling decision);

// What to send. Empty strings are fields not to send.
struct trace_headers {
  std::string traceparent, tracestate;
};
[[nodiscard]] trace_headers inject(const trace_position& position);

// 32 and 16 hexadecimal digits; empty without a valid position.
[[nodiscard]] std::string trace_id_text(const trace_position& position);
[[nodiscard]] std::string span_id_text(const trace_position& position);

}  // namespace weft::observe
