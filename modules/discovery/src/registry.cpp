#include <weft/discovery/registry.hpp>

#include <array>
#include <charconv>
#include <stdexcept>

#include "registry_url.hpp"

namespace weft::discovery {

result<url_parameters> url_parameters::parse(std::string_view query) {
  url_parameters p;
  WEFT_TRY(p.pairs_, http::parse_form(query));
  p.used_.resize(p.pairs_.size());
  return p;
}

std::string url_parameters::text(std::string_view name, std::string_view otherwise) {
  std::string found{otherwise};
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    if (pairs_[i].first != name) continue;
    used_[i] = true;
    found = pairs_[i].second;
  }
  return found;
}

result<duration> url_parameters::time(std::string_view name, duration otherwise) {
  const auto written = text(name);
  if (written.empty()) return otherwise;
  auto read = parse_duration(written);
  if (!read) return fail(read.error().with_operation(name));
  return read;
}

result<std::uint64_t> url_parameters::number(std::string_view name, std::uint64_t otherwise, std::uint64_t most) {
  const auto written = text(name);
  if (written.empty()) return otherwise;
  std::uint64_t value = 0;
  const auto* end = written.data() + written.size();
  const auto [at, problem] = std::from_chars(written.data(), end, value);
  if (problem != std::errc{} || at != end || value > most)
    return fail(errc::invalid_argument,
                std::string{name} + " must be a whole number of at most " + std::to_string(most));
  return value;
}

result<> url_parameters::none_left(std::string_view known) const {
  for (std::size_t i = 0; i < pairs_.size(); ++i)
    if (!used_[i])
      return fail(error{errc::invalid_argument, "unknown parameter '" + pairs_[i].first + "'"}.with_remedy(
          "known are: " + std::string{known}));
  return {};
}

result<duration> parse_duration(std::string_view text) {
  struct unit {
    std::string_view name;
    duration size;
  };
  static constexpr std::array units{unit{"ms", std::chrono::milliseconds{1}}, unit{"s", std::chrono::seconds{1}},
                                    unit{"m", std::chrono::minutes{1}}, unit{"h", std::chrono::hours{1}}};
  std::int64_t count = 0;
  const auto* end = text.data() + text.size();
  const auto [at, problem] = std::from_chars(text.data(), end, count);
  const std::string_view name{at, static_cast<std::size_t>(end - at)};
  if (problem == std::errc{} && count >= 0 && count <= 1'000'000)
    for (const auto& u : units)
      if (name == u.name) return count * u.size;
  return fail(errc::invalid_argument, "'" + std::string{text} + "' is no duration such as 250ms, 10s, 5m or 1h");
}

std::unexpected<error> cannot_register(std::string_view scheme) {
  return fail(error{errc::unimplemented, std::string{scheme} + ": instances cannot register themselves"}.with_remedy(
      "list them where the registry reads them, or use memory: or consul:"));
}

std::span<const registry_kind> registry_kinds() noexcept {
  static constexpr std::array kinds{
      registry_kind{"static", make_static_registry}, registry_kind{"memory", make_memory_registry},
      registry_kind{"dns", make_dns_registry}, registry_kind{"consul", make_consul_registry},
      registry_kind{"consuls", make_consul_registry}};
  return kinds;
}

result<std::unique_ptr<registry>> open_registry(loop& l, std::string_view url, const registry_wiring& wiring,
                                                std::span<const registry_kind> kinds) {
  const auto scheme = url.substr(0, url.find(':'));
  std::string known;
  for (const auto& kind : kinds) {
    if (scheme.size() < url.size() && kind.scheme == scheme) {
      auto made = kind.make(l, url, wiring);
      if (!made) return fail(made.error().with_operation(std::string{scheme} + " registry"));
      return made;
    }
    known.append(known.empty() ? "" : ", ").append(kind.scheme).append(":");
  }
  return fail(error{errc::invalid_argument, "no registry '" + std::string{scheme.substr(0, 32)} + "'"}.with_remedy(
      "one of " + known));
}

std::unique_ptr<registry> make_registry(loop& l, std::string_view url, const registry_wiring& wiring) {
  auto made = open_registry(l, url, wiring);
  if (!made) throw std::invalid_argument{made.error().describe()};
  return *std::move(made);
}

}  // namespace weft::discovery
