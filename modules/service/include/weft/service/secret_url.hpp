#pragma once
// A configured URL that may hold a password: "amqp://weft:hunter2@rabbit/shop".
//
//     struct settings { service::secret_url broker{"memory:"}; };
//
//     settings config;
//     auto bus = co_await brokers.open(loop, ctx, config.broker.reveal());
//
// It is printed, logged and encoded with "[redacted]" in the place of the password, and of the parameters password= and
// token=; only reveal() gives it away.
#include <weft/json/codec.hpp>

#include <ostream>
#include <string>
#include <string_view>

namespace weft::service {

class secret_url {
 public:
  secret_url() = default;
  explicit secret_url(std::string value) : value_{std::move(value)} {}

  [[nodiscard]] const std::string& reveal() const noexcept { return value_; }
  [[nodiscard]] std::string shown() const;
  // "amqp", or all of it without a colon.
  [[nodiscard]] std::string_view scheme() const noexcept {
    return std::string_view{value_}.substr(0, value_.find(':'));
  }
  [[nodiscard]] bool empty() const noexcept { return value_.empty(); }

  friend bool operator==(const secret_url&, const secret_url&) = default;
  friend std::ostream& operator<<(std::ostream& out, const secret_url& s) { return out << s.shown(); }

 private:
  std::string value_;
};

}  // namespace weft::service

template <>
struct weft::json::codec<weft::service::secret_url> {
  static constexpr auto form = kind::string;
  static bool read(reader& r, service::secret_url& out) {
    std::string value;
    if (!r.read_string(value)) return false;
    out = service::secret_url{std::move(value)};
    return true;
  }
  static void write(writer& w, const service::secret_url& v) { w.string(v.shown()); }
  static void schema(schema_writer& s) {
    s.keyword("type", "string");
    s.boolean("writeOnly", true);
  }
};
