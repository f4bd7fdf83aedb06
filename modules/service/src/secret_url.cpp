#include <weft/service/secret.hpp>
#include <weft/service/secret_url.hpp>

#include <algorithm>

namespace weft::service {

// Rather too much than too little: a password may hold a / or an @ that should have been percent-encoded, so it goes
// from the first colon to the last @.
std::string secret_url::shown() const {
  std::string out = value_;
  if (const auto slashes = out.find("://"); slashes != out.npos) {
    const auto sign = out.rfind('@');
    const auto colon = out.find(':', slashes + 3);
    if (sign != out.npos && colon < sign) out.replace(colon + 1, sign - colon - 1, secret::shown);
  }
  for (const std::string_view parameter : {"password=", "token="}) {
    for (auto at = out.find('?'); at < out.size();) {
      const auto found = out.find(parameter, at);
      if (found == out.npos) break;
      const auto begin = found + parameter.size();
      out.replace(begin, std::min(out.find('&', begin), out.size()) - begin, secret::shown);
      at = begin;
    }
  }
  return out;
}

}  // namespace weft::service
