#pragma once
// Asks a handler without a server, and keeps what it answered.
#include <weft/http/message.hpp>
#include <weft/runtime/epoll_loop.hpp>

#include <string>
#include <utility>

namespace weft::http::testing {

struct sent {
  int status = 0;  // of the error, when the handler failed
  headers fields;
  std::string content;  // or why it broke off
  bool failed = false;

  [[nodiscard]] std::string field(std::string_view name) const { return fields.joined(name); }
};

inline task<sent> collect(const handler& h, request& r) {
  auto reply = co_await h(r);
  sent s;
  s.failed = !reply;
  if (!reply) reply = response::from(reply.error());
  s.status = to_int(reply->status);
  s.fields = reply->headers;
  auto text = co_await reply->content.text();
  s.content = text ? std::string{*text} : std::string{to_string(text.error().code())};
  co_return s;
}

inline sent ask(epoll_loop& loop, const handler& h, method m, std::string_view target, headers fields = {},
                body content = {}) {
  request r{m, target, std::move(content)};
  r.headers = std::move(fields);
  return loop.run(collect(h, r));
}
inline sent ask(const handler& h, method m, std::string_view target, headers fields = {}, body content = {}) {
  epoll_loop loop;
  return ask(loop, h, m, target, std::move(fields), std::move(content));
}

}  // namespace weft::http::testing
