#pragma once
// The methods of the classes connection and channel; see method.hpp.
#include <weft/amqp/method_id.hpp>
#include <weft/amqp/value.hpp>

namespace weft::amqp {

// ---- connection: class 10

struct connection_start {
  static constexpr method_id id{10, 10};
  static constexpr std::string_view name = "connection.start";
  std::uint8_t version_major = 0, version_minor = 0;
  amqp::table server_properties;
  std::string mechanisms, locales;
  static void fields(auto& self, auto& f) {
    f.octet(self.version_major);
    f.octet(self.version_minor);
    f.table(self.server_properties);
    f.long_string(self.mechanisms);
    f.long_string(self.locales);
  }
  friend bool operator==(const connection_start&, const connection_start&) = default;
};

struct connection_start_ok {
  static constexpr method_id id{10, 11};
  static constexpr std::string_view name = "connection.start-ok";
  amqp::table client_properties;
  std::string mechanism, response, locale;
  static void fields(auto& self, auto& f) {
    f.table(self.client_properties);
    f.short_string(self.mechanism);
    f.long_string(self.response);
    f.short_string(self.locale);
  }
  friend bool operator==(const connection_start_ok&, const connection_start_ok&) = default;
};

struct connection_secure {
  static constexpr method_id id{10, 20};
  static constexpr std::string_view name = "connection.secure";
  std::string challenge;
  static void fields(auto& self, auto& f) { f.long_string(self.challenge); }
  friend bool operator==(const connection_secure&, const connection_secure&) = default;
};

struct connection_secure_ok {
  static constexpr method_id id{10, 21};
  static constexpr std::string_view name = "connection.secure-ok";
  std::string response;
  static void fields(auto& self, auto& f) { f.long_string(self.response); }
  friend bool operator==(const connection_secure_ok&, const connection_secure_ok&) = default;
};

struct connection_tune {
  static constexpr method_id id{10, 30};
  static constexpr std::string_view name = "connection.tune";
  std::uint16_t channel_max = 0;
  std::uint32_t frame_max = 0;
  std::uint16_t heartbeat = 0;
  static void fields(auto& self, auto& f) {
    f.short_uint(self.channel_max);
    f.long_uint(self.frame_max);
    f.short_uint(self.heartbeat);
  }
  friend bool operator==(const connection_tune&, const connection_tune&) = default;
};

struct connection_tune_ok {
  static constexpr method_id id{10, 31};
  static constexpr std::string_view name = "connection.tune-ok";
  std::uint16_t channel_max = 0;
  std::uint32_t frame_max = 0;
  std::uint16_t heartbeat = 0;
  static void fields(auto& self, auto& f) {
    f.short_uint(self.channel_max);
    f.long_uint(self.frame_max);
    f.short_uint(self.heartbeat);
  }
  friend bool operator==(const connection_tune_ok&, const connection_tune_ok&) = default;
};

struct connection_open {
  static constexpr method_id id{10, 40};
  static constexpr std::string_view name = "connection.open";
  std::string virtual_host;
  static void fields(auto& self, auto& f) {
    f.short_string(self.virtual_host);
    f.reserved_short_string();
    f.reserved_bit();
  }
  friend bool operator==(const connection_open&, const connection_open&) = default;
};

struct connection_open_ok {
  static constexpr method_id id{10, 41};
  static constexpr std::string_view name = "connection.open-ok";
  static void fields(auto&, auto& f) { f.reserved_short_string(); }
  friend bool operator==(const connection_open_ok&, const connection_open_ok&) = default;
};

struct connection_close {
  static constexpr method_id id{10, 50};
  static constexpr std::string_view name = "connection.close";
  std::uint16_t reply_code = 0;
  std::string reply_text;
  std::uint16_t class_id = 0, method_id = 0;
  static void fields(auto& self, auto& f) {
    f.short_uint(self.reply_code);
    f.short_string(self.reply_text);
    f.short_uint(self.class_id);
    f.short_uint(self.method_id);
  }
  friend bool operator==(const connection_close&, const connection_close&) = default;
};

struct connection_close_ok {
  static constexpr method_id id{10, 51};
  static constexpr std::string_view name = "connection.close-ok";
  static void fields(auto&, auto&) {}
  friend bool operator==(const connection_close_ok&, const connection_close_ok&) = default;
};

struct connection_blocked {
  static constexpr method_id id{10, 60};
  static constexpr std::string_view name = "connection.blocked";
  std::string reason;
  static void fields(auto& self, auto& f) { f.short_string(self.reason); }
  friend bool operator==(const connection_blocked&, const connection_blocked&) = default;
};

struct connection_unblocked {
  static constexpr method_id id{10, 61};
  static constexpr std::string_view name = "connection.unblocked";
  static void fields(auto&, auto&) {}
  friend bool operator==(const connection_unblocked&, const connection_unblocked&) = default;
};

struct connection_update_secret {
  static constexpr method_id id{10, 70};
  static constexpr std::string_view name = "connection.update-secret";
  std::string new_secret, reason;
  static void fields(auto& self, auto& f) {
    f.long_string(self.new_secret);
    f.short_string(self.reason);
  }
  friend bool operator==(const connection_update_secret&, const connection_update_secret&) = default;
};

struct connection_update_secret_ok {
  static constexpr method_id id{10, 71};
  static constexpr std::string_view name = "connection.update-secret-ok";
  static void fields(auto&, auto&) {}
  friend bool operator==(const connection_update_secret_ok&, const connection_update_secret_ok&) = default;
};

// ---- channel: class 20

struct channel_open {
  static constexpr method_id id{20, 10};
  static constexpr std::string_view name = "channel.open";
  static void fields(auto&, auto& f) { f.reserved_short_string(); }
  friend bool operator==(const channel_open&, const channel_open&) = default;
};

struct channel_open_ok {
  static constexpr method_id id{20, 11};
  static constexpr std::string_view name = "channel.open-ok";
  static void fields(auto&, auto& f) { f.reserved_long_string(); }
  friend bool operator==(const channel_open_ok&, const channel_open_ok&) = default;
};

struct channel_flow {
  static constexpr method_id id{20, 20};
  static constexpr std::string_view name = "channel.flow";
  bool active = false;
  static void fields(auto& self, auto& f) { f.bit(self.active); }
  friend bool operator==(const channel_flow&, const channel_flow&) = default;
};

struct channel_flow_ok {
  static constexpr method_id id{20, 21};
  static constexpr std::string_view name = "channel.flow-ok";
  bool active = false;
  static void fields(auto& self, auto& f) { f.bit(self.active); }
  friend bool operator==(const channel_flow_ok&, const channel_flow_ok&) = default;
};

struct channel_close {
  static constexpr method_id id{20, 40};
  static constexpr std::string_view name = "channel.close";
  std::uint16_t reply_code = 0;
  std::string reply_text;
  std::uint16_t class_id = 0, method_id = 0;
  static void fields(auto& self, auto& f) {
    f.short_uint(self.reply_code);
    f.short_string(self.reply_text);
    f.short_uint(self.class_id);
    f.short_uint(self.method_id);
  }
  friend bool operator==(const channel_close&, const channel_close&) = default;
};

struct channel_close_ok {
  static constexpr method_id id{20, 41};
  static constexpr std::string_view name = "channel.close-ok";
  static void fields(auto&, auto&) {}
  friend bool operator==(const channel_close_ok&, const channel_close_ok&) = default;
};

}  // namespace weft::amqp
