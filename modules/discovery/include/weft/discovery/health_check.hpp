#pragma once
// Active health checks: what to ask an instance, how often, and how many answers it takes to believe them.
//
//     health_check check{.kind = check_kind::http, .path = "/health/ready", .interval = 5s};
//     auto answer = co_await probe(loop, ctx, client, check, instance.where);
//     if (judge.report(answer ? health_judge::answer::good : health_judge::answer::bad)) { ... }  // it changed
#include <weft/discovery/instance.hpp>
#include <weft/http/client.hpp>
#include <weft/net/tls.hpp>
#include <weft/runtime/loop.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft::discovery {

enum class check_kind : std::uint8_t {
  http,  // the status of an answer
  tcp,   // a connection
  tls,   // a handshake, certificate included
};
enum class initial_health : std::uint8_t {
  healthy,    // until checks fail
  unhealthy,  // until the first check passes; one is enough
};
struct status_range {
  int first = 200, last = 299;
};

struct health_check {
  check_kind kind = check_kind::http;
  std::string path = "/health";
  http::method method = http::method::get;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<status_range> expected{{200, 299}};
  std::uint16_t port = 0;                 // another than the instance's
  std::optional<net::tls_context> tls{};  // for tls, and http on https instances; none: the system's authorities
  std::string server_name{};              // instead of the instance's host

  duration interval = std::chrono::seconds{10};
  double jitter = 0.1;  // of the interval, uniform, so that checks of many callers spread
  duration timeout = std::chrono::seconds{2};
  unsigned healthy_threshold = 2;    // good answers in a row until it is healthy again
  unsigned unhealthy_threshold = 3;  // bad ones in a row until it is not
  initial_health initial = initial_health::healthy;

  // errc::invalid_argument names the field.
  [[nodiscard]] result<> validate() const;
};

// The verdict over a row of answers: a sans-I/O core.
class health_judge {
 public:
  explicit health_judge(const health_check& check) noexcept
      : healthy_threshold_{check.healthy_threshold},
        unhealthy_threshold_{check.unhealthy_threshold},
        healthy_{check.initial == initial_health::healthy} {}
  enum class answer : std::uint8_t { good, bad };
  // Whether this changes the verdict.
  bool report(answer a) noexcept;
  [[nodiscard]] bool healthy() const noexcept { return healthy_; }

 private:
  unsigned healthy_threshold_, unhealthy_threshold_;
  unsigned row_ = 0;  // answers against the verdict
  bool healthy_, first_ = true;
};

// One check, within its timeout; the error says what was wrong ("status 503, expected 200 to 299"). `client` is for
// http, and must have been made with check.tls.
[[nodiscard]] task<result<>> probe(loop& l, context ctx, http::client& client, health_check check, net::endpoint where);
[[nodiscard]] http::client_options probe_client_options(const health_check& check);

}  // namespace weft::discovery
