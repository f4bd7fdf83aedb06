#pragma once
// One TLS connection over another stream.
#include "tls_state.hpp"

#include <array>

namespace weft::net {

class tls_stream final : public stream {
 public:
  // `server_name`: what a client asks for and verifies; empty for a server.
  static result<std::unique_ptr<tls_stream>> make(loop& l, std::unique_ptr<stream> under,
                                                  std::shared_ptr<const tls_state> state, std::string server_name);
  ~tls_stream() override;

  enum class progress : std::uint8_t { done, blocked, failed };
  [[nodiscard]] progress handshake();
  // For a client that speaks HTTP to a TLS port: says so in its own language.
  void answer_plain_http();
  [[nodiscard]] bool met_plain_http() const noexcept { return plain_http_; }

  io_result try_read(std::span<char> into) override;
  [[nodiscard]] io_status peek() override;
  io_result try_write(std::span<const const_buffer> buffers) override;
  void wait(io_direction direction, io_waiter& waiter) override;
  using stream::cancel;
  void cancel(io_direction direction, errc reason) override;
  void shutdown_write() override;
  void reset() override;
  [[nodiscard]] error failure() const override { return failure_.value_or(error{errc::internal, "no failure"}); }
  [[nodiscard]] const stream_info& info() const override { return info_; }

 private:
  friend struct tls_callbacks;
  tls_stream(loop& l, std::unique_ptr<stream> under, std::shared_ptr<const tls_state> state, std::string server_name);
  result<> set_up();
  void learn_peer();

  // Waits for the stream below on behalf of all that this stream does in one direction.
  struct below final : io_waiter {
    below(tls_stream& s, io_direction d) noexcept : tls{s}, direction{d} {}
    void begin() {
      if (!std::exchange(waiting, true)) tls.under_->wait(direction, *this);
    }
    void run() override;
    tls_stream& tls;
    io_direction direction;
    bool waiting = false;
  };

  bool send(std::string_view ciphertext);  // false when the stream below has failed
  bool flush();                            // true when nothing is held any more
  void fail_with(error e);
  io_result explain_failure();
  [[nodiscard]] error explain() const;
  void wake(io_waiter*& slot);

  loop& loop_;
  std::unique_ptr<stream> under_;
  std::shared_ptr<const tls_state> state_;
  std::string server_name_;
  openssl_ptr<SSL> ssl_;
  stream_info info_;
  std::optional<error> failure_;
  std::string certificate_problem_;  // why verification failed, said by the callback that sees the certificate
  std::string held_;                 // ciphertext that the stream below has not taken yet
  std::size_t held_from_ = 0;
  bool readable_ = true;      // a read may find something
  bool under_ended_ = false;  // the connection ended, orderly or not
  bool established_ = false;  // the handshake is done
  bool closing_ = false;      // close_notify was said
  bool plain_http_ = false;
  io_waiter *reader_ = nullptr, *writer_ = nullptr;
  below from_{*this, io_direction::read}, to_{*this, io_direction::write};
};

}  // namespace weft::net
