#pragma once
// Mail by SMTP (RFC 5321), through libcurl on the loop's pool for blocking calls.
//
//     smtp_mailer mails{loop, {.url = "smtp://mail.example.com:587", .from = "market@example.com", .user = "market",
//                              .password = password, .tls = smtp_tls::required}};
//     WEFT_CO_TRY_VOID(co_await mails.send(ctx, m));
//
// A refusal of the recipient or of the message (5xx) is errc::invalid_argument with what the server said; a 4xx, a
// refused sender or login, a server whose certificate is not trusted, and whatever goes wrong on the way is
// errc::unavailable. Neither mail nor password goes to a server that is not trusted. The end of the context ends the
// wait of its caller; the connection is given up within a second, or at the timeout. Belongs to one loop.
#include "notifications/mailer.hpp"
#include "notifications/smtp_tls.hpp"

#include <weft/runtime/loop.hpp>
#include <weft/service/secret.hpp>

#include <atomic>
#include <memory>

namespace market::notifications {

struct smtp_options {
  std::string url;   // smtp://host:25 or smtps://host:465
  std::string from;  // the sender's address
  std::string user = {};
  weft::service::secret password = {};
  smtp_tls tls = smtp_tls::if_offered;
  std::string authorities = {};                       // PEM file; empty: whom this machine trusts
  weft::duration timeout = std::chrono::seconds{20};  // for all of one mail
};

class smtp_mailer final : public mailer {
 public:
  smtp_mailer(weft::loop& l, smtp_options options);
  ~smtp_mailer() override;  // gives up what is being sent

  weft::task<weft::result<>> send(weft::context ctx, mail m) override;

 private:
  weft::loop& loop_;
  std::shared_ptr<const smtp_options> options_;
  std::shared_ptr<std::atomic<bool>> ended_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace market::notifications
