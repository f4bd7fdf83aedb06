#pragma once
// The tests' RabbitMQ, and what they do to it.
#include <weft/messaging_amqp/amqp_broker.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/sync.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace weft::messaging {
using namespace std::chrono_literals;

inline std::string rabbitmq_port() {
  const char* port = std::getenv("WEFT_RABBITMQ_PORT");
  return port == nullptr ? "24672" : port;
}
inline std::string services_folder() {
  const char* folder = std::getenv("WEFT_SERVICES");
  return folder == nullptr ? std::string{WEFT_SOURCE_DIR} + "/build/services" : folder;
}
inline std::string rabbitmq_url(const std::string& query = {}) {
  return "amqp://weft:weft@127.0.0.1:" + rabbitmq_port() + "/" + query;
}

inline bool rabbitmq_is_there(epoll_loop& l) {
  const auto where = address::loopback(static_cast<std::uint16_t>(std::stoi(rabbitmq_port())));
  return l.run(l.connect(context{}.with_timeout(l, 2s), where)).has_value();
}
// In CI a server that is missing is a failure.
#define WEFT_NEEDS_RABBITMQ(loop)                                                                              \
  if (!rabbitmq_is_there(loop)) {                                                                              \
    if (std::getenv("CI") != nullptr) FAIL() << "no RabbitMQ at port " << rabbitmq_port();                     \
    GTEST_SKIP() << "no RabbitMQ at port " << rabbitmq_port() << "; ./dev services start rabbitmq starts one"; \
  }

// Beside the loop.
inline task<int> shell(loop& l, std::string command) {
  struct waiting {
    int status = -1;
    weft::event done;
    explicit waiting(loop& on) : done{on} {}
  };
  auto w = std::make_shared<waiting>(l);
  l.offload([w, command] { w->status = std::system((command + " >/dev/null 2>&1").c_str()); }, [w] { w->done.set(); });
  static_cast<void>(co_await w->done.wait({}));
  co_return w->status;
}
inline task<void> rabbitmqctl(loop& l, std::string arguments) {
  const auto status = co_await shell(l, "bash " + services_folder() + "/rabbitmq/ctl " + arguments);
  if (status != 0) throw std::runtime_error{"rabbitmqctl " + arguments + " failed"};
}
inline task<void> restart_rabbitmq(loop& l) {
  if (co_await shell(l, "cd " WEFT_SOURCE_DIR " && ./dev services restart rabbitmq") != 0)
    throw std::runtime_error{"RabbitMQ did not restart"};
}

inline amqp_options options_for(const std::string& query = {}) {
  auto o = amqp_options::parse(rabbitmq_url(query)).value();
  o.connection.backoff_first = 50ms;
  o.connection.backoff_most = 1s;
  return o;
}
inline task<result<std::unique_ptr<broker>>> open_broker(loop& l, amqp_options o) {
  WEFT_CO_TRY(auto made, co_await amqp_broker::open(l, context{}.with_timeout(l, 60s), std::move(o)));
  co_return std::unique_ptr<broker>{std::move(made)};
}

}  // namespace weft::messaging
