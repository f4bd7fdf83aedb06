#pragma once
// Sends a mail. What it cannot say for certain is whether a mail whose sending failed half-way has arrived: a mail
// server that took it and was cut off before it could say so looks the same as one that did not take it. A second try
// carries the same Message-ID, by which many mail programs drop the second copy.
#include <weft/base/error.hpp>
#include <weft/base/time.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/task.hpp>

#include <string>

namespace market::notifications {

struct mail {
  std::string to;  // the address
  std::string subject;
  std::string text;
  std::string id;                           // the left part of the Message-ID: the same for every try
  std::string correlation_id, traceparent;  // X-Correlation-ID and Traceparent
  weft::wall_time date;
};

class mailer {
 public:
  virtual ~mailer() = default;
  // errc::invalid_argument when no later try would help: the server refused the recipient or the message, and said why.
  // errc::unavailable for everything that may pass.
  virtual weft::task<weft::result<>> send(weft::context ctx, mail m) = 0;
};

}  // namespace market::notifications
