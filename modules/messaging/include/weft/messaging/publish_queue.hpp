#pragma once
// Messages on their way to the broker, kept in memory and published in the background: for programs whose state is in
// memory as well, so that a change and its event are kept or lost together, and no request waits for the broker.
//
//     publisher bus{loop, *broker, {.source = "/users"}};
//     publish_queue queue{loop, bus};
//     WEFT_CO_TRY(auto told, bus.prepare(ctx, user_created, made, made.id));
//     WEFT_CO_TRY_VOID(queue.add(std::move(told)));         // then change the state: nothing else runs in between
//     ...
//     co_await queue.flush(ctx.with_timeout(loop, 5s));     // before the program ends
//
// What the broker does not take is published again under the same id, after a growing pause, until it does; what it
// refuses for good (it is too large, not valid, not allowed) is logged, counted and dropped. A full broker or disk is no
// such refusal. Messages of one key keep their order. The bounds are the options': beyond them add() fails with
// errc::resource_exhausted. A program whose state is in a database needs an outbox there instead. Belongs to one loop;
// publisher and broker outlive it. Destroying it drops what is left.
#include <weft/messaging/publisher.hpp>
#include <weft/observe/log.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

namespace weft::messaging {

struct publish_queue_options {
  std::string name = "publish_queue";  // for messages and metrics
  std::size_t max_messages = 10'000;
  std::size_t max_bytes = 64 * 1024 * 1024;
  std::size_t batch = 100;  // published at once, at most
  duration publish_timeout = std::chrono::seconds{30};
  // Between attempts while the broker takes nothing; doubled each time.
  duration first_delay = std::chrono::milliseconds{100};
  duration max_delay = std::chrono::seconds{10};
  const observe::logger* log = nullptr;
  // weft_messaging_publish_queue_messages{queue}, weft_messaging_publish_queue_refused_total{queue}
  observe::registry* metrics = nullptr;
  // Both outlive the queue.

  [[nodiscard]] result<> validate() const;
};

class publish_queue {
 public:
  publish_queue(loop& l, publisher& to, publish_queue_options options = {});  // throws std::invalid_argument
  ~publish_queue();
  publish_queue(const publish_queue&) = delete;
  publish_queue& operator=(const publish_queue&) = delete;

  [[nodiscard]] result<> add(outgoing what);
  // Waits until nothing is left; errc::deadline_exceeded or cancelled says how much is.
  task<result<>> flush(context ctx);
  [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }

 private:
  struct entry {
    outgoing what;
    std::size_t bytes;
  };
  task<void> publish_all();
  [[nodiscard]] std::vector<outgoing> next_batch() const;
  [[nodiscard]] bool settle(const std::vector<result<>>& results);
  void refuse(const outgoing& what, const error& why) const;

  loop& loop_;
  publisher& to_;
  publish_queue_options options_;
  std::deque<entry> waiting_;
  std::size_t bytes_ = 0;
  weft::event more_, empty_;
  observe::gauge gauge_;
  observe::counter refused_;
  task_group tasks_;
};

}  // namespace weft::messaging
