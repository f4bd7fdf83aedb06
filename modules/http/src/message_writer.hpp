#pragma once
// Writing a message's fields and content to a connection.
#include <weft/http/body.hpp>
#include <weft/http/http1.hpp>
#include <weft/runtime/stream.hpp>

#include "connection_deadline.hpp"

#include <string>

namespace weft::http {

enum class content_coding : std::uint8_t { none, length, chunked, until_close };

// Content up to this size is copied behind its head, to leave in one write.
inline constexpr std::size_t copied_content_bytes = 16 * 1024;

// A write has its timeout for each stretch of this size, so that who reads slowly is not taken for who does not read.
inline constexpr std::size_t timed_write_bytes = 256 * 1024;

// All of `buffers`, which is used as scratch space; errc::deadline_exceeded when a stretch takes longer than `timeout`.
task<result<>> write_timed(stream& s, std::span<const_buffer> buffers, connection_deadline& deadline, duration timeout);

enum class date_field : std::uint8_t {
  ours,  // the writer states the date
  kept,  // the message's own is written: what is forwarded keeps it (RFC 9110 6.6.1)
};

// The fields that may be written as they are; framing is the writer's. An error names the field that may not.
[[nodiscard]] result<> append_fields(std::string& out, const headers& fields, date_field date = date_field::ours);

// Writes `out` and the content behind it, as it is coded; `out` is empty afterwards. An error of the content's source
// comes back as errc::data_loss with the source's words: what was promised in the head can no longer be kept.
task<result<>> write_content(stream& s, std::string& out, body& content, content_coding coding,
                             connection_deadline& deadline, duration timeout);

}  // namespace weft::http
