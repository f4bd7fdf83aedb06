#pragma once
// A client and two hosts of the same small broker, in virtual time.
#include <weft/amqp/connection.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_broker.hpp"

namespace weft::amqp {
using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class ConnectionScene : public testing::Test {
 protected:
  ConnectionScene() {
    for (auto* each : {&broker_, &spare_})
      each->on_boot([this](testkit::host& h) { return fake_broker(h.loop(), state_); });
  }
  // Only the names of what happened.
  connection_options options(const std::string& query = "") {
    auto o = connection_options::parse("amqp://anna:hush@broker" + query).value();
    o.on_event = [this](const connection_event& e) { events_.emplace_back(to_string(e.what)); };
    return o;
  }
  template <class T>
  T run(task<T> work) {
    return sim_.run(client_, std::move(work));
  }
  loop& on() { return client_.loop(); }
  [[nodiscard]] context in(duration time) { return context{}.with_timeout(client_.loop(), time); }
  connection open(connection_options o) { return run(connection::open(on(), in(60s), std::move(o))).value(); }
  channel open_channel(connection& c, channel_options o = {}) { return run(c.open_channel(in(60s), o)).value(); }
  std::vector<std::string> published() {
    std::vector<std::string> all;
    for (const auto& each : state_.log)
      if (each.starts_with("publish ")) all.push_back(each.substr(8));
    return all;
  }
  std::vector<std::string> take_log() { return std::exchange(state_.log, {}); }

  testkit::simulation sim_{5};
  broker_state& state_ = sim_.make<broker_state>();
  testkit::host &broker_ = sim_.add_host("broker"), &spare_ = sim_.add_host("spare");
  testkit::host& client_ = sim_.add_host("client");
  std::vector<std::string> events_;
};

inline message to(std::string queue, std::string body, std::string id) {
  message m{.routing_key = std::move(queue), .body = std::move(body)};
  m.properties.message_id = std::move(id);
  return m;
}

}  // namespace weft::amqp
