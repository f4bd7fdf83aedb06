#pragma once
// weft publish: one message, or one for each line of the input.
//
//     co_await publish(loop, broker, ctx, {.topic = "user.created", .data = R"({"id":7})"}, input, to);
//     co_await publish(loop, broker, ctx, {.topic = "user.created", .data = "-", .lines = true}, input, to);
//
// Data is JSON and becomes a CloudEvent, as publisher makes it; raw data goes out as it is. What is reported as
// published, the broker has confirmed. Lines go out in their order, a batch at a time, and no more is read while a
// batch is on its way. The first batch with a failure is the last; what failed is told by the number of its line.
#include <weft/messaging/publisher.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "input.hpp"
#include "terminal.hpp"

namespace weft::cli {

struct publishing {
  std::string topic;
  std::string data;  // the text; "@file"; "-" for standard input
  std::string key, id;
  std::vector<std::string> headers;  // "name=value": extensions of the event, or headers of a raw message
  duration delay{}, time_to_live{};
  std::uint8_t priority = messaging::default_priority;
  bool mandatory = false;

  std::string type, source = "/weft", subject;  // of the event
  std::uint32_t schema_version = 1;

  bool raw = false;
  std::string content_type = "application/octet-stream";  // of raw data

  bool lines = false;
  std::size_t batch = 500;                      // lines, at most
  duration timeout = std::chrono::seconds{10};  // of one batch
  std::size_t max_bytes = 16 * 1024 * 1024;     // of one message's data
};

[[nodiscard]] task<result<>> publish(loop& l, messaging::broker& on, context ctx, publishing what, byte_source& input,
                                     terminal to);

}  // namespace weft::cli
