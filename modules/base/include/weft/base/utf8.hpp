#pragma once
// Text of others, made fit for places that have rules: a database column, a header, a JSON document, a log line.
//
//     auto reason = clean_text(broker_said, 1024);   // UTF-8 without NUL, 1024 bytes at most, whatever came in
//
// Clean text where it enters, so that nothing behind it fails for it. Source: Unicode 15, table 3-7 and section 3.9
// (U+FFFD for each maximal ill-formed part).
#include <cstddef>
#include <string>
#include <string_view>

namespace weft {

// Well-formed: without surrogates and overlong forms, up to U+10FFFF.
[[nodiscard]] bool valid_utf8(std::string_view text) noexcept;

// The longest part from the front of at most `max_bytes` that cuts no character in two.
[[nodiscard]] std::string_view utf8_prefix(std::string_view text, std::size_t max_bytes) noexcept;

// `text` as well-formed UTF-8 of at most `max_bytes` bytes: U+FFFD stands for what is ill-formed and for NUL, which
// databases take in no text. What was cut off is marked by " [cut]" at the end, where there is room for the mark.
[[nodiscard]] std::string clean_text(std::string_view text, std::size_t max_bytes);

}  // namespace weft
