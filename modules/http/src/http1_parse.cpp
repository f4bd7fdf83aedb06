#include <weft/http/http1.hpp>

#include "http1_scan.hpp"
#include "http1_uri.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

namespace weft::http::http1 {

namespace {

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Digits only: no sign, no white space, no list, nothing that another parser could read differently.
std::optional<std::uint64_t> decimal(std::string_view text) noexcept {
  if (text.empty() || text.size() > 18) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is(c, digit_char)) return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value;
}

// What the fields say about the message itself.
struct field_facts {
  std::string_view host;
  unsigned hosts = 0, lengths = 0, codings = 0;
  std::uint64_t length = 0;
  bool close = false, keep_alive = false, continue_100 = false, other_expectation = false;
};

bool read_fact(std::string_view name, std::string_view value, int minor_version, field_facts& facts, problem& why) {
  const auto refuse = [&](status code, std::string_view what) {
    why = {code, what};
    return false;
  };
  switch (name.size()) {
    case 4:
      if (equal_ignoring_case(name, "host")) {
        facts.host = value;
        ++facts.hosts;
      }
      break;
    case 6:
      if (equal_ignoring_case(name, "expect")) {
        if (equal_ignoring_case(value, "100-continue"))
          facts.continue_100 = true;
        else
          facts.other_expectation = true;
      }
      break;
    case 10:
      if (equal_ignoring_case(name, "connection"))
        for_each_element(value, [&](std::string_view option) {
          if (equal_ignoring_case(option, "close"))
            facts.close = true;
          else if (equal_ignoring_case(option, "keep-alive"))
            facts.keep_alive = true;
          return true;
        });
      break;
    case 14:
      if (equal_ignoring_case(name, "content-length")) {
        if (++facts.lengths > 1) return refuse(status::bad_request, "Content-Length is repeated");
        const auto length = decimal(value);
        if (!length) return refuse(status::bad_request, "Content-Length is not a number");
        facts.length = *length;
      }
      break;
    case 17:
      if (equal_ignoring_case(name, "transfer-encoding")) {
        if (++facts.codings > 1) return refuse(status::bad_request, "Transfer-Encoding is repeated");
        if (minor_version == 0) return refuse(status::bad_request, "Transfer-Encoding in an HTTP/1.0 message");
        if (!equal_ignoring_case(value, "chunked")) {
          // A coding we do not know before chunked is merely not implemented; without chunked at the end, the length of
          // the content is anybody's guess.
          const auto comma = value.rfind(',');
          const auto last = comma == std::string_view::npos ? value : trimmed(value.substr(comma + 1));
          if (comma != std::string_view::npos && equal_ignoring_case(last, "chunked") &&
              !equal_ignoring_case(trimmed(value.substr(0, comma)), "chunked"))
            return refuse(status::not_implemented, "a transfer coding other than chunked");
          return refuse(status::bad_request, "Transfer-Encoding does not end in chunked");
        }
      }
      break;
    default:
      break;
  }
  return true;
}

// Lines of "name: value" CRLF; each ends in CRLF already, as the scanner made sure.
bool parse_fields(std::string_view text, const limits& l, int minor_version, headers& into, field_facts& facts,
                  problem& why) {
  const auto refuse = [&](status code, std::string_view what) {
    why = {code, what};
    return false;
  };
  into.clear();
  while (!text.empty()) {
    const auto* newline = static_cast<const char*>(std::memchr(text.data(), '\n', text.size()));
    const auto size = static_cast<std::size_t>(newline - text.data());
    const auto line = text.substr(0, size - 1);
    text.remove_prefix(size + 1);
    if (into.size() == l.fields) return refuse(status::request_header_fields_too_large, "too many header fields");
    std::size_t colon = 0;
    while (colon < line.size() && is(line[colon], token_char)) ++colon;
    if (colon == 0 || colon == line.size() || line[colon] != ':') {
      if (!line.empty() && (line[0] == ' ' || line[0] == '\t'))
        return refuse(status::bad_request, "a header line begins with white space");
      return refuse(status::bad_request, "a header line is not a name, a colon and a value");
    }
    const auto value = trimmed(line.substr(colon + 1));
    if (find_non_value(value) != std::string_view::npos)
      return refuse(status::bad_request, "a header value holds a control character");
    const auto name = line.substr(0, colon);
    if (!read_fact(name, value, minor_version, facts, why)) return false;
    into.add_view(name, value);
  }
  return true;
}

// Returns false for a version that is not HTTP/1.x.
bool version_of(std::string_view text, int& minor_version) noexcept {
  if (text.size() != 8 || !text.starts_with("HTTP/1.") || !is(text[7], digit_char)) return false;
  minor_version = text[7] == '0' ? 0 : 1;  // RFC 9110 2.5: a higher minor version is read as the highest known
  return true;
}

bool keeps_alive(const field_facts& facts, int minor_version) noexcept {
  return !facts.close && (minor_version >= 1 || facts.keep_alive);
}

}  // namespace

progress detail::head_scanner::scan(std::string_view buffer, const limits& l, problem& why) {
  const auto refuse = [&](status code, std::string_view what) {
    why = {code, what};
    return progress::bad;
  };
  for (;;) {
    const auto from = std::max(line_, searched_);
    const auto* newline = from < buffer.size()
                              ? static_cast<const char*>(std::memchr(buffer.data() + from, '\n', buffer.size() - from))
                              : nullptr;
    if (newline == nullptr) {
      searched_ = buffer.size();
      constexpr std::size_t around_target = 256;  // for the method and the version
      if (first_line_ && buffer.size() - start_ > l.target_bytes + around_target)
        return refuse(status::uri_too_long, "the request line is too long");
      if (buffer.size() - start_ > l.head_bytes)
        return refuse(status::request_header_fields_too_large, "the head is too large");
      return progress::more;
    }
    const auto at = static_cast<std::size_t>(newline - buffer.data());
    if (at == line_ || buffer[at - 1] != '\r') return refuse(status::bad_request, "a line ends in LF without CR");
    const bool empty = at == line_ + 1;
    line_ = at + 1;
    if (line_ - start_ > l.head_bytes)
      return first_line_ ? refuse(status::uri_too_long, "the request line is too long")
                         : refuse(status::request_header_fields_too_large, "the head is too large");
    if (!empty) {
      first_line_ = false;
      continue;
    }
    if (!first_line_) return progress::done;
    // RFC 9112 2.2: one empty line before a request is forgiven; some old clients send one after content.
    if (start_ != 0) return refuse(status::bad_request, "empty lines instead of a message");
    start_ = line_;
  }
}

progress request_parser::parse(std::string_view buffer, request_head& into) {
  const auto scanned = scanner_.scan(buffer, limits_, problem_);
  into.verb = leading_method(buffer.substr(scanner_.start()));
  if (scanned != progress::done) return scanned;
  const auto head = buffer.substr(scanner_.start(), scanner_.end() - scanner_.start() - 2);
  const auto line_end = head.find('\n');
  if (const auto parsed = start_line(head.substr(0, line_end - 1), into); parsed != progress::done) return parsed;
  field_facts facts;
  if (!parse_fields(head.substr(line_end + 1), limits_, into.minor_version, *into.fields, facts, problem_))
    return progress::bad;
  if (facts.hosts > 1) return bad(status::bad_request, "Host is repeated");
  if (facts.hosts == 0 && into.minor_version >= 1) return bad(status::bad_request, "Host is missing");
  if (!valid_authority(facts.host, port_rule::optional)) return bad(status::bad_request, "Host is malformed");
  into.host = facts.host;
  if (const auto split = split_target(into); split != progress::done) return split;
  if (into.host.data() != facts.host.data()) {
    // RFC 9112 3.2.2: an absolute target decides, and who forwards the request must not pass on another Host.
    into.fields->remove("host");
    into.fields->add_view("Host", into.host);
  }
  if (facts.codings > 0 && facts.lengths > 0)
    return bad(status::bad_request, "Transfer-Encoding and Content-Length contradict each other");
  into.content = facts.codings > 0 ? framing::chunked : facts.length > 0 ? framing::length : framing::none;
  into.content_length = facts.length;
  into.keep_alive = keeps_alive(facts, into.minor_version);
  into.expects_continue = facts.continue_100 && into.minor_version >= 1 && into.content != framing::none;
  into.unknown_expectation = facts.other_expectation;
  return progress::done;
}

method leading_method(std::string_view buffer) noexcept {
  const auto end = buffer.find_first_of(" \r\n");
  return end != std::string_view::npos && buffer[end] == ' ' ? method_of(buffer.substr(0, end)) : method::other;
}

progress request_parser::start_line(std::string_view line, request_head& into) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return bad(status::bad_request, "the request line is malformed");
  into.method_name = line.substr(0, first);
  into.target = line.substr(first + 1, last - first - 1);
  if (!valid_token(into.method_name)) return bad(status::bad_request, "the method is malformed");
  if (into.target.size() > limits_.target_bytes) return bad(status::uri_too_long, "the request target is too long");
  if (into.target.empty()) return bad(status::bad_request, "the request target is empty");
  if (!version_of(line.substr(last + 1), into.minor_version)) {
    const auto version = line.substr(last + 1);
    // RFC 9112 2.3: what does not have this shape is no version at all.
    if (version.size() == 8 && version.starts_with("HTTP/") && is(version[5], digit_char) && version[6] == '.' &&
        is(version[7], digit_char))
      return bad(status::http_version_not_supported, "only HTTP/1.1 and HTTP/1.0 are served here");
    return bad(status::bad_request, "the request line does not end in an HTTP version");
  }
  return progress::done;
}

// RFC 9112 3.2: a server accepts all four forms.
progress request_parser::split_target(request_head& into) {
  auto& target = into.target;
  if (target.front() == '/') {
    if (into.verb == method::connect) return bad(status::bad_request, "CONNECT takes a host and a port");
    if (!valid_path_and_query(target))
      return bad(status::bad_request, "the request target holds a character that must be encoded, or a bare %");
    return progress::done;
  }
  if (into.verb == method::connect) {
    if (!valid_authority(target, port_rule::required))
      return bad(status::bad_request, "CONNECT takes a host and a port");
    into.host = target;
    return progress::done;
  }
  if (target == "*" && into.verb == method::options) return progress::done;
  const auto scheme = target.find("://");
  if (scheme == std::string_view::npos || !(equal_ignoring_case(target.substr(0, scheme), "http") ||
                                            equal_ignoring_case(target.substr(0, scheme), "https")))
    return bad(status::bad_request, "the request target is neither a path nor an absolute URL");
  const auto rest = target.substr(scheme + 3);
  const auto end = std::min(rest.find_first_of("/?#"), rest.size());
  into.host = rest.substr(0, end);
  target = rest.substr(end);
  if (!target.starts_with('/')) {  // RFC 9110 4.2.3: an empty path is "/"
    into.completed_target = "/" + std::string{target};
    target = into.completed_target;
  }
  if (into.host.empty() || !valid_authority(into.host, port_rule::optional) || !valid_path_and_query(target))
    return bad(status::bad_request, "the request target is malformed");
  return progress::done;
}

progress response_parser::parse(std::string_view buffer, method asked, response_head& into) {
  const auto bad = [this](std::string_view what) {
    problem_ = {status::bad_gateway, what};
    return progress::bad;
  };
  if (const auto scanned = scanner_.scan(buffer, limits_, problem_); scanned != progress::done) return scanned;
  if (scanner_.start() != 0) return bad("an empty line before the status line");
  const auto head = buffer.substr(0, scanner_.end() - 2);
  const auto line_end = head.find('\n');
  const auto line = head.substr(0, line_end - 1);
  if (line.size() < 12 || !version_of(line.substr(0, 8), into.minor_version) || line[8] != ' ')
    return bad("the status line is malformed");
  const auto code = decimal(line.substr(9, 3));
  if (!code || *code < 100 || *code > 999 || (line.size() > 12 && line[12] != ' '))
    return bad("the status code is malformed");
  // RFC 9110 7.8: only who asked for an upgrade may be told 101, and nothing here asks.
  if (*code == 101) return bad("101 Switching Protocols, which nobody asked for");
  into.code = static_cast<status>(*code);
  into.reason = line.size() > 13 ? line.substr(13) : std::string_view{};
  if (find_non_value(into.reason) != std::string_view::npos) return bad("the reason phrase holds a control character");
  field_facts facts;
  if (!parse_fields(head.substr(line_end + 1), limits_, into.minor_version, *into.fields, facts, problem_)) {
    problem_.code = status::bad_gateway;
    return progress::bad;
  }
  into.keep_alive = keeps_alive(facts, into.minor_version);
  into.content_length = facts.length;
  if (facts.codings > 0 && facts.lengths > 0) return bad("Transfer-Encoding and Content-Length contradict each other");
  if (forbids_content(into.code) || asked == method::head || (asked == method::connect && *code >= 200 && *code < 300))
    into.content = framing::none;
  else if (facts.codings > 0)
    into.content = framing::chunked;
  else if (facts.lengths > 0)
    into.content = facts.length > 0 ? framing::length : framing::none;
  else
    into.content = framing::until_close;
  if (into.content == framing::until_close) into.keep_alive = false;
  return progress::done;
}

}  // namespace weft::http::http1
