#pragma once
// Base 64 as RFC 4648 section 4 has it, with padding; and the check for UTF-8.
#include <weft/base/error.hpp>
#include <weft/base/utf8.hpp>

#include <string>
#include <string_view>

namespace weft::messaging {

[[nodiscard]] std::string base64_encode(std::string_view bytes);
// Strict: padded, no other characters, no bits left over.
[[nodiscard]] result<std::string> base64_decode(std::string_view text);

using weft::valid_utf8;

}  // namespace weft::messaging
