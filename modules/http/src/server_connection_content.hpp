#pragma once
// The content of a request that has not wholly arrived.
#include "server_connection.hpp"

namespace weft::http {

// It may be moved into another message, so the connection tells it when the request has ended.
class server_connection::streamed_content final : public body_source {
 public:
  explicit streamed_content(server_connection& c) noexcept : connection_{&c} {}
  ~streamed_content() override {
    if (connection_ != nullptr) connection_->streamed_ = nullptr;
  }
  void detach() noexcept { connection_ = nullptr; }

  task<result<std::string_view>> next() override;
  std::optional<std::uint64_t> length() const override {
    return connection_ != nullptr ? connection_->content_.length() : std::nullopt;
  }
  const headers* trailers() const override {
    return connection_ != nullptr ? connection_->content_.trailers() : nullptr;
  }
  status problem() const override {
    return connection_ != nullptr && connection_->content_.failed() ? connection_->content_.problem() : status::ok;
  }

 private:
  server_connection* connection_;
};

}  // namespace weft::http
