#pragma once
// Consul's JSON, to and from what discovery.hpp calls things. Pure functions.
#include <weft/discovery/consul.hpp>

#include <string>
#include <string_view>

namespace weft::discovery::consul {

[[nodiscard]] std::string ttl_check_id(std::string_view service_id);
[[nodiscard]] std::string http_check_id(std::string_view service_id);
// errc::invalid_argument names what Consul would refuse.
[[nodiscard]] result<std::string> encode_registration(const registration& r);
[[nodiscard]] result<snapshot> decode_health(std::string_view json);
[[nodiscard]] result<std::optional<kv_entry>> decode_kv(std::string_view json);
[[nodiscard]] result<std::string> encode_session(const session_options& options);
[[nodiscard]] result<std::string> decode_session_id(std::string_view json);
// RFC 4648 section 4, padding required.
[[nodiscard]] result<std::string> decode_base64(std::string_view text);
// "10s", "250ms": as Go reads durations.
[[nodiscard]] std::string go_duration(duration d);

}  // namespace weft::discovery::consul
