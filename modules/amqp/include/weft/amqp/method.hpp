#pragma once
// Every method of AMQP 0-9-1 and of RabbitMQ's extensions, as plain structs in the specification's terms.
//
//     amqp::method m = amqp::queue_declare{.queue = "mails", .durable = true};
//
// `fields` names the arguments in the order of the wire, for the codec (frame.hpp). Bits are false, numbers 0 and
// strings empty unless said otherwise. Sources: the specification's XML, section by section in its order; for
// connection.blocked, connection.update-secret, basic.nack, exchange.bind, confirm.*: rabbitmq.com/extensions.html.
#include <weft/amqp/connection_methods.hpp>
#include <weft/amqp/topology_methods.hpp>

#include <concepts>
#include <variant>

namespace weft::amqp {

// ---- basic: class 60

struct basic_qos {
  static constexpr method_id id{60, 10};
  static constexpr std::string_view name = "basic.qos";
  std::uint32_t prefetch_size = 0;
  std::uint16_t prefetch_count = 0;
  bool global = false;
  static void fields(auto& self, auto& f) {
    f.long_uint(self.prefetch_size);
    f.short_uint(self.prefetch_count);
    f.bit(self.global);
  }
  friend bool operator==(const basic_qos&, const basic_qos&) = default;
};

struct basic_qos_ok {
  static constexpr method_id id{60, 11};
  static constexpr std::string_view name = "basic.qos-ok";
  static void fields(auto&, auto&) {}
  friend bool operator==(const basic_qos_ok&, const basic_qos_ok&) = default;
};

struct basic_consume {
  static constexpr method_id id{60, 20};
  static constexpr std::string_view name = "basic.consume";
  std::string queue, consumer_tag;
  bool no_local = false, no_ack = false, exclusive = false, no_wait = false;
  amqp::table arguments;
  static void fields(auto& self, auto& f) {
    f.reserved_short_uint();
    f.short_string(self.queue);
    f.short_string(self.consumer_tag);
    f.bit(self.no_local);
    f.bit(self.no_ack);
    f.bit(self.exclusive);
    f.bit(self.no_wait);
    f.table(self.arguments);
  }
  friend bool operator==(const basic_consume&, const basic_consume&) = default;
};

struct basic_consume_ok {
  static constexpr method_id id{60, 21};
  static constexpr std::string_view name = "basic.consume-ok";
  std::string consumer_tag;
  static void fields(auto& self, auto& f) { f.short_string(self.consumer_tag); }
  friend bool operator==(const basic_consume_ok&, const basic_consume_ok&) = default;
};

struct basic_cancel {
  static constexpr method_id id{60, 30};
  static constexpr std::string_view name = "basic.cancel";
  std::string consumer_tag;
  bool no_wait = false;
  static void fields(auto& self, auto& f) {
    f.short_string(self.consumer_tag);
    f.bit(self.no_wait);
  }
  friend bool operator==(const basic_cancel&, const basic_cancel&) = default;
};

struct basic_cancel_ok {
  static constexpr method_id id{60, 31};
  static constexpr std::string_view name = "basic.cancel-ok";
  std::string consumer_tag;
  static void fields(auto& self, auto& f) { f.short_string(self.consumer_tag); }
  friend bool operator==(const basic_cancel_ok&, const basic_cancel_ok&) = default;
};

struct basic_publish {
  static constexpr method_id id{60, 40};
  static constexpr std::string_view name = "basic.publish";
  std::string exchange, routing_key;
  bool mandatory = false, immediate = false;
  static void fields(auto& self, auto& f) {
    f.reserved_short_uint();
    f.short_string(self.exchange);
    f.short_string(self.routing_key);
    f.bit(self.mandatory);
    f.bit(self.immediate);
  }
  friend bool operator==(const basic_publish&, const basic_publish&) = default;
};

struct basic_return {
  static constexpr method_id id{60, 50};
  static constexpr std::string_view name = "basic.return";
  std::uint16_t reply_code = 0;
  std::string reply_text, exchange, routing_key;
  static void fields(auto& self, auto& f) {
    f.short_uint(self.reply_code);
    f.short_string(self.reply_text);
    f.short_string(self.exchange);
    f.short_string(self.routing_key);
  }
  friend bool operator==(const basic_return&, const basic_return&) = default;
};

struct basic_deliver {
  static constexpr method_id id{60, 60};
  static constexpr std::string_view name = "basic.deliver";
  std::string consumer_tag;
  std::uint64_t delivery_tag = 0;
  bool redelivered = false;
  std::string exchange, routing_key;
  static void fields(auto& self, auto& f) {
    f.short_string(self.consumer_tag);
    f.long_long_uint(self.delivery_tag);
    f.bit(self.redelivered);
    f.short_string(self.exchange);
    f.short_string(self.routing_key);
  }
  friend bool operator==(const basic_deliver&, const basic_deliver&) = default;
};

struct basic_get {
  static constexpr method_id id{60, 70};
  static constexpr std::string_view name = "basic.get";
  std::string queue;
  bool no_ack = false;
  static void fields(auto& self, auto& f) {
    f.reserved_short_uint();
    f.short_string(self.queue);
    f.bit(self.no_ack);
  }
  friend bool operator==(const basic_get&, const basic_get&) = default;
};

struct basic_get_ok {
  static constexpr method_id id{60, 71};
  static constexpr std::string_view name = "basic.get-ok";
  std::uint64_t delivery_tag = 0;
  bool redelivered = false;
  std::string exchange, routing_key;
  std::uint32_t message_count = 0;
  static void fields(auto& self, auto& f) {
    f.long_long_uint(self.delivery_tag);
    f.bit(self.redelivered);
    f.short_string(self.exchange);
    f.short_string(self.routing_key);
    f.long_uint(self.message_count);
  }
  friend bool operator==(const basic_get_ok&, const basic_get_ok&) = default;
};

struct basic_get_empty {
  static constexpr method_id id{60, 72};
  static constexpr std::string_view name = "basic.get-empty";
  static void fields(auto&, auto& f) { f.reserved_short_string(); }
  friend bool operator==(const basic_get_empty&, const basic_get_empty&) = default;
};

struct basic_ack {
  static constexpr method_id id{60, 80};
  static constexpr std::string_view name = "basic.ack";
  std::uint64_t delivery_tag = 0;
  bool multiple = false;
  static void fields(auto& self, auto& f) {
    f.long_long_uint(self.delivery_tag);
    f.bit(self.multiple);
  }
  friend bool operator==(const basic_ack&, const basic_ack&) = default;
};

struct basic_reject {
  static constexpr method_id id{60, 90};
  static constexpr std::string_view name = "basic.reject";
  std::uint64_t delivery_tag = 0;
  bool requeue = false;
  static void fields(auto& self, auto& f) {
    f.long_long_uint(self.delivery_tag);
    f.bit(self.requeue);
  }
  friend bool operator==(const basic_reject&, const basic_reject&) = default;
};

struct basic_recover_async {
  static constexpr method_id id{60, 100};
  static constexpr std::string_view name = "basic.recover-async";
  bool requeue = false;
  static void fields(auto& self, auto& f) { f.bit(self.requeue); }
  friend bool operator==(const basic_recover_async&, const basic_recover_async&) = default;
};

struct basic_recover {
  static constexpr method_id id{60, 110};
  static constexpr std::string_view name = "basic.recover";
  bool requeue = false;
  static void fields(auto& self, auto& f) { f.bit(self.requeue); }
  friend bool operator==(const basic_recover&, const basic_recover&) = default;
};

struct basic_recover_ok {
  static constexpr method_id id{60, 111};
  static constexpr std::string_view name = "basic.recover-ok";
  static void fields(auto&, auto&) {}
  friend bool operator==(const basic_recover_ok&, const basic_recover_ok&) = default;
};

struct basic_nack {
  static constexpr method_id id{60, 120};
  static constexpr std::string_view name = "basic.nack";
  std::uint64_t delivery_tag = 0;
  bool multiple = false, requeue = false;
  static void fields(auto& self, auto& f) {
    f.long_long_uint(self.delivery_tag);
    f.bit(self.multiple);
    f.bit(self.requeue);
  }
  friend bool operator==(const basic_nack&, const basic_nack&) = default;
};

// ---- tx: class 90

struct tx_select {
  static constexpr method_id id{90, 10};
  static constexpr std::string_view name = "tx.select";
  static void fields(auto&, auto&) {}
  friend bool operator==(const tx_select&, const tx_select&) = default;
};

struct tx_select_ok {
  static constexpr method_id id{90, 11};
  static constexpr std::string_view name = "tx.select-ok";
  static void fields(auto&, auto&) {}
  friend bool operator==(const tx_select_ok&, const tx_select_ok&) = default;
};

struct tx_commit {
  static constexpr method_id id{90, 20};
  static constexpr std::string_view name = "tx.commit";
  static void fields(auto&, auto&) {}
  friend bool operator==(const tx_commit&, const tx_commit&) = default;
};

struct tx_commit_ok {
  static constexpr method_id id{90, 21};
  static constexpr std::string_view name = "tx.commit-ok";
  static void fields(auto&, auto&) {}
  friend bool operator==(const tx_commit_ok&, const tx_commit_ok&) = default;
};

struct tx_rollback {
  static constexpr method_id id{90, 30};
  static constexpr std::string_view name = "tx.rollback";
  static void fields(auto&, auto&) {}
  friend bool operator==(const tx_rollback&, const tx_rollback&) = default;
};

struct tx_rollback_ok {
  static constexpr method_id id{90, 31};
  static constexpr std::string_view name = "tx.rollback-ok";
  static void fields(auto&, auto&) {}
  friend bool operator==(const tx_rollback_ok&, const tx_rollback_ok&) = default;
};

// ---- confirm: class 85

struct confirm_select {
  static constexpr method_id id{85, 10};
  static constexpr std::string_view name = "confirm.select";
  bool nowait = false;
  static void fields(auto& self, auto& f) { f.bit(self.nowait); }
  friend bool operator==(const confirm_select&, const confirm_select&) = default;
};

struct confirm_select_ok {
  static constexpr method_id id{85, 11};
  static constexpr std::string_view name = "confirm.select-ok";
  static void fields(auto&, auto&) {}
  friend bool operator==(const confirm_select_ok&, const confirm_select_ok&) = default;
};

// Those that come often stand first: they are found first.
using any_method = std::variant<
    basic_deliver, basic_ack, basic_publish, basic_nack, basic_return, basic_reject, basic_get_ok, connection_start,
    connection_start_ok, connection_secure, connection_secure_ok, connection_tune, connection_tune_ok, connection_open,
    connection_open_ok, connection_close, connection_close_ok, connection_blocked, connection_unblocked,
    connection_update_secret, connection_update_secret_ok, channel_open, channel_open_ok, channel_flow, channel_flow_ok,
    channel_close, channel_close_ok, exchange_declare, exchange_declare_ok, exchange_delete, exchange_delete_ok,
    exchange_bind, exchange_bind_ok, exchange_unbind, exchange_unbind_ok, queue_declare, queue_declare_ok, queue_bind,
    queue_bind_ok, queue_unbind, queue_unbind_ok, queue_purge, queue_purge_ok, queue_delete, queue_delete_ok, basic_qos,
    basic_qos_ok, basic_consume, basic_consume_ok, basic_cancel, basic_cancel_ok, basic_get, basic_get_empty,
    basic_recover_async, basic_recover, basic_recover_ok, tx_select, tx_select_ok, tx_commit, tx_commit_ok, tx_rollback,
    tx_rollback_ok, confirm_select, confirm_select_ok>;

template <class M, class Variant>
inline constexpr bool is_alternative = false;
template <class M, class... Ms>
inline constexpr bool is_alternative<M, std::variant<Ms...>> = (std::same_as<M, Ms> || ...);

// One of them: std::get_if, std::get and std::visit take it as the variant that it is. Its special members are compiled
// once (method.cpp, method_copy.cpp), for in every file that moves a method the code for 64 alternatives takes seconds.
class method final : public any_method {
 public:
  template <class M>
    requires is_alternative<M, any_method>
  method(M m);  // NOLINT(google-explicit-constructor): as the variant does
  method();
  method(const method& other);
  method(method&& other) noexcept;
  method& operator=(const method& other);
  method& operator=(method&& other) noexcept;
  ~method();
  friend bool operator==(const method& a, const method& b) { return a.equals(b); }

 private:
  [[nodiscard]] bool equals(const method& other) const;
};

[[nodiscard]] method_id id_of(const method& m) noexcept;
// "queue.declare"
[[nodiscard]] std::string_view name_of(const method& m) noexcept;
// "queue.declare"; "class 9 method 1" when it is none of ours.
[[nodiscard]] std::string name_of(method_id id);

}  // namespace weft::amqp
