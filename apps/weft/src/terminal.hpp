#pragma once
// What a command writes to, and how it says that it failed.
//
//     terminal to{.out = std::cout, .notes = std::cerr, .how = format::json};
//     return report(to, broker_error);                 // the error on to.notes, and the exit status it stands for
//
// `out` gets what was asked for and nothing else, so that it can be read by programs; `notes` everything besides. Both
// outlive the command.
#include <weft/base/error.hpp>
#include <weft/base/time.hpp>

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

namespace weft::cli {

enum class exit_status : std::uint8_t {
  ok = 0,
  failed = 1,       // it did not happen, or the answer is no
  wrong_usage = 2,  // what was asked for makes no sense
  undecided = 3,    // the answer is neither yes nor no (schema check)
};

enum class format : std::uint8_t { text, json };

struct terminal {
  std::ostream& out;
  std::ostream& notes;
  format how = format::text;
};

// errc::invalid_argument is wrong usage, everything else a failure.
[[nodiscard]] exit_status status_of(const error& problem) noexcept;
// The error for people, or as {"error":{"code", "message", "operation", "peer", "remedy"}}; without passwords.
exit_status report(const terminal& to, const error& problem);

// The text with the password of every URL in it replaced: "amqp://weft:***@host".
[[nodiscard]] std::string without_passwords(std::string_view text);

// Text that somebody else wrote, safe to show: control characters and what is no UTF-8 as \n, \t, \x1b. Beyond
// `max_bytes` it ends with "…".
[[nodiscard]] std::string one_line(std::string_view text, std::size_t max_bytes);
// The same with newlines and tabs as they are.
[[nodiscard]] std::string several_lines(std::string_view text, std::size_t max_bytes);

// "5s", "250ms", "1h": as configuration has it. errc::invalid_argument names what it is for.
[[nodiscard]] result<std::chrono::milliseconds> parse_time(std::string_view text, std::string_view what_for);

// "1 message", "2 messages".
[[nodiscard]] std::string counted(std::size_t number, std::string_view what);

}  // namespace weft::cli
