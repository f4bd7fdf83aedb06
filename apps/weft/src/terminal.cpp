#include "terminal.hpp"

#include <weft/json/decode.hpp>
#include <weft/json/writer.hpp>
#include <weft/messaging/text_encoding.hpp>

#include <algorithm>

namespace weft::cli {

exit_status status_of(const error& problem) noexcept {
  return problem.code() == errc::invalid_argument ? exit_status::wrong_usage : exit_status::failed;
}

exit_status report(const terminal& to, const error& problem) {
  if (to.how == format::json) {
    json::writer w;
    const auto field = [&](std::string_view name, std::string_view text) {
      if (text.empty()) return;
      w.member(name);
      w.string(without_passwords(text));
    };
    w.begin_object();
    w.member("error");
    w.begin_object();
    field("code", to_string(problem.code()));
    field("message", problem.message());
    field("operation", problem.operation());
    field("peer", problem.peer());
    field("remedy", problem.remedy());
    w.end_object();
    w.end_object();
    to.notes << std::move(w).take() << std::endl;
  } else {
    to.notes << "weft: " << several_lines(without_passwords(problem.describe()), 1U << 20) << std::endl;
  }
  return status_of(problem);
}

std::string without_passwords(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto scheme = text.find("://");
    if (scheme == text.npos) break;
    const auto begin = scheme + 3;
    const auto end = std::min(text.find_first_of(" \t\n\"'", begin), text.size());
    const auto token = text.substr(begin, end - begin);
    // The last @: a password that should have been escaped may hold another one.
    const auto at = token.rfind('@');
    const auto colon = token.find(':');
    out += text.substr(0, begin);
    if (at != token.npos && colon < at)
      out.append(token.substr(0, colon + 1)).append("***").append(token.substr(at));
    else
      out += token;
    text.remove_prefix(end);
  }
  return out.append(text);
}

namespace {

// Bytes of the UTF-8 character at the beginning; 0 when there is none.
std::size_t character(std::string_view text) {
  for (std::size_t size = 1; size <= std::min<std::size_t>(4, text.size()); ++size)
    if (messaging::valid_utf8(text.substr(0, size))) return size;
  return 0;
}

// C0, DEL and C1: what a terminal acts upon.
bool is_control(std::string_view c) {
  const auto first = static_cast<unsigned char>(c[0]);
  return (c.size() == 1 && (first < 0x20 || first == 0x7f)) ||
         (c.size() == 2 && first == 0xc2 && static_cast<unsigned char>(c[1]) < 0xa0);
}

void append_escaped(std::string& out, std::string_view bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else {
      out.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
  }
}

std::string shown(std::string_view text, std::size_t max_bytes, std::string_view kept) {
  std::string out;
  const auto whole = text.size();
  while (!text.empty()) {
    const auto size = character(text);
    const auto c = text.substr(0, std::max<std::size_t>(1, size));
    if (whole - text.size() + c.size() > max_bytes) return out + "…";
    if (size != 0 && (!is_control(c) || kept.contains(c[0])))
      out += c;
    else
      append_escaped(out, c);
    text.remove_prefix(c.size());
  }
  return out;
}

}  // namespace

std::string one_line(std::string_view text, std::size_t max_bytes) { return shown(text, max_bytes, ""); }
std::string several_lines(std::string_view text, std::size_t max_bytes) { return shown(text, max_bytes, "\n\t"); }

result<std::chrono::milliseconds> parse_time(std::string_view text, std::string_view what_for) {
  json::writer w;
  w.string(text);
  const auto time = json::decode<std::chrono::milliseconds>(std::string_view{std::move(w).take()});
  if (!time || *time < time->zero()) {
    const error e{errc::invalid_argument, std::string{what_for} + ": '" + std::string{text} + "' is no time"};
    return fail(e.with_remedy("write it as 250ms, 5s, 10m or 1h"));
  }
  // Nothing takes longer than the longest time that a clock can count.
  return std::min(*time, std::chrono::floor<std::chrono::milliseconds>(std::chrono::nanoseconds::max()));
}

std::string counted(std::size_t number, std::string_view what) {
  return std::to_string(number) + " " + std::string{what} + (number == 1 ? "" : "s");
}

}  // namespace weft::cli
