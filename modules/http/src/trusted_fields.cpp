#include <weft/http/trusted_fields.hpp>

#include "layer.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <stdexcept>

namespace weft::http {

namespace {
char folded(char c) {
  if (c == '_') return '-';
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

bool matches_field(std::string_view pattern, std::string_view name) {
  const bool prefix = pattern.ends_with('*');
  if (prefix) pattern.remove_suffix(1);
  if (prefix ? name.size() < pattern.size() : name.size() != pattern.size()) return false;
  return std::equal(pattern.begin(), pattern.end(), name.begin(),
                    [](char a, char b) { return folded(a) == folded(b); });
}

bool matches_name(std::string_view pattern, std::string_view name) {
  if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
  return name == pattern;
}

int width(const address& a) { return a.type() == address::kind::ip4 ? 32 : 128; }

// An IPv4 address in IPv6's clothes (::ffff:10.0.0.3) counts as what it is.
address plain(const address& a) {
  if (a.type() != address::kind::ip6) return a;
  const auto& b = a.bytes();
  const bool mapped =
      std::all_of(b.begin(), b.begin() + 10, [](auto byte) { return byte == 0; }) && b[10] == 0xff && b[11] == 0xff;
  return mapped ? address::ip4({b[12], b[13], b[14], b[15]}, a.port()) : a;
}

bool same_prefix(const address& a, const address& b, int bits) {
  for (int i = 0; i < bits; i += 8) {
    const int rest = std::min(8, bits - i);
    const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
    const auto at = static_cast<std::size_t>(i / 8);
    if ((a.bytes()[at] & mask) != (b.bytes()[at] & mask)) return false;
  }
  return true;
}

struct trust_layer {
  std::vector<std::string> fields;
  peer_trust trust;
};

task<result<response>> stripped(const detail::layer<trust_layer>& self, request& r) {
  if (r.connection() == nullptr || !self.options.trust.trusts(*r.connection())) {
    std::vector<std::string> removed;
    for (const auto& f : r.headers)
      if (std::ranges::any_of(self.options.fields, [&](const auto& p) { return matches_field(p, f.name); }))
        removed.emplace_back(f.name);
    for (const auto& name : removed) r.headers.remove(name);
  }
  return self.inner(r);
}
}  // namespace

peer_trust::peer_trust(const trust_options& options) : names_{options.trusted_names} {
  for (const auto& text : options.trusted_networks) {
    if (text == "unix") {
      unix_sockets_ = true;
      continue;
    }
    const auto slash = text.find('/');
    const auto base = address::parse_host(std::string_view{text}.substr(0, slash), 0);
    int bits = base ? width(*base) : -1;
    if (base && slash != std::string::npos) {
      const auto* end = text.data() + text.size();
      const auto [at, problem] = std::from_chars(text.data() + slash + 1, end, bits);
      if (problem != std::errc{} || at != end || bits > width(*base)) bits = -1;
    }
    if (bits < 0)
      throw std::invalid_argument{"trusted_networks: '" + text + "' is not a network: 10.0.0.0/8, fd00::/8, or unix"};
    networks_.push_back({*base, bits});
  }
}

bool peer_trust::trusts(const address& where) const {
  if (where.type() == address::kind::unix_path) return unix_sockets_;
  const auto from = plain(where);
  return std::ranges::any_of(
      networks_, [&](const auto& n) { return n.base.type() == from.type() && same_prefix(n.base, from, n.bits); });
}

bool peer_trust::trusts(const stream_info& peer) const {
  // Peers on Unix sockets have no name of their own.
  if (trusts(peer.local.type() == address::kind::unix_path ? peer.local : peer.peer)) return true;
  return std::ranges::any_of(peer.peer_names, [&](const auto& name) {
    return std::ranges::any_of(names_, [&](const auto& pattern) { return matches_name(pattern, name); });
  });
}

namespace {

std::string_view without_blanks(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

// "192.0.2.7", "192.0.2.7:4711", "2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:4711"; nothing for other names.
std::optional<address> node_of(std::string_view text) {
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos || (close + 1 < text.size() && text[close + 1] != ':')) return std::nullopt;
    text = text.substr(1, close - 1);
  } else if (std::ranges::count(text, ':') == 1) {
    text = text.substr(0, text.find(':'));
  }
  auto found = address::parse_host(text, 0);
  return found ? std::optional{plain(*found)} : std::nullopt;
}

// The `for` of an element of Forwarded; nothing without a readable one.
std::optional<address> forwarded_node(std::string_view element) {
  while (!element.empty()) {
    const auto end = element.find(';');
    const auto pair = without_blanks(element.substr(0, end));
    element = end == std::string_view::npos ? std::string_view{} : element.substr(end + 1);
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos || !equal_ignoring_case(pair.substr(0, equals), "for")) continue;
    auto value = pair.substr(equals + 1);
    if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) value = value.substr(1, value.size() - 2);
    return node_of(value);
  }
  return std::nullopt;
}

// The hops of a list from its end, which the nearest proxy has written.
template <class Read>
std::optional<address> origin_of(std::string_view list, const peer_trust& proxies, Read read) {
  std::optional<address> last;
  while (!list.empty()) {
    const auto comma = list.rfind(',');
    const auto element = without_blanks(comma == std::string_view::npos ? list : list.substr(comma + 1));
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(0, comma);
    if (element.empty()) continue;
    const auto hop = read(element);
    if (!hop) return last;  // "unknown", "_hidden": nobody can say more than the hop before it
    last = *hop;
    if (!proxies.trusts(*hop)) return last;
  }
  return last;
}

}  // namespace

address client_of(const request& r, const peer_trust& proxies) {
  if (r.connection() == nullptr) return {};
  const auto& peer = r.connection()->peer;
  const auto without_port = node_of(peer.host()).value_or(peer);
  if (!proxies.trusts(*r.connection())) return without_port;
  std::optional<address> found;
  for (const std::string_view name : {"x-forwarded-for", "forwarded"}) {
    if (!r.headers.contains(name)) continue;
    const auto list = r.headers.joined(name);
    const auto said =
        name == "forwarded" ? origin_of(list, proxies, forwarded_node) : origin_of(list, proxies, node_of);
    if (!said || (found && *found != *said)) return without_port;
    found = said;
  }
  return found.value_or(without_port);
}

middleware strip_untrusted(trust_options options) {
  trust_layer layer{.fields = options.fields, .trust = peer_trust{options}};
  return detail::make_middleware("strip_untrusted", std::move(layer), stripped);
}

}  // namespace weft::http
