#pragma once
// The market's configuration: the host's settings and a section for each service. market.yaml is an example.
#include <weft/service/settings.hpp>

namespace market {

enum class market_service : std::uint8_t { users, posts };
BOOST_DESCRIBE_ENUM(market_service, users, posts)

struct users_settings {
  weft::service::http_settings http{.port = 8081};
  std::uint32_t max_users = 100'000;
};
BOOST_DESCRIBE_STRUCT(users_settings, (), (http, max_users))

struct posts_settings {
  weft::service::http_settings http{.port = 8082};
  std::uint32_t max_posts = 100'000;
};
BOOST_DESCRIBE_STRUCT(posts_settings, (), (http, max_posts))

struct faults_settings {
  bool enabled = false;
};
BOOST_DESCRIBE_STRUCT(faults_settings, (), (enabled))

struct settings : weft::service::host_settings {
  std::optional<market_service> only;
  users_settings users;
  posts_settings posts;
  faults_settings faults;

  [[nodiscard]] bool runs(market_service which) const noexcept { return !only || *only == which; }
  void check(weft::service::config_check& problems) const {
    problems.require(cores == 1, "cores", "must be 1: the market keeps its data in memory, on one core");
  }
};
BOOST_DESCRIBE_STRUCT(settings, (weft::service::host_settings), (only, users, posts, faults))

}  // namespace market

template <>
struct weft::json::traits<market::settings> {
  static constexpr field_note fields[] = {
      {.member = "only", .description = "one service of the market; the others run elsewhere, see discovery.registry"},
      {.member = "faults", .description = "faults on purpose, by POST /debug/faults of the posts service"}};
};
