#pragma once
// Handlers that several tests of the server use.
#include "http_harness.hpp"

namespace weft::http {

inline task<result<response>> echo_target(request& r) { co_return response::text(std::string{r.target()}); }

inline task<result<response>> echo_text(request& r) {
  WEFT_CO_TRY(const auto text, co_await r.content.text());
  co_return response::text(std::string{text});
}

// The request's content becomes the answer's, as a proxy passes it on.
inline task<result<response>> echo_stream(request& r) {
  response answer;
  answer.content = std::move(r.content);
  co_return answer;
}

inline task<result<response>> ignore_content(request&) { co_return response::text("ignored"); }

// Waits until told, or until its context ends.
struct gate {
  explicit gate(loop& l) : open{l}, home{l} {}
  task<result<response>> operator()(request& r) {
    ++waiting;
    const auto waited = co_await open.wait(r.context());
    --waiting;
    if (!waited) {
      last_reason = waited.error().code();
      ++cancelled;
      co_return fail(waited.error());
    }
    co_return response::text(std::string{r.target()} + "|" + std::string{r.content.buffered()});
  }
  event open;
  loop& home;
  int waiting = 0, cancelled = 0;
  errc last_reason{};
};
inline handler through(gate& g) {
  return [&g](request& r) { return g(r); };
}

struct fast_then_slow {
  task<result<response>> operator()(request& r) {
    if (r.target() == "/slow") return slow(r);
    return echo_target(r);
  }
  gate& slow;
};

}  // namespace weft::http
