#pragma once
// What the tests of the client share: a server that is played byte by byte, and a call that is under way.
#include "http_harness.hpp"

#include <weft/http/client.hpp>

namespace weft::http {

// A server whose connections the test plays itself.
struct scripted {
  explicit scripted(loop& l) : listening{l.listen(address::loopback(0)).value()} {}
  task<wire> accept() { co_return wire{(co_await listening->accept()).value()}; }
  [[nodiscard]] client_options options(client_options o = {}) const {
    o.base_url = "http://127.0.0.1:" + std::to_string(listening->local().port());
    return o;
  }
  std::unique_ptr<listener> listening;
};

// A call that is under way.
struct call {
  call(loop& l, client& c, request r, context ctx = {}) : group{l} {
    group.spawn(run(c, std::move(ctx), std::move(r), answer));
  }
  static task<void> run(client& c, context ctx, request r, std::optional<result<response>>& into) {
    into = co_await c.send(std::move(ctx), std::move(r));
  }
  task<result<response>> done() {
    co_await group.join();
    co_return *std::move(answer);
  }
  std::optional<result<response>> answer;
  task_group group;
};

inline task<result<response>> echo_path(request& r) { co_return response::text(std::string{r.target()}); }

inline client_options to(const served& s, client_options o = {}) {
  o.base_url = "http://127.0.0.1:" + std::to_string(s.server.local().port());
  return o;
}

}  // namespace weft::http
