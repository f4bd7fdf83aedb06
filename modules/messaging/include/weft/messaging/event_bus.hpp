#pragma once
// Events inside one program: typed, at once, without a broker. Whoever publishes awaits every subscriber, in the order
// of subscription.
//
//     event_bus bus;
//     auto told = bus.subscribe(orders_placed, [&](const context&, const order_placed& o) { return books.record(o); });
//     WEFT_CO_TRY_VOID(co_await bus.publish(ctx, orders_placed, event));
//
// The first error is returned after all have been called; an exception is errc::internal. A subscription ends
// with its object, also while it is being called. A topic has one event type: another is a bug. Belongs to one loop.
#include <weft/base/assert.hpp>
#include <weft/base/error.hpp>
#include <weft/messaging/topic.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/task.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace weft::messaging {

class event_bus {
 public:
  // Ends when it is destroyed.
  using subscription = std::shared_ptr<void>;
  template <class Event>
  using listener = std::function<task<result<>>(const context&, const Event&)>;

  template <class Event>
  [[nodiscard]] subscription subscribe(const topic<Event>& to, listener<std::type_identity_t<Event>> call) {
    auto kept = std::make_shared<erased>([call = std::move(call)](const context& ctx, const void* what) {
      return call(ctx, *static_cast<const Event*>(what));
    });
    add(to.name, type_of<Event>(), kept);
    return kept;
  }
  // The event outlives the call.
  template <class Event>
  [[nodiscard]] task<result<>> publish(context ctx, topic<Event> to, const Event& what) {
    return call_all(std::move(ctx), find(to.name, type_of<Event>()), &what);
  }

 private:
  using erased = std::function<task<result<>>(const context&, const void*)>;
  using type_token = const void*;
  struct listeners {
    type_token type = nullptr;
    std::vector<std::weak_ptr<erased>> list;
  };

  template <class Event>
  [[nodiscard]] static type_token type_of() noexcept {
    static const char token = 0;
    return &token;
  }
  void add(std::string_view name, type_token type, const std::shared_ptr<erased>& call);
  [[nodiscard]] std::vector<std::weak_ptr<erased>> find(std::string_view name, type_token type);
  [[nodiscard]] static task<result<>> call_all(context ctx, std::vector<std::weak_ptr<erased>> list, const void* what);

  std::map<std::string, listeners, std::less<>> topics_;
};

}  // namespace weft::messaging
