// RabbitMQ through the broker interface: one publisher or one consumer of 256-byte persistent messages, in a group of
// its own. messaging_plan.hpp has the options; --queue names the group. ./dev bench messaging runs it beside its peers.
//
//     messaging_amqp --mode publish --count 50000 --queue-type quorum
//     messaging_amqp --mode consume --count 50000 --queue-type quorum --prefetch 250
#include <weft/messaging_amqp/amqp_broker.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <exception>

#include "messaging_plan.hpp"

namespace {

using namespace weft;
using namespace weft::messaging;
using namespace std::chrono_literals;
using bench::broker_work;
using bench::messaging_measure;
using bench::messaging_plan;

constexpr std::size_t batch_size = 64;

subscription group_of(const messaging_plan& p) {
  return {.group = p.queue + "." + p.queue_type,
          .patterns = {"bench." + p.queue_type},
          .prefetch = p.prefetch,
          .order = ordering::none};
}

std::vector<outgoing> make_batch(const messaging_plan& p, std::size_t from, std::size_t to) {
  std::vector<outgoing> batch(to - from);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    auto& m = batch[i].what;
    m.id = std::to_string(from + i);
    m.topic = "bench." + p.queue_type;
    m.body.assign(bench::messaging_body_size, 'x');
  }
  return batch;
}

struct progress {
  messaging_measure measure;
  std::size_t next = 0, confirmed = 0;
};

// Several of them keep the window full while one waits for its batch.
task<void> publish_batches(broker& bus, context ctx, const messaging_plan& p, progress& so_far) {
  while (so_far.next < p.count) {
    const auto from = so_far.next;
    so_far.next = std::min(p.count, from + batch_size);
    const auto began = so_far.measure.elapsed();
    for (const auto& r : co_await bus.publish(ctx, make_batch(p, from, so_far.next))) {
      so_far.confirmed += r ? 1 : 0;
      so_far.measure.settled(so_far.measure.elapsed() - began);
    }
  }
}

task<void> publish_one_when_due(broker& bus, context ctx, const messaging_plan& p, progress& so_far,
                                std::size_t number) {
  for (const auto& r : co_await bus.publish(std::move(ctx), make_batch(p, number, number + 1))) {
    so_far.confirmed += r ? 1 : 0;
    so_far.measure.settled(so_far.measure.elapsed() - p.due(number));
  }
}

// Quorum queues notice a little later that a consumer is gone.
task<result<>> remove_group(loop& l, context ctx, amqp_broker& bus, std::string group) {
  for (int tries = 100;; --tries) {
    const auto removed = co_await bus.remove_group(ctx, group);
    if (removed || tries == 1 || removed.error().code() != errc::failed_precondition) co_return removed;
    WEFT_CO_TRY_VOID(co_await weft::sleep(l, ctx, 50ms));
  }
}

task<result<>> publish(loop& l, context ctx, amqp_broker& bus, const messaging_plan& p) {
  static_cast<void>(co_await remove_group(l, ctx, bus, group_of(p).group));  // of a run that was broken off
  WEFT_CO_TRY_VOID(co_await bus.subscribe(ctx, group_of(p)));
  WEFT_CO_TRY_VOID(co_await weft::sleep(l, ctx, 100ms));  // that consumer is gone
  progress so_far;
  task_group work{l};
  if (p.rate > 0) {
    for (std::size_t i = 0; i < p.count; ++i) {
      while (so_far.measure.elapsed() < p.due(i)) WEFT_CO_TRY_VOID(co_await weft::sleep(l, ctx, 1ms));
      work.spawn(publish_one_when_due(bus, ctx, p, so_far, i));
    }
  } else {
    for (std::size_t i = 0; i < 2 * p.window / batch_size; ++i) work.spawn(publish_batches(bus, ctx, p, so_far));
  }
  co_await work.join();
  so_far.measure.report(p, so_far.confirmed);
  co_return result<>{};
}

task<result<>> consume(loop& l, context ctx, amqp_broker& bus, const messaging_plan& p) {
  WEFT_CO_TRY(auto c, co_await bus.subscribe(ctx, group_of(p)));
  messaging_measure measure;
  for (std::size_t i = 0; i < p.count; ++i) {
    auto d = c->try_next();
    if (!d) {
      WEFT_CO_TRY(d, co_await c->next(ctx));
    }
    WEFT_CO_TRY_VOID(co_await c->settle(ctx, d->tag, settlement::ack()));
  }
  measure.report(p, p.count);
  WEFT_CO_TRY_VOID(co_await c->stop(ctx));
  c.reset();
  co_return co_await remove_group(l, std::move(ctx), bus, group_of(p).group);
}

task<result<>> run(loop& l, messaging_plan p) {
  const auto ctx = context{}.with_timeout(l, 10min);
  WEFT_CO_TRY(auto options, amqp_options::parse(p.url));
  options.queues = p.queue_type == "classic" ? amqp_queues::classic : amqp_queues::quorum;
  options.confirm_window = p.window;
  options.exchange = "weft.bench";
  WEFT_CO_TRY(auto bus, co_await amqp_broker::open(l, ctx, std::move(options)));
  if (p.mode == broker_work::publish) {
    WEFT_CO_TRY_VOID(co_await publish(l, ctx, *bus, p));
  } else {
    WEFT_CO_TRY_VOID(co_await consume(l, ctx, *bus, p));
  }
  co_await bus->close(ctx);
  co_return result<>{};
}

}  // namespace

int main(int count, char** arguments) try {
  epoll_loop loop;
  const auto done = loop.run(run(loop, messaging_plan::parse(count, arguments)));
  if (!done) std::fprintf(stderr, "%s\n", done.error().describe().c_str());
  return done ? 0 : 1;
} catch (const std::exception& problem) {
  std::fprintf(stderr, "%s\n", problem.what());
  return 2;
}
