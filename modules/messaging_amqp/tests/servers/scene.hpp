#pragma once
// What the tests are written with: brokers, names of a test's own, and messages with numbers. Whatever goes wrong that
// a test did not ask about is thrown.
#include "rabbitmq.hpp"

#include <stdexcept>

namespace weft::messaging {

template <class T>
T sure(result<T> r) {
  if (!r) throw std::runtime_error{r.error().describe()};
  if constexpr (!std::is_void_v<T>) return *std::move(r);
}

// One test's view of the server.
class scene {
 public:
  explicit scene(loop& l) : l{l}, own_{l.random().make_uuid_v4().to_string()} {}

  loop& l;

  [[nodiscard]] std::string name(std::string_view part) const { return "t-" + own_ + "." + std::string{part}; }
  [[nodiscard]] context in(duration time = 90s) const { return context{}.with_timeout(l, time); }

  task<std::unique_ptr<amqp_broker>> open(amqp_options o = options_for()) {
    co_return sure(co_await amqp_broker::open(l, in(), std::move(o)));
  }
  task<std::unique_ptr<consumer>> subscribe(broker& b, subscription s) {
    co_return sure(co_await b.subscribe(in(), std::move(s)));
  }
  [[nodiscard]] message make(std::string id, std::string key = {}) const {
    return {.id = std::move(id), .topic = name("x"), .key = std::move(key), .body = "{}"};
  }
  task<void> publish(broker& b, message m, duration delay = {}) {
    outgoing what{.what = std::move(m), .delay = delay};
    sure(co_await publish_one(b, in(), std::move(what)));
  }
  task<void> publish_ids(broker& b, std::vector<std::string> ids) {  // the key is what stands before the number
    for (auto& id : ids) {
      auto key = id.substr(0, id.find_first_of("0123456789"));
      co_await publish(b, make(std::move(id), std::move(key)));
    }
  }
  task<raw_delivery> receive(consumer& c) { co_return sure(co_await c.next(in())).value(); }
  task<void> settle(consumer& c, const raw_delivery& d, settlement how) {
    sure(co_await c.settle(in(), d.tag, std::move(how)));
  }
  task<std::string> take(consumer& c) {  // its id
    const auto d = co_await receive(c);
    co_await settle(c, d, settlement::ack());
    co_return d.what->id;
  }
  task<std::vector<std::string>> take(consumer& c, std::size_t count) {
    std::vector<std::string> ids;
    while (ids.size() < count) ids.push_back(co_await take(c));
    co_return ids;
  }
  task<bool> quiet(consumer& c, duration time = 300ms) {
    const auto got = co_await c.next(in(time));
    co_return !got && got.error().code() == errc::deadline_exceeded;
  }

 private:
  std::string own_;
};

class RabbitScene : public testing::Test {
 protected:
  void SetUp() override { WEFT_NEEDS_RABBITMQ(loop_) }
  void run(task<void> (*body)(scene&)) {
    scene s{loop_};
    loop_.run(body(s));
  }
  epoll_loop loop_;
};

}  // namespace weft::messaging
