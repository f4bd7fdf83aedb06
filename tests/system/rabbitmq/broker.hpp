#pragma once
// The tests' RabbitMQ, and what they do to it.
#include <weft/amqp/connection.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/sync.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace weft::amqp {
using namespace std::chrono_literals;

inline std::string broker_port() {
  const char* port = std::getenv("WEFT_RABBITMQ_PORT");
  return port == nullptr ? "24672" : port;
}
inline std::string services_folder() {
  const char* folder = std::getenv("WEFT_SERVICES");
  return folder == nullptr ? std::string{WEFT_SOURCE_DIR} + "/build/services" : folder;
}
inline std::string broker_url(const std::string& query = {}) {
  return "amqp://weft:weft@127.0.0.1:" + broker_port() + "/" + query;
}

// Runs rabbitmqctl, and what is like it, beside the loop.
inline task<int> shell(loop& l, std::string command) {
  struct waiting {
    int status = -1;
    event done;
    explicit waiting(loop& on) : done{on} {}
  };
  auto w = std::make_shared<waiting>(l);
  l.offload([w, command] { w->status = std::system((command + " >/dev/null 2>&1").c_str()); }, [w] { w->done.set(); });
  static_cast<void>(co_await w->done.wait({}));
  co_return w->status;
}
inline task<int> rabbitmqctl(loop& l, std::string arguments) {
  return shell(l, "bash " + services_folder() + "/rabbitmq/ctl " + arguments);
}

class Rabbit : public testing::Test {
 protected:
  void SetUp() override {
    auto probe = loop_.run(loop_.connect(context{}.with_timeout(loop_, 2s),
                                         address::loopback(static_cast<std::uint16_t>(std::stoi(broker_port())))));
    if (probe) return;
    if (std::getenv("CI") != nullptr) FAIL() << "no RabbitMQ at port " << broker_port();
    GTEST_SKIP() << "no RabbitMQ at port " << broker_port() << "; ./dev services start rabbitmq starts one";
  }
  template <class T>
  T run(task<T> work) {
    return loop_.run(std::move(work));
  }
  [[nodiscard]] context in(duration time) { return context{}.with_timeout(loop_, time); }
  // A name of this test's own.
  static std::string named(const std::string& what) {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    return std::string{"weft.test."} + test->name() + "." + what;
  }

  epoll_loop loop_;
};

struct opened {
  connection broker;
  channel ch;
};
inline task<opened> open(loop& l, std::string url, channel_options options = {},
                         std::vector<std::string>* events = nullptr) {
  const auto ctx = context{}.with_timeout(l, 60s);
  auto o = connection_options::parse(url).value();
  o.backoff_first = 50ms;
  o.backoff_most = 1s;
  if (events != nullptr)
    o.on_event = [events](const connection_event& e) {
      events->push_back(std::string{to_string(e.what)} + (e.subject.empty() ? "" : " " + e.subject));
    };
  auto broker = co_await connection::open(l, ctx, std::move(o));
  if (!broker) throw std::runtime_error{broker.error().describe()};
  auto ch = co_await broker->open_channel(ctx, options);
  if (!ch) throw std::runtime_error{ch.error().describe()};
  co_return opened{*std::move(broker), *std::move(ch)};
}

inline queue_declare fresh_queue(std::string name, table arguments = {}) {
  return {.queue = std::move(name), .durable = true, .arguments = std::move(arguments)};
}

}  // namespace weft::amqp
