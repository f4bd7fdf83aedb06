#pragma once
// A welcome mail for every new user, on user.created.
//
//     welcome_mails welcome{loop, box, &smtp, &log};          // without a mailer: into the mailbox alone
//     welcome.serve(messages.consuming(core, "notifications"), {.max_attempts = 8});
//
// Once for each user: what the mailbox knows is not sent again, whether the event came twice, was replayed, or was told
// under another id. Without a mailer that is exact, since the mailbox's keys hold it. With one a mail is sent, then
// noted: a process that dies in between sends it again, with the same Message-ID. SMTP cannot promise more.
//
// What fails is tried again, at growing intervals; what the server refuses for good goes to the dead letters at once,
// with what the server said. While everything fails, one mail at a time is tried and none uses up its attempts; what is
// wrong is logged, once a minute while it stays the same.
// Belongs to one loop; all of what it is given outlives it, and it outlives the router.
#include "notifications/mailbox.hpp"
#include "notifications/mailer.hpp"

#include <weft/messaging/router.hpp>
#include <weft/observe/log.hpp>

#include <set>

namespace market::notifications {

// Of a user, what is of interest here.
struct new_user {
  recipient_id id;
  std::string name, email;
};
BOOST_DESCRIBE_STRUCT(new_user, (), (id, name, email))

inline constexpr weft::messaging::topic<new_user> user_created{"user.created"};

struct welcome_options {
  std::uint32_t concurrency = 2;   // mails that are sent at the same time
  std::uint32_t max_attempts = 8;  // of each mail
  weft::duration first_delay = std::chrono::seconds{2};
  weft::duration timeout = std::chrono::seconds{30};  // of one attempt
};

class welcome_mails {
 public:
  welcome_mails(weft::loop& l, mailbox& box, mailer* mails, const weft::observe::logger* log = nullptr)
      : loop_{l}, box_{box}, mails_{mails}, log_{log} {}
  welcome_mails(const welcome_mails&) = delete;
  welcome_mails& operator=(const welcome_mails&) = delete;

  void serve(weft::messaging::router& from, const welcome_options& options);
  // Why the last mail was not sent, unless that was its own fault; empty when it was.
  [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }

 private:
  weft::task<weft::result<>> welcome(weft::context ctx, new_user who, std::string event_id);
  weft::task<weft::result<>> send(weft::context ctx, notification n);
  void note(const weft::context& ctx, const weft::result<>& sent);

  weft::loop& loop_;
  mailbox& box_;
  mailer* mails_;
  const weft::observe::logger* log_;
  std::string trouble_;
  weft::steady_time told_at_{};
  std::set<std::string> sent_;  // the events whose mail a server has taken, and which are not noted yet
};

}  // namespace market::notifications
