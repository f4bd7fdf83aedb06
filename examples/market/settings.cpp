#include "settings.hpp"

namespace market {

// A password that is sent to whoever answers is none, so that has to be asked for by name.
void smtp_settings::check(weft::service::config_check& problems) const {
  const bool encrypted = url.scheme() == "smtps";
  problems.require(url.empty() || encrypted || url.scheme() == "smtp", "url",
                   "expected smtp://host:port or smtps://host:port");
  problems.require(!url.reveal().contains('@'), "url", "holds a user; user and password have fields of their own");
  problems.require(from.contains('@'), "from", "expected a mail address");
  problems.require(!user.empty() || password.empty(), "user", "is missing beside the password");
  problems.require(user.empty() || encrypted || tls != notifications::smtp_tls::if_offered, "tls",
                   "must be required where a password is sent, or off to send it in the clear");
  problems.require(timeout > timeout.zero(), "timeout", "must be longer than 0s");
}

// A mail takes one of the loop's four threads for blocking calls until its server has answered, which may be long.
// SQLite needs those, too.
void notifications_settings::check(weft::service::config_check& problems) const {
  problems.require(concurrency >= 1 && concurrency <= 3, "concurrency", "must be from 1 to 3");
  problems.require(max_attempts > 0, "max_attempts", "must be at least 1");
  problems.require(first_delay >= first_delay.zero(), "first_delay", "must not be negative");
  problems.require(keep > keep.zero(), "keep", "must be longer than 0s");
}

}  // namespace market
