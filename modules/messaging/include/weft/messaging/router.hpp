#pragma once
// Consumes: calls a handler for each message of a topic, and settles it by what the handler and the middleware say.
//
//     router bus{loop, *broker};
//     bus.use(deduplicate{.window = 60min}).use(dead_letter{"orders.dead"});
//     bus.on(orders_placed, {.group = "billing", .concurrency = 8},
//            [&](const context& ctx, const delivery<order_placed>& d) { return books.record(ctx, d.event); });
//     WEFT_CO_TRY_VOID(co_await bus.start(ctx));
//     ...
//     co_await bus.stop(ctx.with_timeout(loop, 20s));      // finishes what is being handled, gives back the rest
//
// One group is one subscription, whatever the number of its handlers: each message goes to those of its topic, and of
// its event type where topic<> names one, one after another in the order of on(). The first that fails ends that, and
// with the retry all of them are called again. What is on a topic of the group that none of its handlers takes goes to
// the dead letters; an event of another type than they name is passed over.
//
// Without a retry of its own a router has retry{}, and what fails for good goes to the broker's dead letters. A message
// that cannot be read goes there at once. Keys run beside each other, up to `concurrency`; messages of one key one
// after another, also while one of them waits for its retry. The handler's context carries the publisher's trace and
// correlation id, and ends when the router gives up on the handler. An exception counts as errc::internal.
// Belongs to one loop. Stop it before destroying it; destroying it ends handlers at their next suspension point.
#include <weft/json/decode.hpp>
#include <weft/messaging/broker.hpp>
#include <weft/messaging/handling.hpp>
#include <weft/messaging/middleware.hpp>
#include <weft/messaging/topic.hpp>
#include <weft/messaging/upcasters.hpp>
#include <weft/observe/log.hpp>
#include <weft/observe/metrics.hpp>
#include <weft/observe/span.hpp>
#include <weft/runtime/loop.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft::messaging {

struct router_options {
  std::string name = "router";  // for messages
  feature_set needs;            // beyond what subscriptions show
  const upcasters* upcast = nullptr;
  const observe::tracer* tracer = nullptr;
  const observe::logger* log = nullptr;
  // weft_messaging_handled_total{group,topic,outcome}, weft_messaging_handling_duration_seconds{group,topic},
  // weft_messaging_in_flight{group}
  observe::registry* metrics = nullptr;
  // All outlive the router.
  duration settle_timeout = std::chrono::seconds{10};
  // Beyond stop()'s deadline: how long handlers have to notice that their context has ended.
  duration cancel_grace = std::chrono::seconds{1};
};

// What becomes of an event on a handler's topic whose type no handler of the group names.
enum class other_types : std::uint8_t { ignore, dead_letter };

// Handlers of one group have the same order and lifetime; of concurrency and prefetch the largest counts.
struct subscribe_options {
  std::string group;  // empty: one of its own, ephemeral
  std::uint32_t concurrency = 1;
  std::uint32_t prefetch = 0;  // 0: twice the concurrency, at least 16
  ordering order = ordering::per_key;
  lifetime lives = lifetime::durable;
  std::vector<std::string> patterns = {};  // instead of the topic's name
  other_types others = other_types::ignore;
};

class router {
 public:
  // Both outlive the router.
  router(loop& l, broker& from, router_options options = {});
  ~router();
  router(const router&) = delete;
  router& operator=(const router&) = delete;

  // For every subscription; before start(). Throws std::invalid_argument for wrong options.
  template <middleware M>
  router& use(M m) {
    feature_set needs;
    result<> valid;
    if constexpr (requires { m.needs(); }) needs = m.needs();
    if constexpr (requires { m.validate(); }) valid = m.validate();
    auto kind = layer_kind::other;
    if constexpr (std::same_as<M, retry>) kind = layer_kind::retry;
    if constexpr (std::same_as<M, dead_letter>) kind = layer_kind::dead_letter;
    add_layer(kind, needs, std::move(valid),
              [m = std::move(m)](stage next, const middleware_wiring& w) { return m.wrap(std::move(next), w); });
    return *this;
  }

  // Before start(). Throws std::invalid_argument for wrong options.
  template <class Event>
  router& on(const topic<Event>& what, subscribe_options options, handler<std::type_identity_t<Event>> call) {
    add(what.name, std::move(options), reading::event, what.type,
        [call = std::move(call), type = std::string{what.event_type_name()}, version = what.version,
         upcast = options_.upcast](const context& ctx, incoming& in) {
          return handle<Event>(call, type, version, upcast, ctx, in);
        });
    return *this;
  }
  router& on_raw(std::string_view topic_or_pattern, subscribe_options options, raw_handler call);

  // Subscribes and begins. errc::failed_precondition names what the broker lacks; errc::invalid_argument says which
  // middleware stands where it cannot work. Handlers' contexts derive from `ctx`.
  [[nodiscard]] task<result<>> start(context ctx);
  // Fetches no more, waits for handlers until `ctx` ends, then cancels them. errc::deadline_exceeded says how many
  // messages went back unhandled. Once.
  task<result<>> stop(context ctx);

  [[nodiscard]] std::size_t in_flight() const noexcept;  // messages that are being handled
  [[nodiscard]] loop& home() noexcept { return loop_; }
  [[nodiscard]] broker& source() noexcept { return broker_; }
  [[nodiscard]] const observe::logger* log() const noexcept { return options_.log; }

 private:
  friend class router_subscription;
  enum class layer_kind : std::uint8_t { other, retry, dead_letter };
  struct route;
  enum class reading : std::uint8_t { event, raw };
  using wrap_function = std::function<stage(stage, const middleware_wiring&)>;
  using terminal = std::function<task<result<>>(const context&, incoming&)>;

  struct layer {
    layer_kind kind;
    feature_set needs;
    wrap_function wrap;
  };

  void add_layer(layer_kind kind, feature_set needs, result<> valid, wrap_function wrap);
  void add(std::string_view name, subscribe_options options, reading how, std::string_view type, terminal call);
  [[nodiscard]] result<> check_features() const;
  [[nodiscard]] result<> check_layers() const;
  [[nodiscard]] stage build(terminal call, const std::string& group) const;
  [[nodiscard]] task<std::size_t> finish(context ctx);
  void end_now();

  template <class Event>
  static task<result<>> handle(const handler<Event>& call, const std::string& type, std::uint32_t version,
                               const upcasters* upcast, const context& ctx, incoming& in) {
    std::string upcasted;
    auto data = data_as_of(upcast, type, version, *in.envelope, upcasted);
    if (!data) co_return in.unreadable = data.error(), fail(data.error());
    auto made = json::decode<Event>(*data);
    if (!made) co_return in.unreadable = made.error(), fail(made.error());
    const delivery<Event> d{*made, *in.envelope, in.raw.what->id, in.attempt, in.raw};
    co_return co_await call(ctx, d);
  }
  static result<std::string_view> data_as_of(const upcasters* upcast, const std::string& type, std::uint32_t version,
                                             const event_view& envelope, std::string& room);

  loop& loop_;
  broker& broker_;
  router_options options_;
  std::vector<layer> layers_;
  std::vector<std::unique_ptr<class router_subscription>> subscriptions_;
  struct running;
  std::unique_ptr<running> running_;
};

}  // namespace weft::messaging
