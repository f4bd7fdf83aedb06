#pragma once
// What handlers and middleware see of a message: delivery<Event>, and the stages that it passes on its way.
#include <weft/base/error.hpp>
#include <weft/messaging/broker.hpp>
#include <weft/messaging/event_view.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/task.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace weft::messaging {

// Borrowed for the length of the call.
template <class Event>
struct delivery {
  const Event& event;
  const event_view& envelope;
  std::string_view message_id;
  std::uint32_t attempt;  // 1 at first
  const raw_delivery& raw;
};

// A handler's error is looked at by the middleware: retried, dead-lettered, ... errc::invalid_argument and
// errc::unimplemented say that no retry will help.
template <class Event>
using handler = std::function<task<result<>>(const context&, const delivery<Event>&)>;
// Of whatever is on the topic, event or not.
using raw_handler = std::function<task<result<>>(const context&, const raw_delivery&)>;

// One message on its way through the stages.
struct incoming {
  const raw_delivery& raw;
  std::string_view group;
  std::uint32_t attempt = 1;                 // with those that the router itself made
  std::optional<event_view> envelope;        // what was read of it; raw handlers: nothing
  std::optional<messaging::event> unpacked;  // where the envelope lies, if not in the message
  std::optional<error> unreadable;           // why there is no event in it: it goes to the dead letters at once
};

struct outcome {
  result<> handled;                   // what the handler said
  std::optional<settlement> decided;  // what becomes of the message, once a stage has decided
};

// A stage calls the next one, or not, and looks at what it says.
using stage = std::move_only_function<task<outcome>(const context&, incoming&)>;

}  // namespace weft::messaging
