#include <weft/amqp/options.hpp>

#include <algorithm>
#include <charconv>

namespace weft::amqp {

namespace {

// Errors name the part, never its text: it may hold the password.
std::unexpected<error> bad(std::string_view what) {
  return fail(error{errc::invalid_argument, "the AMQP URL: " + std::string{what}}.with_remedy(
      "amqp://user:password@host:5672,host2/virtual_host?heartbeat=30"));
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

result<std::string> decode(std::string_view text, std::string_view part) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0)
      return bad(std::string{part} + " has a % without two hexadecimal digits");
    out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    i += 2;
  }
  return out;
}

template <class T>
result<T> number(std::string_view text, std::string_view part, T most) {
  T value{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size() || value > most)
    return bad(std::string{part} + " is not a number up to " + std::to_string(most));
  return value;
}

struct tls_choice {
  std::string authorities, chain, key;
  bool verify = true;
};

result<> apply_query(std::string_view name, std::string_view text, connection_options& o, tls_choice& tls) {
  WEFT_TRY(const auto value, decode(text, name));
  if (name == "heartbeat") {
    WEFT_TRY(const auto seconds, number<unsigned>(value, name, 65'535U));
    o.heartbeat = std::chrono::seconds{seconds};
  } else if (name == "connection_timeout") {
    WEFT_TRY(const auto milliseconds, number<unsigned>(value, name, 3'600'000U));
    o.connect_timeout = std::chrono::milliseconds{milliseconds};
  } else if (name == "channel_max") {
    WEFT_TRY(o.channel_max, number<std::uint16_t>(value, name, 65'535));
  } else if (name == "frame_max") {
    WEFT_TRY(o.frame_max, number<std::uint32_t>(value, name, 16U * 1024 * 1024));
  } else if (name == "auth_mechanism") {
    if (value != "plain" && value != "external") return bad("auth_mechanism is neither plain nor external");
    o.mechanism = value == "plain" ? auth_mechanism::plain : auth_mechanism::external;
  } else if (name == "verify") {
    if (value != "verify_peer" && value != "verify_none") return bad("verify is neither verify_peer nor verify_none");
    tls.verify = value == "verify_peer";
  } else if (name == "cacertfile") {
    tls.authorities = value;
  } else if (name == "certfile") {
    tls.chain = value;
  } else if (name == "keyfile") {
    tls.key = value;
  } else if (name == "server_name_indication") {
    o.server_name = value;
  } else {
    return bad("there is no parameter \"" + std::string{name} + "\"");
  }
  return {};
}

result<> make_tls(const tls_choice& chosen, connection_options& o) {
  net::tls_options t;
  if (!chosen.authorities.empty()) t.authorities = net::pem::file(chosen.authorities);
  if (chosen.chain.empty() != chosen.key.empty()) return bad("certfile and keyfile belong together");
  if (!chosen.chain.empty())
    t.identities.push_back({.chain = net::pem::file(chosen.chain), .key = net::pem::file(chosen.key)});
  t.verification = chosen.verify ? net::server_verification::full : net::server_verification::none;
  WEFT_TRY(o.tls, net::tls_context::client(std::move(t)));
  return {};
}

result<> read_user(std::string_view text, connection_options& o) {
  const auto colon = text.find(':');
  WEFT_TRY(o.user, decode(text.substr(0, colon), "the user"));
  if (colon == std::string_view::npos) return {};
  WEFT_TRY(o.password, decode(text.substr(colon + 1), "the password"));
  return {};
}

result<> read_hosts(std::string_view text, bool encrypted, connection_options& o) {
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    std::string one{text.substr(begin, end - begin)};
    if (one.empty()) return bad("a host is empty");
    const auto after_literal = one.find(']') == std::string::npos ? 0 : one.find(']');
    if (one.find(':', after_literal) == std::string::npos) one += encrypted ? ":5671" : ":5672";
    auto at = net::endpoint::parse((encrypted ? "tls://" : "tcp://") + one);
    if (!at) return bad("a host is not a name or an address with a port");
    o.hosts.push_back(*std::move(at));
    begin = end + 1;
  }
  return {};
}

}  // namespace

result<connection_options> connection_options::parse(std::string_view url) {
  connection_options o;
  const auto encrypted = url.starts_with("amqps://");
  if (!encrypted && !url.starts_with("amqp://")) return bad("it begins with neither amqp:// nor amqps://");
  auto rest = url.substr(encrypted ? 8 : 7);
  // The rest of a password with a / or ? in it would be a virtual host or parameters, which are shown.
  if (const auto end = rest.find_first_of("/?");
      end != std::string_view::npos && rest.find('@', end) != std::string_view::npos)
    return bad(
        "an @ after the hosts: within the user, the password and what follows, write /, ? and @ as %2f, %3f, %40");
  std::string_view query;
  if (const auto at = rest.find('?'); at != std::string_view::npos) {
    query = rest.substr(at + 1);
    rest = rest.substr(0, at);
  }
  if (const auto at = rest.find('/'); at != std::string_view::npos) {
    const auto path = rest.substr(at + 1);
    if (path.find('/') != std::string_view::npos) return bad("the virtual host holds a /: write it as %2f");
    WEFT_TRY(auto named, decode(path, "the virtual host"));
    if (!named.empty()) o.virtual_host = std::move(named);
    rest = rest.substr(0, at);
  }
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    WEFT_TRY_VOID(read_user(rest.substr(0, at), o));
    rest = rest.substr(at + 1);
  }
  WEFT_TRY_VOID(read_hosts(rest, encrypted, o));
  tls_choice tls;
  while (!query.empty()) {
    const auto one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), one.size() + 1));
    const auto equals = one.find('=');
    if (equals == std::string_view::npos) return bad("a parameter without =");
    WEFT_TRY_VOID(apply_query(one.substr(0, equals), one.substr(equals + 1), o, tls));
  }
  if (encrypted) WEFT_TRY_VOID(make_tls(tls, o));
  WEFT_TRY_VOID(o.validate());
  return o;
}

result<> connection_options::validate() const {
  const auto wrong = [](std::string_view what) {
    return fail(errc::invalid_argument, "amqp::connection_options: " + std::string{what});
  };
  if (hosts.empty()) return wrong("hosts is empty");
  for (const auto& each : hosts)
    if (each.encrypted() && !tls) return wrong("a host asks for TLS, and tls is not set");
  if (frame_max < 4096) return wrong("frame_max is below 4096");
  if (heartbeat.count() < 0 || heartbeat.count() > 65'535) return wrong("heartbeat is not within 0 to 65535 s");
  if (virtual_host.size() > 255) return wrong("virtual_host is longer than 255 bytes");
  if (connect_timeout <= duration::zero()) return wrong("connect_timeout is not positive");
  if (backoff_first <= duration::zero() || backoff_most < backoff_first)
    return wrong("backoff_first is not positive, or above backoff_most");
  if (output_max == 0 || unread_max == 0) return wrong("output_max and unread_max may not be 0");
  return {};
}

std::string connection_options::to_string() const {
  std::string text = hosts.empty() || !hosts.front().encrypted() ? "amqp://" : "amqps://";
  text += user;
  char before = '@';
  for (const auto& each : hosts) {
    text += before;
    text += each.authority();
    before = ',';
  }
  return text + (virtual_host.starts_with('/') ? "" : "/") + virtual_host;
}

std::string_view to_string(connection_event::kind what) noexcept {
  using enum connection_event::kind;
  switch (what) {
    case connected:
      return "connected";
    case connect_failed:
      return "connect_failed";
    case disconnected:
      return "disconnected";
    case recovered:
      return "recovered";
    case blocked:
      return "blocked";
    case unblocked:
      return "unblocked";
    case channel_failed:
      return "channel_failed";
    case channel_recovered:
      return "channel_recovered";
    case consumer_cancelled:
      return "consumer_cancelled";
    case consumer_recovered:
      return "consumer_recovered";
    case recovery_failed:
      return "recovery_failed";
    case callback_failed:
      break;
  }
  return "callback_failed";
}

}  // namespace weft::amqp
