#include <weft/http/hop_by_hop.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace weft::http {

namespace {
constexpr std::array<std::string_view, 9> fixed{
    "Keep-Alive",        "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer",
    "Transfer-Encoding", "Upgrade",          "HTTP2-Settings"};
constexpr std::array<std::string_view, 7> end_to_end{"Host",          "Authorization", "Cookie",     "Set-Cookie",
                                                     "Cache-Control", "Date",          "Traceparent"};

bool stays(std::string_view name) {
  constexpr std::string_view content = "content-";
  if (name.size() > content.size() && equal_ignoring_case(name.substr(0, content.size()), content)) return true;
  return std::ranges::any_of(end_to_end, [&](std::string_view kept) { return equal_ignoring_case(kept, name); });
}
}  // namespace

void strip_hop_by_hop(headers& h) {
  if (h.contains("connection")) {
    const auto options = h.joined("connection");
    for_each_element(options, [&](std::string_view name) {
      if (!stays(name)) h.remove(name);
      return true;
    });
    h.remove("connection");
  }
  for (const auto name : fixed) h.remove(name);
}

}  // namespace weft::http
