#include <weft/json/reader.hpp>

#include <algorithm>

#include "scan.hpp"

namespace weft::json {

reader::reader(std::string_view text, const decode_options& options) noexcept
    : at_{text.data()},
      end_{text.data() + text.size()},
      elements_left_{options.max_elements},
      depth_left_{std::min(options.max_depth, depth_ceiling)},
      begin_{text.data()},
      options_{options} {}

bool reader::start() {
  const auto size = static_cast<std::size_t>(end_ - begin_);
  if (size > options_.max_bytes) {
    return fail("the text has " + std::to_string(size) + " bytes, more than the limit of " +
                std::to_string(options_.max_bytes));
  }
  if (std::string_view{begin_, size}.starts_with("\xEF\xBB\xBF")) {
    return syntax("the text begins with a byte order mark, which JSON does not allow: remove its 3 bytes", at_);
  }
  return true;
}

bool reader::finish() {
  if (look() == '\0' && at_ == end_) return true;
  return syntax("something follows the value", at_);
}

std::size_t reader::expected_size(std::size_t size, std::size_t before) const noexcept {
  if (arrays_open_ > 1) return 2 * size;
  const std::size_t bytes_of_one = std::max<std::size_t>((before - bytes_left()) / size, 1);
  return std::clamp(size + bytes_left() / bytes_of_one + 1, 2 * size, 8 * size);
}

char reader::look_past_space() noexcept {
  while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  return at_ == end_ ? '\0' : *at_;
}

bool reader::peek(kind& out) {
  switch (look()) {
    case '{':
      out = kind::object;
      return true;
    case '[':
      out = kind::array;
      return true;
    case '"':
      out = kind::string;
      return true;
    case 't':
    case 'f':
      out = kind::boolean;
      return true;
    case 'n':
      out = kind::null;
      return true;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
      out = kind::number;
      return true;
    default:
      return mismatch("a value");
  }
}

bool reader::read_literal(std::string_view word) {
  if (static_cast<std::size_t>(end_ - at_) < word.size() || std::memcmp(at_, word.data(), word.size()) != 0) {
    return syntax("expected " + std::string{word}, at_);
  }
  at_ += word.size();
  return true;
}

bool reader::read_null() {
  if (look() != 'n') return mismatch("null");
  return read_literal("null");
}

bool reader::read_bool(bool& out) {
  const char c = look();
  if (c != 't' && c != 'f') return mismatch("true or false");
  out = c == 't';
  return read_literal(out ? "true" : "false");
}

bool reader::read_key(std::string_view& out) {
  if (!read_text(out)) return false;
  if (look() != ':') return syntax("expected ':' after the key", at_);
  ++at_;
  return true;
}

const char* reader::plain_string(const char* from) {
  const char* at = scan_plain(from, end_);
  if (at == end_ || static_cast<unsigned char>(*at) < 0x80) [[likely]]
    return at;
  return plain_beyond_ascii(at);
}

const char* reader::plain_beyond_ascii(const char* at) {
  while (at != end_ && static_cast<unsigned char>(*at) >= 0x80) {
    const unsigned size = utf8_sequence(at, end_);
    if (size == 0) {
      syntax("the string is not valid UTF-8", at);
      return nullptr;
    }
    at = scan_plain(at + size, end_);
  }
  return at;
}

bool reader::read_string(std::string& out) {
  if (look() != '"') [[unlikely]]
    return mismatch("a string");
  const char* from = at_ + 1;
#if defined(__SSE2__)
  if (end_ - from >= 16) [[likely]] {
    const unsigned special = special_in_block(from);
    if (special == 0) return read_long_string(from, from + 16, out);
    const auto size = static_cast<std::size_t>(__builtin_ctz(special));
    if (from[size] == '"') [[likely]] {
      // Most strings fit into the object itself, so that one block in is one block out.
      constexpr std::size_t within_object = 15;
      if (out.capacity() < within_object) __builtin_unreachable();
      out.resize_and_overwrite(within_object, [from, size](char* to, std::size_t) {
        std::memcpy(to, from, within_object + 1);  // the last where the terminating zero goes
        return size;
      });
      at_ = from + size + 1;
      return true;
    }
  }
#endif
  return read_long_string(from, from, out);
}

// A string whose bytes in [from, checked) are plain.
bool reader::read_long_string(const char* from, const char* checked, std::string& out) {
  const char* to = plain_string(checked);
  if (to == nullptr) [[unlikely]]
    return false;
  const auto size = static_cast<std::size_t>(to - from);
  out.resize_and_overwrite(size, [from, size](char* into, std::size_t /* libstdc++ 12 tells its capacity instead */) {
    copy_plain(into, from, size);
    return size;
  });
  if (to != end_ && *to == '"') [[likely]] {
    at_ = to + 1;
    return true;
  }
  return unescape(to, out);
}

bool reader::read_text(std::string_view& out) {
  if (look() != '"') return mismatch("a string");
  const char* from = at_ + 1;
  const char* to = plain_string(from);
  if (to == nullptr) return false;
  if (to != end_ && *to == '"') {
    out = {from, static_cast<std::size_t>(to - from)};
    at_ = to + 1;
    return true;
  }
  scratch_.assign(from, static_cast<std::size_t>(to - from));
  if (!unescape(to, scratch_)) return false;
  out = scratch_;
  return true;
}

// `from` is where the plain part, which `out` holds already, ends.
bool reader::unescape(const char* from, std::string& out) {
  const char* at = from;
  while (true) {
    if (at == end_) return syntax("the text ends inside a string", at);
    if (*at == '"') {
      at_ = at + 1;
      return true;
    }
    if (*at != '\\') return syntax("a control character in a string must be escaped", at);
    if (!unescape_one(at, out)) return false;
    const char* to = plain_string(at);
    if (to == nullptr) return false;
    out.append(at, static_cast<std::size_t>(to - at));
    at = to;
  }
}

namespace {

// The value of four hexadecimal digits, or -1.
int hex4(const char* at, const char* end) noexcept {
  if (end - at < 4) return -1;
  int value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = at[i];
    int digit;
    if (c >= '0' && c <= '9')
      digit = c - '0';
    else if (c >= 'a' && c <= 'f')
      digit = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F')
      digit = c - 'A' + 10;
    else
      return -1;
    value = value * 16 + digit;
  }
  return value;
}

void append_utf8(std::uint32_t c, std::string& out) {
  const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

}  // namespace

bool reader::unescape_one(const char*& at, std::string& out) {
  const char* begin = at;
  if (end_ - at < 2) return syntax("the text ends inside a string", end_);
  const char c = at[1];
  at += 2;
  switch (c) {
    case '"':
    case '\\':
    case '/':
      out.push_back(c);
      return true;
    case 'b':
      out.push_back('\b');
      return true;
    case 'f':
      out.push_back('\f');
      return true;
    case 'n':
      out.push_back('\n');
      return true;
    case 'r':
      out.push_back('\r');
      return true;
    case 't':
      out.push_back('\t');
      return true;
    case 'u':
      break;
    default:
      return syntax("an escape that JSON does not have", begin);
  }
  const int first = hex4(at, end_);
  if (first < 0) return syntax("\\u needs four hexadecimal digits", begin);
  at += 4;
  auto code = static_cast<std::uint32_t>(first);
  if (code >= 0xD800 && code <= 0xDFFF) {
    const bool pair = code <= 0xDBFF && end_ - at >= 6 && at[0] == '\\' && at[1] == 'u';
    const int second = pair ? hex4(at + 2, end_) : -1;
    if (second < 0xDC00 || second > 0xDFFF) return syntax("half of a surrogate pair stands alone", begin);
    at += 6;
    code = 0x10000 + ((code - 0xD800) << 10) + (static_cast<std::uint32_t>(second) - 0xDC00);
  }
  append_utf8(code, out);
  return true;
}

}  // namespace weft::json
