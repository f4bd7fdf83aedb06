#pragma once
// Which names carry secrets. Log fields and span attributes with such a name are written as "[redacted]".
//
//     observe::redaction secrets;                      // authorization, cookie, password, *_token, ...
//     secrets.add("national_id").add("*_pin");
//     secrets.covers("Set-Cookie");                    // true: case, and - for _, do not matter
//
// It looks at names only: a secret inside a message or under another name is not found. A value; any thread may read.
#include <string>
#include <string_view>
#include <vector>

namespace weft::observe {

inline constexpr std::string_view redacted = "[redacted]";

class redaction {
 public:
  // authorization, proxy_authorization, cookie, set_cookie, password, passwd, passphrase, secret, token, api_key,
  // x_api_key, private_key, credentials, and whatever ends in _token, _secret, _password, _api_key, _private_key. The
  // part of a dotted name that counts is the last: "http.request.header.authorization".
  redaction();
  [[nodiscard]] static redaction none();

  // A name, or "*" and how a name ends.
  redaction& add(std::string_view pattern);
  [[nodiscard]] bool covers(std::string_view name) const noexcept;

 private:
  std::vector<std::string> names_, endings_;
};

}  // namespace weft::observe
