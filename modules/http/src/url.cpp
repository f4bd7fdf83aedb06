#include <weft/http/url.hpp>
#include <weft/runtime/address.hpp>

#include <algorithm>
#include <charconv>

namespace weft::http {

namespace {
constexpr std::string_view upper_digits = "0123456789ABCDEF";

constexpr bool is_alpha_numeric(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
constexpr bool is_unreserved(char c) noexcept {
  return is_alpha_numeric(c) || c == '-' || c == '.' || c == '_' || c == '~';
}
constexpr int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

void append_encoded(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  out += '%';
  out += upper_digits[byte >> 4];
  out += upper_digits[byte & 15];
}

std::string encode(std::string_view text, std::string_view kept) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text)
    if (is_unreserved(c) || kept.find(c) != std::string_view::npos)
      out += c;
    else
      append_encoded(out, c);
  return out;
}

// The byte that "%XX" at `at` stands for, or -1.
int byte_at(std::string_view text, std::size_t at) noexcept {
  if (at + 2 >= text.size()) return -1;
  const auto high = hex_value(text[at + 1]), low = hex_value(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

std::unexpected<error> malformed(std::string_view text, std::size_t at) {
  return fail(errc::invalid_argument, "'" + std::string{text.substr(at, 3)} +
                                          "' is not a percent-encoded byte: two hexadecimal digits follow '%'");
}

std::string decode_form_lenient(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (const auto byte = text[i] == '%' ? byte_at(text, i) : -1; byte >= 0) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

result<std::string> decode_form_strict(std::string_view text) {
  for (auto at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1))
    if (byte_at(text, at) < 0) return malformed(text, at);
  return decode_form_lenient(text);
}

result<std::uint16_t> parse_port(std::string_view digits) {
  std::uint16_t port = 0;
  const auto* end = digits.data() + digits.size();
  const auto [at, problem] = std::from_chars(digits.data(), end, port);
  if (problem != std::errc{} || at != end || port == 0)
    return fail(errc::invalid_argument, "URL: '" + std::string{digits.substr(0, 16)} + "' is not a port (1 to 65535)");
  return port;
}

// "host", "host:port", "[::1]:port" into u.
result<> parse_authority(std::string_view text, url& u) {
  if (text.find('@') != std::string_view::npos)
    return fail(error{errc::invalid_argument, "URL: a user name or password in it is refused"}.with_remedy(
        "send credentials in the Authorization field"));
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return fail(errc::invalid_argument, "URL: '[' without ']'");
    u.host = text.substr(1, close - 1);
    const auto literal = address::parse_host(u.host, 0);
    if (!literal || literal->type() != address::kind::ip6)
      return fail(errc::invalid_argument, "URL: '" + u.host.substr(0, 64) + "' is not an IPv6 address");
    u.host = literal->host();
    rest = text.substr(close + 1);
  } else {
    const auto colon = text.find(':');
    u.host = text.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view{} : text.substr(colon);
    if (u.host.empty()) return fail(errc::invalid_argument, "URL: it names no host");
    if (u.host.size() > 253 || !std::ranges::all_of(u.host, is_unreserved))
      return fail(errc::invalid_argument, "URL: '" + u.host.substr(0, 64) + "' is not a host name");
    std::ranges::transform(u.host, u.host.begin(), lower);
  }
  if (rest.empty() || rest == ":") return {};
  if (!rest.starts_with(':')) return fail(errc::invalid_argument, "URL: text between ']' and the port");
  WEFT_TRY(u.port, parse_port(rest.substr(1)));
  return {};
}

result<> parse_target(std::string_view text, url& u) {
  text = text.substr(0, text.find('#'));
  if (const auto bad = std::ranges::find_if(text, [](char c) { return c <= ' ' || c >= 0x7f; }); bad != text.end())
    return fail(error{errc::invalid_argument, "URL: a space, a control character or a byte beyond ASCII at byte " +
                                                  std::to_string(bad - text.begin()) + " of its path"}
                    .with_remedy("percent-encode it"));
  u.target = text.starts_with('/') ? std::string{text} : "/" + std::string{text};
  return {};
}

constexpr std::uint16_t default_port(url::scheme_kind scheme) noexcept {
  switch (scheme) {
    case url::scheme_kind::http:
      return 80;
    case url::scheme_kind::https:
      return 443;
    case url::scheme_kind::unix_socket:
      break;
  }
  return 0;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (text.size() < prefix.size()) return false;
  for (std::size_t i = 0; i < prefix.size(); ++i)
    if (lower(text[i]) != prefix[i]) return false;
  text.remove_prefix(prefix.size());
  return true;
}

result<url> parse_unix(std::string_view text) {
  url u{.scheme = url::scheme_kind::unix_socket, .host = {}, .port = 0};
  if (text.starts_with("//")) text.remove_prefix(2);  // an empty host, as in file:///; another is refused below
  const auto end = text.find(':');
  u.host = text.substr(0, end);
  if (!u.host.starts_with('/') || u.host.find('\0') != std::string::npos)
    return fail(errc::invalid_argument, "URL: unix: needs the absolute path of a socket, as in unix:/run/a.sock");
  if (end != std::string_view::npos) WEFT_TRY_VOID(parse_target(text.substr(end + 1), u));
  return u;
}
}  // namespace

result<url> url::parse(std::string_view text) {
  url u;
  if (take_prefix(text, "unix:")) return parse_unix(text);
  if (take_prefix(text, "https://"))
    u.scheme = scheme_kind::https;
  else if (!take_prefix(text, "http://"))
    return fail(errc::invalid_argument,
                "URL: '" + std::string{text.substr(0, 64)} + "' does not begin with http://, https:// or unix:");
  u.port = default_port(u.scheme);
  const auto end = text.find_first_of("/?#");
  WEFT_TRY_VOID(parse_authority(text.substr(0, end), u));
  WEFT_TRY_VOID(parse_target(end == std::string_view::npos ? std::string_view{} : text.substr(end), u));
  return u;
}

std::string_view url::path() const noexcept { return std::string_view{target}.substr(0, target.find('?')); }

std::string_view url::query() const noexcept {
  const auto mark = target.find('?');
  return mark == std::string::npos ? std::string_view{} : std::string_view{target}.substr(mark + 1);
}

std::string url::authority() const {
  if (scheme == scheme_kind::unix_socket) return "localhost";
  auto text = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != default_port(scheme)) text += ":" + std::to_string(port);
  return text;
}

std::string url::to_string() const {
  if (scheme == scheme_kind::unix_socket) return "unix:" + host + (target == "/" ? "" : ":" + target);
  return (encrypted() ? "https://" : "http://") + authority() + target;
}

std::string percent_encode(std::string_view text) { return encode(text, ""); }
std::string percent_encode_path(std::string_view path) { return encode(path, "/"); }

result<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto byte = byte_at(text, i);
    if (byte < 0) return malformed(text, i);
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

result<std::string> percent_decode_path(std::string_view text) {
  auto decoded = percent_decode(text);
  if (decoded && decoded->find('\0') != std::string::npos)
    return fail(errc::invalid_argument, "a path does not hold %00");
  return decoded;
}

namespace {
// One segment in its one spelling.
result<std::string> normalize_segment(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '\0') return fail(errc::invalid_argument, "a path does not hold NUL");
    if (raw[i] != '%') {
      out += raw[i];
      continue;
    }
    const auto byte = byte_at(raw, i);
    if (byte < 0) return malformed(raw, i);
    if (byte == 0) return fail(errc::invalid_argument, "a path does not hold %00");
    const auto c = static_cast<char>(byte);
    if (is_unreserved(c))
      out += c;
    else
      append_encoded(out, c);
    i += 2;
  }
  return out;
}
}  // namespace

result<std::string> normalize_path(std::string_view raw_path) {
  if (!raw_path.starts_with('/')) return fail(errc::invalid_argument, "a path begins with '/'");
  std::string out;
  out.reserve(raw_path.size());
  auto rest = raw_path;
  while (!rest.empty()) {
    rest.remove_prefix(1);  // the slash
    const auto slash = rest.find('/');
    const bool last = slash == std::string_view::npos;
    WEFT_TRY(auto segment, normalize_segment(rest.substr(0, slash)));
    rest = last ? std::string_view{} : rest.substr(slash);
    if (segment == "..") {
      const auto parent = out.rfind('/');
      if (parent == std::string::npos) return fail(errc::invalid_argument, "the path leads above the root");
      out.resize(parent);
    }
    if (segment != ".." && segment != ".") {
      out.append("/").append(segment);
    } else if (last) {
      out += '/';
    }
  }
  return out;
}

std::optional<std::string> query_value(std::string_view raw_query, std::string_view name) {
  std::optional<std::string> found;
  for_each_query_pair(raw_query, [&](std::string_view raw_name, std::string_view value) {
    const bool plain = raw_name.find_first_of("%+") == std::string_view::npos;
    if (plain ? raw_name != name : decode_form_lenient(raw_name) != name) return true;
    found = decode_form_lenient(value);
    return false;
  });
  return found;
}

result<query_pairs> parse_form(std::string_view text) {
  query_pairs pairs;
  std::optional<error> problem;
  if (static_cast<std::size_t>(std::ranges::count(text, '&')) >= max_query_pairs)
    return fail(errc::invalid_argument, "a form holds at most " + std::to_string(max_query_pairs) + " pairs");
  for_each_query_pair(text, [&](std::string_view raw_name, std::string_view raw_value) {
    auto name = decode_form_strict(raw_name);
    auto value = decode_form_strict(raw_value);
    if (!name || !value) {
      problem = name ? value.error() : name.error();
      return false;
    }
    pairs.emplace_back(*std::move(name), *std::move(value));
    return true;
  });
  if (problem) return fail(*std::move(problem));
  return pairs;
}

std::string build_query(std::span<const std::pair<std::string, std::string>> pairs) {
  std::string out;
  const auto append = [&out](std::string_view text) {
    for (const char c : text)
      if (c == ' ')
        out += '+';
      else if (is_unreserved(c))
        out += c;
      else
        append_encoded(out, c);
  };
  for (const auto& [name, value] : pairs) {
    if (!out.empty()) out += '&';
    append(name);
    out += '=';
    append(value);
  }
  return out;
}

}  // namespace weft::http
