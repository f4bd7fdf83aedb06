#pragma once
// URLs (RFC 3986) as clients and configuration name them, and the parts of a request's target.
//
//     WEFT_TRY(auto where, url::parse("https://users.internal:8443/api?page=2"));
//     connect(where.host, where.port);                       // "users.internal", 8443; where.target is "/api?page=2"
//     auto text = query_value("page=2&q=a+b", "q");          // "a b"
//
// Errors are errc::invalid_argument and say what is wrong. Pure functions: any thread. Time and memory are linear in
// the input; the number of query pairs that are read is bounded.
#include <weft/base/error.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::http {

// "http://host[:port][/path][?query]", the same with https, and "unix:/run/a.sock[:/path][?query]".
struct url {
  enum class scheme_kind : std::uint8_t { http, https, unix_socket };

  scheme_kind scheme = scheme_kind::http;
  std::string host;          // a name in lower case, or an address (IPv6 without brackets); for unix, the socket's path
  std::uint16_t port = 80;   // the scheme's own when none was given; 0 for unix
  std::string target = "/";  // path and query as a request line has them, at least "/"

  // User names and passwords are refused: they end up in logs. A fragment is dropped: it is not for servers. Characters
  // that a request line cannot hold (spaces, controls, bytes beyond ASCII) must be percent-encoded.
  [[nodiscard]] static result<url> parse(std::string_view text);

  [[nodiscard]] bool encrypted() const noexcept { return scheme == scheme_kind::https; }
  [[nodiscard]] std::string_view path() const noexcept;
  [[nodiscard]] std::string_view query() const noexcept;  // without '?'
  // What the Host field says: the port only when it is not the scheme's own; "localhost" for unix.
  [[nodiscard]] std::string authority() const;
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const url&, const url&) = default;
};

// Everything but letters, digits and "-._~" becomes %XX: for a path segment or a query's name or value.
[[nodiscard]] std::string percent_encode(std::string_view text);
// The same with '/' kept, for a whole path.
[[nodiscard]] std::string percent_encode_path(std::string_view path);
// '%' without two hexadecimal digits is an error. '+' stays '+'.
[[nodiscard]] result<std::string> percent_decode(std::string_view text);
// The same for a path or a segment of one, where %00 is an error too.
[[nodiscard]] result<std::string> percent_decode_path(std::string_view text);

// The one spelling of a path: "." and ".." resolved (also as %2e), letters, digits and "-._~" not encoded, %XX in upper
// case. An encoded slash (%2F) stays encoded, inside its segment. "//" is kept, as RFC 3986 has it: an empty segment is
// a segment. A path that climbs above the root is refused rather than clamped, and so are %00 and malformed encodings.
[[nodiscard]] result<std::string> normalize_path(std::string_view raw_path);

// How many pairs of a query or a form are looked at; the rest of a query is ignored, a form with more is refused.
inline constexpr std::size_t max_query_pairs = 1000;

// Calls f(name, value) for each pair, still encoded; stops when f says false or after max_query_pairs.
template <class Function>
void for_each_query_pair(std::string_view raw_query, Function f) {
  for (std::size_t count = 0; !raw_query.empty() && count < max_query_pairs; ++count) {
    const auto end = raw_query.find('&');
    const auto pair = raw_query.substr(0, end);
    raw_query = end == std::string_view::npos ? std::string_view{} : raw_query.substr(end + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    const auto value = equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
    if (!f(pair.substr(0, equals), value)) return;
  }
}

using query_pairs = std::vector<std::pair<std::string, std::string>>;

// The first value of that name, decoded: %XX and '+' for a space. A malformed encoding is left as it stands.
[[nodiscard]] std::optional<std::string> query_value(std::string_view raw_query, std::string_view name);
// All pairs in their order, decoded, as application/x-www-form-urlencoded (WHATWG URL 5) has them; strict: a malformed
// encoding or more than max_query_pairs pairs is an error.
[[nodiscard]] result<query_pairs> parse_form(std::string_view text);
// "a=1&b=x+y", for a query or a form.
[[nodiscard]] std::string build_query(std::span<const std::pair<std::string, std::string>> pairs);

}  // namespace weft::http
