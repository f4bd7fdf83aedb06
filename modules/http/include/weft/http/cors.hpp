#pragma once
// Cross-origin requests from browsers (Fetch standard 3.2).
//
//     routes.use(cors({.origins = {"https://app.example.com", "https://*.example.com"}}));
//
// A preflight is answered here, 204, or 403 with the reason; other requests of an origin that is not allowed are
// answered without the fields that would let the browser show the answer.
#include <weft/http/message.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace weft::http {

struct cors_options {
  // "https://a.example", "https://*.a.example" (any name below it), or "*" for everyone.
  std::vector<std::string> origins;
  std::vector<std::string> methods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
  std::vector<std::string> request_headers{"*"};  // "*": whatever is asked for
  std::vector<std::string> exposed_headers;       // that scripts may read, besides the safe ones
  enum class credentials : std::uint8_t { refused, allowed };
  credentials cookies = credentials::refused;  // allowed together with the origin "*" is refused at start-up
  std::chrono::seconds max_age{600};           // how long a browser keeps a preflight's answer
};

// Throws std::invalid_argument for options that contradict each other.
[[nodiscard]] middleware cors(cors_options options);

}  // namespace weft::http
