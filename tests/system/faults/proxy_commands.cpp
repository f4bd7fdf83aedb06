#include "proxy_commands.hpp"

#include <charconv>

namespace weft::system_tests {

namespace {

std::string set_delay(tcp_proxy& proxy, std::string_view milliseconds) {
  int count = 0;
  const auto* end = milliseconds.data() + milliseconds.size();
  const auto [at, problem] = std::from_chars(milliseconds.data(), end, count);
  if (problem != std::errc{} || at != end || count < 0) return "error: delay takes milliseconds";
  proxy.set_delay(std::chrono::milliseconds{count});
  return "ok";
}

std::string tell(const tcp_proxy::figures& f) {
  return "ok accepted " + std::to_string(f.accepted) + " refused " + std::to_string(f.refused) + " cut " +
         std::to_string(f.cut) + " bytes " + std::to_string(f.bytes);
}

}  // namespace

std::string obey(tcp_proxy& proxy, std::string_view line) {
  if (line == "cut") return "ok " + std::to_string(proxy.cut());
  if (line == "refuse") return proxy.admit(admission::refused), "ok";
  if (line == "admit") return proxy.admit(admission::open), "ok";
  if (line == "stall") return proxy.set_traffic(traffic::stalled), "ok";
  if (line == "flow") return proxy.set_traffic(traffic::flowing), "ok";
  if (line.starts_with("delay ")) return set_delay(proxy, line.substr(6));
  if (line == "figures") return tell(proxy.counted());
  return "error: one of cut, refuse, admit, stall, flow, delay <ms>, figures";
}

}  // namespace weft::system_tests
