#pragma once
// A broker's administration over HTTP, for a service whose broker nobody else can reach: memory: and sqlite: belong to
// their process.
//
//     http::router admin;
//     admin.mount("/admin/messaging", messaging::admin_routes(loop, *broker, {.token = settings.token.reveal()}));
//     // weft dlq list --broker http://:TOKEN@localhost:8080        (remote_broker.hpp is the other side)
//
// Off unless a program mounts it. Whoever reaches these routes reads every message and can publish, replay and delete:
// give them a listener of their own on loopback, or a token, or both.
//
// Paths: GET features, groups, dead_letters?group=&after=&limit=, tail?pattern= (JSON lines, until the client goes);
// POST publish, replay, purge, clear, remove_group. An error is
// {"error":{"code","message","operation","peer","remedy"}} with the status of its code.
#include <weft/http/router.hpp>
#include <weft/messaging/broker.hpp>
#include <weft/runtime/loop.hpp>

#include <cstddef>
#include <string>

namespace weft::messaging {

struct admin_options {
  std::string token;  // asked for as "Authorization: Bearer <token>"; empty: nothing is asked for
  std::size_t max_publish_bytes = 64 * 1024 * 1024;  // of one request's content
  std::size_t max_dead_letters = 1000;               // in one answer, whatever the limit that is asked for
  std::size_t max_tails = 16;                        // at a time; more are refused: errc::resource_exhausted
  duration tail_heartbeat =
      std::chrono::seconds{10};  // an empty line this often, so that a client that left is noticed

  // errc::invalid_argument names the field.
  [[nodiscard]] result<> validate() const;
};

// On the broker's loop; both outlive the router and its requests. Throws std::invalid_argument for wrong options.
[[nodiscard]] http::router admin_routes(loop& l, broker& of, admin_options options = {});

}  // namespace weft::messaging
