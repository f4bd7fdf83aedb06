#pragma once
// A configured value that must not be seen: a password, a token, a key.
//
//     struct database { std::string user; service::secret password; };
//
//     database settings;
//     connect(settings.user, settings.password.reveal());
//
// It is printed, logged and encoded as "[redacted]"; only reveal() gives it away. In configuration it is best a
// reference, "${env:DATABASE_PASSWORD}" or "${file:/run/secrets/database}".
#include <weft/json/codec.hpp>

#include <ostream>
#include <string>
#include <string_view>

namespace weft::service {

class secret {
 public:
  static constexpr std::string_view shown = "[redacted]";

  secret() = default;
  explicit secret(std::string value) : value_{std::move(value)} {}

  [[nodiscard]] const std::string& reveal() const noexcept { return value_; }
  [[nodiscard]] bool empty() const noexcept { return value_.empty(); }

  friend bool operator==(const secret&, const secret&) = default;
  friend std::ostream& operator<<(std::ostream& out, const secret& s) { return out << (s.empty() ? "" : shown); }

 private:
  std::string value_;
};

}  // namespace weft::service

template <>
struct weft::json::codec<weft::service::secret> {
  static constexpr auto form = kind::string;
  static bool read(reader& r, service::secret& out) {
    std::string value;
    if (!r.read_string(value)) return false;
    out = service::secret{std::move(value)};
    return true;
  }
  static void write(writer& w, const service::secret& v) { w.string(v.empty() ? "" : service::secret::shown); }
  static void schema(schema_writer& s) {
    s.keyword("type", "string");
    s.keyword("format", "password");
    s.boolean("writeOnly", true);
  }
};
