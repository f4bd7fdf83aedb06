#pragma once
// The market's configuration: the host's settings and a section for each service. market.yaml is an example.
#include "notifications/smtp_tls.hpp"

#include <weft/service/broker_link.hpp>
#include <weft/service/settings.hpp>

namespace market {

enum class market_service : std::uint8_t { users, posts, notifications };
BOOST_DESCRIBE_ENUM(market_service, users, posts, notifications)

struct users_settings {
  weft::service::http_settings http{.port = 8081};
  weft::service::secret_url database;
  std::uint32_t max_users = 100'000;
  std::uint32_t max_posts = 1'000'000;
};
BOOST_DESCRIBE_STRUCT(users_settings, (), (http, database, max_users, max_posts))

struct posts_settings {
  weft::service::http_settings http{.port = 8082};
  std::uint32_t max_posts = 100'000;
};
BOOST_DESCRIBE_STRUCT(posts_settings, (), (http, max_posts))

struct smtp_settings {
  weft::service::secret_url url;
  std::string from = "market@example.com";
  std::string user;
  weft::service::secret password;
  notifications::smtp_tls tls = notifications::smtp_tls::if_offered;
  std::string authorities;
  std::chrono::milliseconds timeout = std::chrono::seconds{20};

  void check(weft::service::config_check& problems) const;
};
BOOST_DESCRIBE_STRUCT(smtp_settings, (), (url, from, user, password, tls, authorities, timeout))

struct notifications_settings {
  weft::service::http_settings http{.port = 8084};
  weft::service::secret_url database{"sqlite::memory:"};
  std::chrono::milliseconds keep = std::chrono::days{90};
  std::uint32_t concurrency = 2;
  std::uint32_t max_attempts = 8;
  std::chrono::milliseconds first_delay = std::chrono::seconds{2};
  smtp_settings smtp;

  void check(weft::service::config_check& problems) const;
};
BOOST_DESCRIBE_STRUCT(notifications_settings, (), (http, database, keep, concurrency, max_attempts, first_delay, smtp))

struct faults_settings {
  bool enabled = false;
};
BOOST_DESCRIBE_STRUCT(faults_settings, (), (enabled))

struct settings : weft::service::host_settings {
  std::optional<market_service> only;
  weft::service::messaging_settings messaging;
  users_settings users;
  posts_settings posts;
  notifications_settings notifications;
  faults_settings faults;

  [[nodiscard]] bool runs(market_service which) const noexcept { return !only || *only == which; }
  void check(weft::service::config_check& problems) const {
    problems.require(cores == 1, "cores", "must be 1: the market keeps its data in memory, on one core");
  }
};
BOOST_DESCRIBE_STRUCT(settings, (weft::service::host_settings), (only, messaging, users, posts, notifications, faults))

}  // namespace market

template <>
struct weft::json::traits<market::smtp_settings> {
  static constexpr field_note fields[] = {
      {.member = "url", .description = "smtp://host:25 or smtps://host:465; empty: mails go to the mailbox alone"},
      {.member = "from", .description = "the sender's address"},
      {.member = "password", .description = "best a reference, ${env:SMTP_PASSWORD}"},
      {.member = "tls", .description = "STARTTLS for smtp: URLs; required where a password is sent"},
      {.member = "authorities", .description = "PEM file: who may certify the server; empty: whom this machine trusts"},
      {.member = "timeout", .description = "for all of one mail"}};
};
template <>
struct weft::json::traits<market::notifications_settings> {
  static constexpr field_note fields[] = {
      {.member = "database", .description = "the mailbox: sqlite::memory:, sqlite:FILE or postgres://..."},
      {.member = "keep", .description = "how long a notification is remembered, and not sent again"},
      {.member = "concurrency", .description = "mails that are sent at the same time, from 1 to 3"},
      {.member = "max_attempts", .description = "of one mail; then it goes to the dead letters"},
      {.member = "first_delay", .description = "before the second attempt; each later one waits twice as long"}};
};
template <>
struct weft::json::traits<market::users_settings> {
  static constexpr field_note fields[] = {
      {.member = "database",
       .description = "sqlite:FILE or postgres://..., with an outbox beside the users; empty: in memory"},
      {.member = "max_users", .description = "in memory"},
      {.member = "max_posts", .description = "that are counted, of all users; in memory"}};
};
template <>
struct weft::json::traits<market::settings> {
  static constexpr field_note fields[] = {
      {.member = "only", .description = "one service of the market; the others run elsewhere, see discovery.registry"},
      {.member = "messaging", .description = "the broker that carries the events between the services"},
      {.member = "faults", .description = "faults on purpose, by POST /debug/faults of the posts service"}};
};
