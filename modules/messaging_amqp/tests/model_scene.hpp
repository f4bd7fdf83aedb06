#pragma once
// A client, or several, and the model broker, in virtual time.
#include <weft/messaging_amqp/amqp_broker.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model_broker.hpp"

namespace weft::messaging {
using namespace std::chrono_literals;

class ModelScene : public testing::Test {
 protected:
  ModelScene() {
    server_.on_boot([this](testkit::host& h) { return model_broker::run(h.loop(), rabbit_); });
  }
  static amqp_options options(const std::string& query = {}) {
    auto o = amqp_options::parse("amqp://weft:weft@rabbit/" + query).value();
    o.connection.backoff_first = 50ms;
    o.connection.backoff_most = 1s;
    return o;
  }
  loop& on() { return client_.loop(); }
  [[nodiscard]] context in(duration time = 60s) { return context{}.with_timeout(on(), time); }
  template <class T>
  T run(task<T> work) {
    return sim_.run(client_, std::move(work));
  }

  std::unique_ptr<amqp_broker> open(amqp_options o = options()) {
    return run(amqp_broker::open(on(), in(), std::move(o))).value();
  }
  std::unique_ptr<consumer> subscribe(broker& b, subscription what) {
    return run(b.subscribe(in(), std::move(what))).value();
  }
  static message make(std::string id, std::string key = {}) {
    return {.id = std::move(id), .topic = "x", .key = std::move(key), .body = "{}"};
  }
  result<> publish(broker& b, message m, duration delay = {}, unroutable how = unroutable::drop) {
    outgoing what{.what = std::move(m), .delay = delay, .if_unroutable = how};
    return run(publish_one(b, in(), std::move(what)));
  }
  raw_delivery receive(consumer& c) {
    auto got = run(c.next(in()));
    EXPECT_TRUE(got) << got.error().describe();
    return got && *got ? **std::move(got) : raw_delivery{.what = std::make_shared<const message>()};
  }
  result<> settle(consumer& c, const raw_delivery& d, settlement how, duration time = 10s) {
    return run(c.settle(in(time), d.tag, std::move(how)));
  }
  std::string take(consumer& c) {  // its id
    const auto d = receive(c);
    EXPECT_TRUE(settle(c, d, settlement::ack()));
    return d.what->id;
  }
  bool quiet(consumer& c, duration time = 2s) {
    const auto got = run(c.next(in(time)));
    return !got && got.error().code() == errc::deadline_exceeded;
  }

  testkit::simulation sim_{7};
  model_broker& rabbit_ = sim_.make<model_broker>();
  testkit::host &server_ = sim_.add_host("rabbit"), &client_ = sim_.add_host("client");
};

}  // namespace weft::messaging
