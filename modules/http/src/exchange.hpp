#pragma once
// One request on one connection of a client, until the head of its response.
#include "client_pool.hpp"

#include <memory>

namespace weft::http {

class exchange {
 public:
  // `owner` keeps the pool: a response may outlive its client.
  exchange(const std::shared_ptr<void>& owner, client_pool& pool, request& r, std::unique_ptr<client_connection> c);
  ~exchange();
  exchange(const exchange&) = delete;
  exchange& operator=(const exchange&) = delete;

  task<result<response>> run(const context& ctx);
  // An error of run(), with the operation and the peer. Apart from it, so that a response is moved once less.
  [[nodiscard]] error named(const error& e) const;
  // Nothing came back, and the connection was an old one: the server closed it under us.
  [[nodiscard]] bool went_stale() const noexcept { return stale_; }

 private:
  result<content_coding> append_head();
  task<result<>> send_request(const context& ctx);
  task<result<>> send_content(content_coding coding, const context& ctx);
  task<result<>> receive_head(duration patience);
  [[nodiscard]] bool heard_nothing() const noexcept;
  result<response> finish();

  const std::shared_ptr<void>& owner_;
  client_pool& pool_;
  request& request_;
  std::unique_ptr<client_connection> connection_;
  http1::response_head head_;
  response answer_;
  bool stale_ = false, request_complete_ = true, answered_ = false;
  bool content_failed_ = false;  // the request's own: no fault of the server
  bool heard_ = false;           // an interim response: the server has seen the request
};

}  // namespace weft::http
