#include "queue_browser.hpp"

#include <weft/runtime/when.hpp>

#include <algorithm>

namespace weft::messaging {

namespace {
constexpr std::size_t at_once = 64;  // questions on their way
constexpr std::size_t most_bytes = 256UL * 1024 * 1024;
}  // namespace

task<result<std::vector<amqp::delivery>>> browse(loop& l, amqp::channel& ch, context ctx, std::string queue,
                                                 std::size_t limit) {
  std::vector<amqp::delivery> all;
  bool empty = false;
  std::size_t bytes = 0;
  while (!empty && all.size() < limit && bytes < most_bytes) {
    std::vector<task<result<std::optional<amqp::delivery>>>> questions;
    // One at first: most queues that are looked into are empty.
    const auto count = all.empty() ? 1 : std::min(at_once, limit - all.size());
    for (std::size_t i = 0; i < count; ++i) questions.push_back(ch.get(ctx, queue));
    for (auto& answer : co_await when_all(l, std::move(questions))) {
      if (!answer) co_return fail(answer.error());
      if (*answer)
        bytes += all.emplace_back(**std::move(answer)).message.body.size();
      else
        empty = true;
    }
  }
  co_return all;
}

}  // namespace weft::messaging
