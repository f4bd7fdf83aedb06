#pragma once
// The parts of a registry's URL that its kinds share, and the kinds themselves.
#include <weft/discovery/registry.hpp>
#include <weft/http/url.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace weft::discovery {

// Reads "a=1&b=2" and complains about what nobody asked for.
class url_parameters {
 public:
  [[nodiscard]] static result<url_parameters> parse(std::string_view query);

  [[nodiscard]] std::string text(std::string_view name, std::string_view otherwise = {});
  // "250ms", "10s", "5m", "1h".
  [[nodiscard]] result<duration> time(std::string_view name, duration otherwise);
  [[nodiscard]] result<std::uint64_t> number(std::string_view name, std::uint64_t otherwise, std::uint64_t most);
  // errc::invalid_argument for a parameter that was never asked for.
  [[nodiscard]] result<> none_left(std::string_view known) const;

 private:
  http::query_pairs pairs_;
  std::vector<bool> used_;
};

[[nodiscard]] result<duration> parse_duration(std::string_view text);

// For registries that cannot register.
[[nodiscard]] std::unexpected<error> cannot_register(std::string_view scheme);

result<std::unique_ptr<registry>> make_static_registry(loop& l, std::string_view url, const registry_wiring& wiring);
result<std::unique_ptr<registry>> make_memory_registry(loop& l, std::string_view url, const registry_wiring& wiring);
result<std::unique_ptr<registry>> make_dns_registry(loop& l, std::string_view url, const registry_wiring& wiring);
result<std::unique_ptr<registry>> make_consul_registry(loop& l, std::string_view url, const registry_wiring& wiring);

}  // namespace weft::discovery
