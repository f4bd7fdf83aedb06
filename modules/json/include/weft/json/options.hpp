#pragma once
// Limits and tolerance of JSON input, and how a failure is told.
#include <weft/base/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace weft::json {

// What happens to a member of an object that the described type does not have.
enum class unknown_fields : std::uint8_t {
  ignore,  // skipped, though it must still be well-formed JSON
  refuse,  // an error that names the path and the closest known field
};

// What happens when the object lacks a field of the described type. std::optional and pointers may always be absent.
enum class missing_fields : std::uint8_t {
  refuse,        // an error that names the path
  keep_default,  // the member keeps what its default member initialiser gave it
};

struct parse_options {
  unsigned max_depth = 64;  // of arrays and objects, itself at most `depth_ceiling`
  std::size_t max_bytes = 16 * 1024 * 1024;
  std::size_t max_elements = 1'000'000;  // array elements and object members of the whole text together
};

struct decode_options {
  unsigned max_depth = 64;  // as in parse_options
  std::size_t max_bytes = 16 * 1024 * 1024;
  std::size_t max_elements = 1'000'000;
  json::unknown_fields unknown_fields = json::unknown_fields::ignore;
  json::missing_fields missing_fields = json::missing_fields::refuse;
};

// A reader uses a little stack for each level; a larger max_depth counts as this.
inline constexpr unsigned depth_ceiling = 512;

// Why a text or a value was refused, and where. For callers that map the place to something of their own, such as a
// line of a configuration file; everybody else sees it as the message of an `error`.
struct decode_failure {
  std::string path;                // "$.items[2].price"
  std::vector<std::string> steps;  // the same as tokens, outermost first: {"items", "2", "price"}
  std::string what;                // "expected a number, got a string"
  std::size_t offset = 0;          // bytes from the start of the text; line and column (in bytes) count from 1
  std::size_t line = 1;
  std::size_t column = 1;

  // "$.items[2].price: expected a number, got a string"
  [[nodiscard]] std::string message() const { return path + ": " + what; }
  // errc::invalid_argument with that message.
  [[nodiscard]] error to_error() const { return error{errc::invalid_argument, message()}; }
};

}  // namespace weft::json
