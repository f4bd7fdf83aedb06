#include <weft/messaging/core/url_limits.hpp>

#include <algorithm>
#include <charconv>
#include <string>

namespace weft::messaging {

namespace {

result<> read_limit(std::string_view scheme, std::string_view name, std::string_view value,
                    std::span<const url_limit> known) {
  const auto at = std::ranges::find(known, name, &url_limit::name);
  if (at == known.end()) {
    std::string names;
    for (const auto& each : known) names += (names.empty() ? "" : ", ") + std::string{each.name};
    const error unknown{errc::invalid_argument, std::string{scheme} + ": has no parameter '" + std::string{name} + "'"};
    return fail(unknown.with_remedy("it has " + names));
  }
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), *at->value);
  if (parsed.ec == std::errc{} && parsed.ptr == value.data() + value.size()) return {};
  return fail(errc::invalid_argument, std::string{name} + ": '" + std::string{value} + "' is no whole number");
}

}  // namespace

result<> read_limits(std::string_view scheme, std::string_view query, std::span<const url_limit> known) {
  while (!query.empty()) {
    const auto pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    WEFT_TRY_VOID(read_limit(scheme, pair.substr(0, equals),
                             equals == pair.npos ? std::string_view{} : pair.substr(equals + 1), known));
  }
  return {};
}

}  // namespace weft::messaging
