#pragma once
// One connection's life as a state machine, from the protocol header to the last close: bytes and times in, bytes and
// events out. No I/O, no clock.
//
//     session s{options};
//     s.start(now);
//     ... write s.output(), clear it, s.wrote(now)
//     auto used = s.receive(bytes, now, events);      // how much of the front is done with; an error ends it all
//     if (auto alive = s.tick(now); !alive) ...       // at s.deadline() at the latest
//
// After an error the output may hold a connection.close for the server; write it if that is possible, then give up the
// stream. Source: AMQP 0-9-1, 2.2.4 (opening), 4.2.7 (heartbeats), 4.10 (channel lifetimes).
#include <weft/amqp/frame.hpp>
#include <weft/runtime/timer.hpp>

#include "reply.hpp"

namespace weft::amqp::sansio {

enum class mechanism : std::uint8_t { plain, external };

struct session_options {
  sansio::mechanism mechanism = mechanism::plain;
  std::string user = "guest", password = "guest";
  std::string virtual_host = "/";
  table client_properties;  // besides what weft says about itself
  std::uint16_t channel_max = 2047;
  std::uint32_t frame_max = 131'072;
  std::chrono::seconds heartbeat{60};                // 0: none
  std::uint64_t message_max = 128ULL * 1024 * 1024;  // a larger one ends the connection
};

struct tuning {
  std::uint16_t channel_max = 0;
  std::uint32_t frame_max = least_frame_max;
  std::chrono::seconds heartbeat{0};
};

// basic.deliver, basic.return or basic.get-ok with what followed it.
struct content {
  method how;
  amqp::properties properties;
  std::string body;
};

// Called from receive().
class session_events {
 public:
  virtual void opened() = 0;
  virtual void arrived(std::uint16_t channel, method m) = 0;
  // It is the session's: what is not taken out of it is used again, and no channel may be opened or released meanwhile.
  virtual void arrived(std::uint16_t channel, content&& c) = 0;
  virtual void blocked(std::string reason) = 0;
  virtual void unblocked() = 0;
  virtual void secret_updated() = 0;

 protected:
  ~session_events() = default;
};

class session {
 public:
  enum class state : std::uint8_t { idle, starting, authenticating, opening, open, closing, closed };

  explicit session(session_options options) : options_{std::move(options)} {}

  void start(steady_time now);
  // Whole frames are consumed. After an error, and once closed, nothing is.
  result<std::size_t> receive(std::string_view bytes, steady_time now, session_events& events);
  result<> tick(steady_time now);
  [[nodiscard]] steady_time deadline() const noexcept;
  void wrote(steady_time now) noexcept { last_sent_ = now; }
  // Nothing was read on purpose: silence until now is not the server's.
  void excuse_silence(steady_time now) noexcept { last_received_ = now; }

  // errc::resource_exhausted when all are in use.
  result<std::uint16_t> take_channel();
  void release_channel(std::uint16_t number);

  result<> send(std::uint16_t channel, const method& m);
  result<> send(std::uint16_t channel, const message& m);
  void update_secret(std::string secret, std::string reason);
  // A new secret is also the one for the next connection.
  void close(reply_code code, std::string text);

  [[nodiscard]] state current() const noexcept { return state_; }
  [[nodiscard]] const tuning& tuned() const noexcept { return tuning_; }
  [[nodiscard]] const table& server_properties() const noexcept { return server_properties_; }
  [[nodiscard]] std::string& output() noexcept { return output_; }

 private:
  // A message of which some frames are still to come.
  struct assembly {
    enum class awaiting : std::uint8_t { nothing, header, body };
    awaiting next = awaiting::nothing;
    content so_far;
    std::uint64_t missing = 0;
  };
  struct channel_slot {
    bool taken = false;
    assembly parts;
  };

  result<> on_frame(const frame& f, session_events& events);
  result<> on_channel_frame(const frame& f, session_events& events);
  result<> on_channel_method(const frame& f, assembly& parts, session_events& events);
  result<> on_deliver(const frame& f, assembly& parts);
  result<> on_content_header(const frame& f, assembly& parts, session_events& events);
  result<> on_content_body(const frame& f, assembly& parts, session_events& events);
  result<> on_connection_method(method m, session_events& events);
  result<> on_start(const connection_start& m);
  result<> on_tune(const connection_tune& m);
  result<> on_close(const connection_close& m);
  void send_or_assert(const method& m);
  error violation(reply_code code, std::string text);

  session_options options_;
  state state_ = state::idle;
  tuning tuning_;
  table server_properties_;
  std::vector<channel_slot> channels_{1};  // by number; 0 is the connection itself
  std::string output_;
  steady_time last_sent_{}, last_received_{};
};

}  // namespace weft::amqp::sansio
