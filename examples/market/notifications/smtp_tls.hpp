#pragma once
// Whether a connection to a mail server is encrypted.
#include <boost/describe/enum.hpp>
#include <cstdint>

namespace market::notifications {

enum class smtp_tls : std::uint8_t {
  off,
  if_offered,  // STARTTLS where the server has it; open to whoever can change what is sent
  required,    // STARTTLS; a smtps: URL is encrypted from the start in any case
};
BOOST_DESCRIBE_ENUM(smtp_tls, off, if_offered, required)

}  // namespace market::notifications
