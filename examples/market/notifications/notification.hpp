#pragma once
// A mail to a user, and what may be asked of all of them.
#include "answers/answers.hpp"

#include <weft/base/strong.hpp>
#include <weft/base/time.hpp>
#include <weft/base/uuid.hpp>
#include <weft/json/traits.hpp>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace market::notifications {

using notification_id = weft::strong<struct notification_id_tag, weft::uuid>;  // version 7: later ones have greater ids
using recipient_id = weft::strong<struct recipient_id_tag, weft::uuid>;        // of a user

enum class notification_kind : std::uint8_t { welcome };
BOOST_DESCRIBE_ENUM(notification_kind, welcome)

enum class delivery_way : std::uint8_t {
  mailbox,  // it is in this list, and went nowhere else
  smtp,     // a mail server has taken it
};
BOOST_DESCRIBE_ENUM(delivery_way, mailbox, smtp)

struct notification {
  notification_id id;
  recipient_id user_id;
  notification_kind kind = notification_kind::welcome;
  std::string to, subject, text;
  delivery_way via = delivery_way::mailbox;
  std::string event_id;                     // of the event that it was sent for
  std::string correlation_id, traceparent;  // of the request that set it in motion
  weft::wall_time sent_at;
};
BOOST_DESCRIBE_STRUCT(notification, (),
                      (id, user_id, kind, to, subject, text, via, event_id, correlation_id, traceparent, sent_at))

struct notification_query {
  page_query page;
  std::optional<recipient_id> user;  // not given: everybody's
};

struct notification_page {
  std::vector<notification> notifications;  // the newest first
  std::uint64_t total = 0;                  // on all pages
};

}  // namespace market::notifications
