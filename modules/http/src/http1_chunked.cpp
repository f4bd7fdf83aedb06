#include <weft/http/http1.hpp>

#include "http1_scan.hpp"

#include <algorithm>

namespace weft::http::http1 {

namespace {
int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

// Fields that frame, route or authenticate a message must not arrive after it (RFC 9110 6.5.1).
bool forbidden_in_trailers(std::string_view name) noexcept {
  for (const auto* forbidden :
       {"transfer-encoding", "content-length", "host", "connection", "trailer", "te", "content-encoding",
        "content-type", "content-range", "authorization", "cookie", "set-cookie", "expect", "upgrade", "keep-alive"})
    if (equal_ignoring_case(name, forbidden)) return true;
  return false;
}
}  // namespace

chunked_decoder::step chunked_decoder::bad(std::string_view what, status code) {
  problem_ = {code, what};
  return {progress::bad, 0, {}};
}

// One byte of "size [;extension] CRLF".
progress chunked_decoder::size_byte(char c) {
  if (part_ == part::size_lf) {
    if (c != '\n') return progress::bad;
    line_bytes_ = 0;
    part_ = left_ > 0 ? part::data : part::trailers;
    digits_ = 0;
    return progress::more;
  }
  if (++line_bytes_ > limits_.chunk_line_bytes) return progress::bad;
  if (part_ != part::size) {
    // Extensions mean nothing here. Sent with every byte of content they cost much more than its limit says.
    return ++extension_bytes_ > limits_.extension_bytes ? progress::bad : extension_byte(c);
  }
  if (const int value = hex_value(c); value >= 0) {
    if (++digits_ > 15) return progress::bad;  // 2^60 bytes are enough
    left_ = left_ << 4 | static_cast<unsigned>(value);
    return progress::more;
  }
  if (digits_ == 0) return progress::bad;
  if (c == '\r')
    part_ = part::size_lf;
  else if (c == ';')
    part_ = part::before_name;
  else
    return progress::bad;
  return progress::more;
}

progress chunked_decoder::extension_byte(char c) {
  const auto go = [this](part next) {
    part_ = next;
    return progress::more;
  };
  switch (part_) {
    case part::before_extension:
      if (is_blank(c)) return progress::more;
      return c == ';' ? go(part::before_name) : progress::bad;
    case part::before_name:
      if (is_blank(c)) return progress::more;
      return is(c, token_char) ? go(part::name) : progress::bad;
    case part::name:
      if (is(c, token_char)) return progress::more;
      if (is_blank(c)) return go(part::after_name);
      if (c == '=') return go(part::before_value);
      break;
    case part::after_name:
      if (is_blank(c)) return progress::more;
      if (c == '=') return go(part::before_value);
      return c == ';' ? go(part::before_name) : progress::bad;
    case part::before_value:
      if (is_blank(c)) return progress::more;
      if (c == '"') return go(part::quoted);
      return is(c, token_char) ? go(part::value) : progress::bad;
    case part::value:
      if (is(c, token_char)) return progress::more;
      break;
    case part::quoted:
      if (c == '"') return go(part::after_quoted);
      if (c == '\\') return go(part::quoted_pair);
      return is(c, value_char) ? progress::more : progress::bad;
    case part::quoted_pair:
      return is(c, value_char) ? go(part::quoted) : progress::bad;
    default:
      break;
  }
  // Behind a name or a value.
  if (c == '\r') return go(part::size_lf);
  if (c == ';') return go(part::before_name);
  return is_blank(c) ? go(part::before_extension) : progress::bad;
}

progress chunked_decoder::trailer_byte(char c) {
  trailer_text_.push_back(c);
  if (trailer_text_.size() > limits_.trailer_bytes) return progress::bad;
  if (c != '\n') return progress::more;
  const std::string_view text = trailer_text_;
  if (text.size() < 2 || text[text.size() - 2] != '\r') return progress::bad;
  if (text.size() > 2 && !text.ends_with("\r\n\r\n")) return progress::more;
  // All trailers are here: read them as a head's fields are read.
  auto rest = text.substr(0, text.size() - 2);
  while (!rest.empty()) {
    const auto end = rest.find("\r\n");
    const auto line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || trailers_.size() == limits_.fields) return progress::bad;
    const auto name = line.substr(0, colon);
    auto value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
    if (!valid_field(name, value)) return progress::bad;
    if (!forbidden_in_trailers(name)) trailers_.add(name, value);
  }
  return progress::done;
}

chunked_decoder::step chunked_decoder::decode(std::string_view input) {
  step s;
  while (s.consumed < input.size()) {
    switch (part_) {
      default:
        if (size_byte(input[s.consumed]) == progress::bad) return bad("a chunk's size or extension is malformed");
        ++s.consumed;
        break;
      case part::data: {
        const auto available = std::min<std::uint64_t>(left_, input.size() - s.consumed);
        s.data = input.substr(s.consumed, static_cast<std::size_t>(available));
        s.consumed += s.data.size();
        left_ -= available;
        if (left_ == 0) part_ = part::data_cr;
        return s;
      }
      case part::data_cr:
        if (input[s.consumed++] != '\r') return bad("a chunk does not end where its size says");
        part_ = part::data_lf;
        break;
      case part::data_lf:
        if (input[s.consumed++] != '\n') return bad("a chunk does not end where its size says");
        part_ = part::size;
        break;
      case part::trailers: {
        const auto state = trailer_byte(input[s.consumed]);
        if (state == progress::bad) {
          if (trailer_text_.size() > limits_.trailer_bytes || trailers_.size() == limits_.fields)
            return bad("the trailers are too large or too many", status::request_header_fields_too_large);
          return bad("the trailers are malformed");
        }
        ++s.consumed;
        if (state == progress::done) {
          part_ = part::done;
          s.state = progress::done;
          return s;
        }
        break;
      }
      case part::done:
        s.state = progress::done;
        return s;
    }
  }
  if (part_ == part::done) s.state = progress::done;
  return s;
}

}  // namespace weft::http::http1
