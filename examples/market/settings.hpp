#pragma once
// The market's configuration: the host's settings and a section for each service. market.yaml is an example.
#include <weft/service/settings.hpp>

namespace market {

struct users_settings {
  weft::service::http_settings http{.port = 8081};
  std::uint32_t max_users = 100'000;
};
BOOST_DESCRIBE_STRUCT(users_settings, (), (http, max_users))

struct settings : weft::service::host_settings {
  users_settings users;
};
BOOST_DESCRIBE_STRUCT(settings, (weft::service::host_settings), (users))

}  // namespace market
