#include <weft/json/writer.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "scan.hpp"

namespace weft::json {

writer::writer() {
  buffer_.resize_and_overwrite(240, [](char*, std::size_t n) { return n; });
  at_ = buffer_.data();
  limit_ = at_ + buffer_.size();
}

void writer::grow(std::size_t n) {
  const auto used = static_cast<std::size_t>(at_ - buffer_.data());
  buffer_.resize_and_overwrite(std::max(buffer_.size() * 2, used + n), [](char*, std::size_t size) { return size; });
  at_ = buffer_.data() + used;
  limit_ = buffer_.data() + buffer_.size();
}

std::string writer::take() && {
  buffer_.resize(static_cast<std::size_t>(at_ - buffer_.data()));
  return std::move(buffer_);
}

void writer::member(std::string_view key) {
  element();
  string(key);
  put(':');
}

void writer::number(std::int64_t v) {
  reserve(20);
  at_ = std::to_chars(at_, limit_, v).ptr;
}

void writer::unsigned_number(std::uint64_t v) {
  reserve(20);
  at_ = std::to_chars(at_, limit_, v).ptr;
}

template <class Real>
void writer::shortest(Real v) {
  if (!std::isfinite(v)) return null();
  reserve(40);
  const char* from = at_;
  at_ = std::to_chars(at_, limit_, v).ptr;
  if (std::none_of(from, static_cast<const char*>(at_), [](char c) { return c == '.' || c == 'e'; })) raw(".0");
}

void writer::real(double v) { shortest(v); }
void writer::real(float v) { shortest(v); }

void writer::escaped(unsigned char c) {
  switch (c) {
    case '"':
      return raw("\\\"");
    case '\\':
      return raw("\\\\");
    case '\b':
      return raw("\\b");
    case '\f':
      return raw("\\f");
    case '\n':
      return raw("\\n");
    case '\r':
      return raw("\\r");
    case '\t':
      return raw("\\t");
    default:
      break;
  }
  constexpr char digits[] = "0123456789abcdef";
  const char text[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
  raw({text, sizeof text});
}

void writer::string(std::string_view text) {
  const char* at = text.data();
  const char* end = at + text.size();
  reserve(text.size() + 2);
  *at_++ = '"';
  while (true) {
    const char* plain = scan_plain(at, end);
    raw({at, static_cast<std::size_t>(plain - at)});
    if (plain == end) break;
    at = plain;
    if (const auto c = static_cast<unsigned char>(*at); c < 0x80) {
      escaped(c);
      ++at;
    } else if (const unsigned size = utf8_sequence(at, end); size != 0) {
      raw({at, size});
      at += size;
    } else {
      raw("\xEF\xBF\xBD");
      ++at;
    }
  }
  put('"');
}

}  // namespace weft::json
