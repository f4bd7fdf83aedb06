#include <weft/http/http1.hpp>

#include "http1_scan.hpp"

#include <charconv>

namespace weft::http::http1 {

bool valid_token(std::string_view text) noexcept {
  for (const char c : text)
    if (!is(c, token_char)) return false;
  return !text.empty();
}

bool valid_field(std::string_view name, std::string_view value) noexcept {
  return valid_token(name) && find_non_value(value) == std::string_view::npos;
}

void append_number(std::string& out, std::uint64_t number) {
  char text[20];
  const auto [end, problem] = std::to_chars(text, text + sizeof text, number);
  out.append(text, end);
}

void append_chunk_size(std::string& out, std::uint64_t size) {
  char text[20];
  const auto [end, problem] = std::to_chars(text, text + sizeof text, size, 16);
  out.append(text, end).append("\r\n", 2);
}

void append_status_line(std::string& out, status s) {
  if (s == status::ok) {
    out.append("HTTP/1.1 200 OK\r\n", 17);
    return;
  }
  out.append("HTTP/1.1 ", 9);
  append_number(out, static_cast<std::uint64_t>(to_int(s)));
  out.push_back(' ');
  out.append(reason_phrase(s)).append("\r\n", 2);
}

void append_request_line(std::string& out, std::string_view method_name, std::string_view target) {
  out.append(method_name).append(" ", 1).append(target).append(" HTTP/1.1\r\n", 11);
}

}  // namespace weft::http::http1
