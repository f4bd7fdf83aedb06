#pragma once
// The methods of the classes exchange and queue; see method.hpp.
#include <weft/amqp/method_id.hpp>
#include <weft/amqp/value.hpp>

namespace weft::amqp {

// ---- exchange: class 40

struct exchange_declare {
  static constexpr method_id id{40, 10};
  static constexpr std::string_view name = "exchange.declare";
  std::string exchange, type;
  bool passive = false, durable = false, auto_delete = false, internal = false, no_wait = false;
  amqp::table arguments;
  static void fields(auto& self, auto& f) {
    f.reserved_short_uint();
    f.short_string(self.exchange);
    f.short_string(self.type);
    f.bit(self.passive);
    f.bit(self.durable);
    f.bit(self.auto_delete);
    f.bit(self.internal);
    f.bit(self.no_wait);
    f.table(self.arguments);
  }
  friend bool operator==(const exchange_declare&, const exchange_declare&) = default;
};

struct exchange_declare_ok {
  static constexpr method_id id{40, 11};
  static constexpr std::string_view name = "exchange.declare-ok";
  static void fields(auto&, auto&) {}
  friend bool operator==(const exchange_declare_ok&, const exchange_declare_ok&) = default;
};

struct exchange_delete {
  static constexpr method_id id{40, 20};
  static constexpr std::string_view name = "exchange.delete";
  std::string exchange;
  bool if_unused = false, no_wait = false;
  static void fields(auto& self, auto& f) {
    f.reserved_short_uint();
    f.short_string(self.exchange);
    f.bit(self.if_unused);
    f.bit(self.no_wait);
  }
  friend bool operator==(const exchange_delete&, const exchange_delete&) = default;
};

struct exchange_delete_ok {
  static constexpr method_id id{40, 21};
  static constexpr std::string_view name = "exchange.delete-ok";
  static void fields(auto&, auto&) {}
  friend bool operator==(const exchange_delete_ok&, const exchange_delete_ok&) = default;
};

struct exchange_bind {
  static constexpr method_id id{40, 30};
  static constexpr std::string_view name = "exchange.bind";
  std::string destination, source, routing_key;
  bool no_wait = false;
  amqp::table arguments;
  static void fields(auto& self, auto& f) {
    f.reserved_short_uint();
    f.short_string(self.destination);
    f.short_string(self.source);
    f.short_string(self.routing_key);
    f.bit(self.no_wait);
    f.table(self.arguments);
  }
  friend bool operator==(const exchange_bind&, const exchange_bind&) = default;
};

struct exchange_bind_ok {
  static constexpr method_id id{40, 31};
  static constexpr std::string_view name = "exchange.bind-ok";
  static void fields(auto&, auto&) {}
  friend bool operator==(const exchange_bind_ok&, const exchange_bind_ok&) = default;
};

struct exchange_unbind {
  static constexpr method_id id{40, 40};
  static constexpr std::string_view name = "exchange.unbind";
  std::string destination, source, routing_key;
  bool no_wait = false;
  amqp::table arguments;
  static void fields(auto& self, auto& f) {
    f.reserved_short_uint();
    f.short_string(self.destination);
    f.short_string(self.source);
    f.short_string(self.routing_key);
    f.bit(self.no_wait);
    f.table(self.arguments);
  }
  friend bool operator==(const exchange_unbind&, const exchange_unbind&) = default;
};

struct exchange_unbind_ok {
  static constexpr method_id id{40, 51};
  static constexpr std::string_view name = "exchange.unbind-ok";
  static void fields(auto&, auto&) {}
  friend bool operator==(const exchange_unbind_ok&, const exchange_unbind_ok&) = default;
};

// ---- queue: class 50

struct queue_declare {
  static constexpr method_id id{50, 10};
  static constexpr std::string_view name = "queue.declare";
  std::string queue;
  bool passive = false, durable = false, exclusive = false, auto_delete = false, no_wait = false;
  amqp::table arguments;
  static void fields(auto& self, auto& f) {
    f.reserved_short_uint();
    f.short_string(self.queue);
    f.bit(self.passive);
    f.bit(self.durable);
    f.bit(self.exclusive);
    f.bit(self.auto_delete);
    f.bit(self.no_wait);
    f.table(self.arguments);
  }
  friend bool operator==(const queue_declare&, const queue_declare&) = default;
};

struct queue_declare_ok {
  static constexpr method_id id{50, 11};
  static constexpr std::string_view name = "queue.declare-ok";
  std::string queue;
  std::uint32_t message_count = 0, consumer_count = 0;
  static void fields(auto& self, auto& f) {
    f.short_string(self.queue);
    f.long_uint(self.message_count);
    f.long_uint(self.consumer_count);
  }
  friend bool operator==(const queue_declare_ok&, const queue_declare_ok&) = default;
};

struct queue_bind {
  static constexpr method_id id{50, 20};
  static constexpr std::string_view name = "queue.bind";
  std::string queue, exchange, routing_key;
  bool no_wait = false;
  amqp::table arguments;
  static void fields(auto& self, auto& f) {
    f.reserved_short_uint();
    f.short_string(self.queue);
    f.short_string(self.exchange);
    f.short_string(self.routing_key);
    f.bit(self.no_wait);
    f.table(self.arguments);
  }
  friend bool operator==(const queue_bind&, const queue_bind&) = default;
};

struct queue_bind_ok {
  static constexpr method_id id{50, 21};
  static constexpr std::string_view name = "queue.bind-ok";
  static void fields(auto&, auto&) {}
  friend bool operator==(const queue_bind_ok&, const queue_bind_ok&) = default;
};

struct queue_unbind {
  static constexpr method_id id{50, 50};
  static constexpr std::string_view name = "queue.unbind";
  std::string queue, exchange, routing_key;
  amqp::table arguments;
  static void fields(auto& self, auto& f) {
    f.reserved_short_uint();
    f.short_string(self.queue);
    f.short_string(self.exchange);
    f.short_string(self.routing_key);
    f.table(self.arguments);
  }
  friend bool operator==(const queue_unbind&, const queue_unbind&) = default;
};

struct queue_unbind_ok {
  static constexpr method_id id{50, 51};
  static constexpr std::string_view name = "queue.unbind-ok";
  static void fields(auto&, auto&) {}
  friend bool operator==(const queue_unbind_ok&, const queue_unbind_ok&) = default;
};

struct queue_purge {
  static constexpr method_id id{50, 30};
  static constexpr std::string_view name = "queue.purge";
  std::string queue;
  bool no_wait = false;
  static void fields(auto& self, auto& f) {
    f.reserved_short_uint();
    f.short_string(self.queue);
    f.bit(self.no_wait);
  }
  friend bool operator==(const queue_purge&, const queue_purge&) = default;
};

struct queue_purge_ok {
  static constexpr method_id id{50, 31};
  static constexpr std::string_view name = "queue.purge-ok";
  std::uint32_t message_count = 0;
  static void fields(auto& self, auto& f) { f.long_uint(self.message_count); }
  friend bool operator==(const queue_purge_ok&, const queue_purge_ok&) = default;
};

struct queue_delete {
  static constexpr method_id id{50, 40};
  static constexpr std::string_view name = "queue.delete";
  std::string queue;
  bool if_unused = false, if_empty = false, no_wait = false;
  static void fields(auto& self, auto& f) {
    f.reserved_short_uint();
    f.short_string(self.queue);
    f.bit(self.if_unused);
    f.bit(self.if_empty);
    f.bit(self.no_wait);
  }
  friend bool operator==(const queue_delete&, const queue_delete&) = default;
};

struct queue_delete_ok {
  static constexpr method_id id{50, 41};
  static constexpr std::string_view name = "queue.delete-ok";
  std::uint32_t message_count = 0;
  static void fields(auto& self, auto& f) { f.long_uint(self.message_count); }
  friend bool operator==(const queue_delete_ok&, const queue_delete_ok&) = default;
};

}  // namespace weft::amqp
