#pragma once
// The messages of a service, from its start to its drain: one line gives an application a broker by URL, and with it
// publishers, consumers, a line in /health and metrics.
//
//     struct users_service {
//       users_service(service::core& core, service::broker_link& messages)
//           : events_{messages.publishing(core, "/users")} {             // keeps what the broker does not take yet
//         messages.consuming(core, "users").on(post_created, {.group = "users.post_count"}, count_post);
//       }
//       http::router routes();
//       service::event_outlet& events_;
//     };
//
//     service::application app{{.name = "users"}, config};
//     std::vector<std::unique_ptr<users_service>> users(config->cores);   // one of each core; destroyed after the link
//     service::broker_link messages{app, brokers, config->messaging};
//     app.serve([&](service::core& core) {
//       users[core.index] = std::make_unique<users_service>(core, messages);
//       return users[core.index]->routes();
//     });
//
// Start: the broker is opened before the routes are made, again and again for `open_timeout` while it cannot be
// reached; consumers begin once the routes are made, before anything listens, so that no event is published which they
// would not get. What the broker lacks, or a wrong URL, ends the start at once.
//
// End (on_close of the application, so after the last request): a broker whose messages end with the process is emptied
// first, as far as there is time; consumers stop, handlers that run are awaited and the rest goes back; publishers wait
// until the broker has taken what is left; the connection closes.
//
// Health: "broker" is advisory. Every instance has the same broker: taking them all out of their balancers because of
// it helps nobody, and requests go on while events wait in the queues.
//
// With several cores each has a broker of its own, opened on its loop before its routes are made, and consumers of a
// group on several cores share its messages. Declare the link after the application and after what its handlers use,
// since it is to be destroyed before them.
#include <weft/messaging/broker_factory.hpp>
#include <weft/messaging/publish_queue.hpp>
#include <weft/messaging/publisher.hpp>
#include <weft/messaging/router.hpp>
#include <weft/service/application.hpp>
#include <weft/service/secret_url.hpp>

#include <memory>
#include <string>
#include <utility>

namespace weft::service {

struct messaging_settings {
  secret_url broker{"memory:"};
  std::chrono::milliseconds open_timeout = std::chrono::seconds{30};
  std::uint32_t max_unpublished = 10'000;  // of each publisher, while the broker is away

  void check(config_check& problems) const;
};
BOOST_DESCRIBE_STRUCT(messaging_settings, (), (broker, open_timeout, max_unpublished))

// A publisher, and what it has to say that the broker has not taken yet.
class event_outlet {
 public:
  event_outlet(core& on, messaging::broker& to, std::string source, const messaging_settings& settings);

  // The message that tell() takes, with the trace, the correlation id and the tenant of the context.
  template <class Event>
  [[nodiscard]] result<messaging::outgoing> prepare(const context& ctx, const messaging::topic<Event>& to,
                                                    const Event& what, std::string_view key,
                                                    messaging::publish_options options = {}) const {
    return publisher_.prepare(ctx, to, what, key, std::move(options));
  }
  // In the background, in order, until the broker has it. errc::resource_exhausted when too many wait already.
  [[nodiscard]] result<> tell(messaging::outgoing what) { return queue_.add(std::move(what)); }
  // When the answer is to wait for the broker.
  [[nodiscard]] messaging::publisher& publisher() noexcept { return publisher_; }
  [[nodiscard]] messaging::publish_queue& queue() noexcept { return queue_; }

 private:
  messaging::publisher publisher_;
  messaging::publish_queue queue_;
};

class broker_link {
 public:
  // `brokers` are the kinds that the program has.
  broker_link(application& app, messaging::broker_factory brokers, messaging_settings settings);
  ~broker_link();
  broker_link(const broker_link&) = delete;
  broker_link& operator=(const broker_link&) = delete;

  // While the core's routes are made, and later on its thread. `source` is the CloudEvents source: "/users".
  [[nodiscard]] event_outlet& publishing(core& on, std::string source);
  // While the core's routes are made: a router that starts once they are. Add its middleware and handlers at once.
  [[nodiscard]] messaging::router& consuming(core& on, std::string name);
  // The core's own, which is open when its routes are made.
  [[nodiscard]] messaging::broker& broker(const core& on);

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace weft::service

template <>
struct weft::json::traits<weft::service::messaging_settings> {
  static constexpr field_note fields[] = {
      {.member = "broker", .description = "memory: (this process), or another kind that the program has, by its URL"},
      {.member = "open_timeout", .description = "how long the start waits for the broker"},
      {.member = "max_unpublished",
       .description = "messages that each publisher keeps while the broker takes none; changes are refused beyond"}};
};
