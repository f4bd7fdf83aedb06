#include <weft/messaging/settlement.hpp>

#include <charconv>

namespace weft::messaging {

void add_failure(std::vector<failure>& to, failure f) {
  f.what = clean_text(f.what, max_reason_bytes);
  if (to.size() >= max_failures) to.erase(to.begin() + 1);
  to.push_back(std::move(f));
}

std::string format_failures(const std::vector<failure>& list) {
  std::string text;
  for (const auto& f : list) {
    text += format_rfc3339(f.at);
    text += " attempt ";
    text += std::to_string(f.attempt);
    text += ' ';
    text += to_string(f.code);
    text += ": ";
    for (const char c : f.what) text += c == '\n' || c == '\r' ? ' ' : c;
    text += '\n';
  }
  return text;
}

namespace {

errc parse_code(std::string_view name) {
  for (unsigned code = 1; code <= static_cast<unsigned>(errc::unauthenticated); ++code)
    if (to_string(static_cast<errc>(code)) == name) return static_cast<errc>(code);
  return errc::unknown;
}

// What stands before `mark`, which is removed with it; all of the text without one.
std::string_view take_until(std::string_view& text, std::string_view mark) {
  const auto end = text.find(mark);
  const auto part = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + mark.size());
  return part;
}

}  // namespace

std::vector<failure> parse_failures(std::string_view text) {
  std::vector<failure> list;
  while (!text.empty() && list.size() < max_failures) {
    auto line = take_until(text, "\n");
    const auto at = parse_rfc3339(take_until(line, " attempt "));
    const auto attempt = take_until(line, " ");
    failure f;
    if (!at || std::from_chars(attempt.data(), attempt.data() + attempt.size(), f.attempt).ec != std::errc{}) continue;
    f.at = *at;
    f.code = parse_code(take_until(line, ": "));
    f.what = line;
    list.push_back(std::move(f));
  }
  return list;
}

std::string_view to_string(settlement::kind kind) noexcept {
  switch (kind) {
    case settlement::kind::ack:
      return "ack";
    case settlement::kind::retry:
      return "retry";
    case settlement::kind::dead_letter:
      return "dead_letter";
    case settlement::kind::give_back:
      return "give_back";
  }
  return "unknown";
}

}  // namespace weft::messaging
