#include "http1_uri.hpp"

#include <weft/runtime/address.hpp>

#include "http1_scan.hpp"

#include <algorithm>

namespace weft::http::http1 {

namespace {

bool is_hex(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char c) { return is(c, hex_char); });
}

// Only characters of `allowed`, and "%" with two hexadecimal digits behind it.
bool encoded_text(std::string_view text, char_class allowed) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is(text[i], allowed)) continue;
    if (text[i] != '%' || text.size() - i < 3 || !is_hex(text.substr(i + 1, 2))) return false;
    i += 2;
  }
  return true;
}

// Between the brackets. Zones ("%25eth0", RFC 6874) mean something on the sender's machine only.
bool valid_ip_literal(std::string_view text) noexcept {
  if (!text.empty() && (text[0] == 'v' || text[0] == 'V')) {
    const auto dot = text.find('.');
    if (dot == std::string_view::npos || dot < 2 || dot + 1 == text.size() || !is_hex(text.substr(1, dot - 1)))
      return false;
    return std::ranges::all_of(text.substr(dot + 1), [](char c) { return is(c, name_char) || c == ':'; });
  }
  if (text.size() > 45 || !std::ranges::all_of(text, [](char c) { return is(c, hex_char) || c == ':' || c == '.'; }))
    return false;
  const auto literal = address::parse_host(text, 0);
  return literal && literal->type() == address::kind::ip6;
}

bool valid_port(std::string_view text, port_rule rule) noexcept {
  unsigned number = 0;
  for (const char c : text) {
    if (!is(c, digit_char)) return false;
    number = number * 10 + static_cast<unsigned>(c - '0');
    if (number > 65'535) return false;
  }
  return rule == port_rule::optional || number != 0;
}

}  // namespace

bool valid_authority(std::string_view text, port_rule rule) noexcept {
  std::size_t host_end = 0;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos || !valid_ip_literal(text.substr(1, close - 1))) return false;
    host_end = close + 1;
  } else {
    host_end = std::min(text.find(':'), text.size());
    if (!encoded_text(text.substr(0, host_end), name_char)) return false;
  }
  if (host_end == text.size()) return rule == port_rule::optional;
  return host_end > 0 && text[host_end] == ':' && valid_port(text.substr(host_end + 1), rule);
}

bool valid_path_and_query(std::string_view text) noexcept {
  const auto mark = std::min(text.find('?'), text.size());
  return text.starts_with('/') && encoded_text(text.substr(0, mark), path_char) &&
         (mark == text.size() || encoded_text(text.substr(mark + 1), query_char));
}

}  // namespace weft::http::http1
