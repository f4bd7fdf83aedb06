// RabbitMQ through weft::amqp: one publisher or one consumer of 256-byte persistent messages. messaging_plan.hpp has
// the options; ./dev bench messaging runs it beside its peers, since the broker is most of what is measured.
//
//     amqp --mode publish --count 50000 --queue-type quorum; amqp --mode consume --count 50000
#include <weft/amqp/connection.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>

#include <exception>

#include "messaging_plan.hpp"

namespace {

using namespace weft;
using namespace std::chrono_literals;
using bench::broker_work;
using bench::messaging_measure;
using bench::messaging_plan;

task<result<>> publish(loop& l, context ctx, amqp::channel& ch, const messaging_plan& p) {
  WEFT_CO_TRY_VOID(co_await ch.remove(ctx, amqp::queue_delete{.queue = p.queue}));
  WEFT_CO_TRY_VOID(co_await ch.declare(
      ctx, amqp::queue_declare{.queue = p.queue, .durable = true, .arguments = {{"x-queue-type", p.queue_type}}}));
  const std::string body(bench::messaging_body_size, 'x');
  messaging_measure measure;
  std::size_t confirmed = 0;
  for (std::size_t i = 0; i < p.count; ++i) {
    if (p.rate > 0 && measure.elapsed() < p.due(i)) WEFT_CO_TRY_VOID(co_await weft::sleep(l, ctx, 1ms));
    const auto due = p.rate > 0 ? p.due(i) : measure.elapsed();
    const auto count = [&confirmed, &measure, due](result<> r) {
      confirmed += r ? 1 : 0;
      measure.settled(measure.elapsed() - due);
    };
    amqp::message m{.routing_key = p.queue, .body = body};
    if (ch.unconfirmed() < p.window) {
      WEFT_CO_TRY_VOID(ch.try_publish(std::move(m), count));
    } else {
      WEFT_CO_TRY_VOID(co_await ch.publish_nowait(ctx, std::move(m), count));
    }
  }
  WEFT_CO_TRY_VOID(co_await ch.flush(ctx));
  measure.report(p, confirmed);
  co_return result<>{};
}

task<result<>> consume(context ctx, amqp::channel& ch, const messaging_plan& p) {
  WEFT_CO_TRY(auto from, co_await ch.consume(ctx, {.queue = p.queue}));
  messaging_measure measure;
  for (std::size_t i = 1; i <= p.count; ++i) {
    auto d = from.try_next();
    if (!d) {
      WEFT_CO_TRY(d, co_await from.next(ctx));
    }
    if (i % p.ack_every == 0 || i == p.count)
      ch.ack(*d, p.ack_every > 1 ? amqp::cumulative::yes : amqp::cumulative::no);
  }
  measure.report(p, p.count);
  WEFT_CO_TRY_VOID(co_await from.cancel(ctx));
  WEFT_CO_TRY_VOID(co_await ch.remove(ctx, amqp::queue_delete{.queue = p.queue}));
  co_return result<>{};
}

task<result<>> run(loop& l, messaging_plan p) {
  const auto ctx = context{}.with_timeout(l, 10min);
  WEFT_CO_TRY(auto options, amqp::connection_options::parse(p.url));
  WEFT_CO_TRY(auto broker, co_await amqp::connection::open(l, ctx, std::move(options)));
  WEFT_CO_TRY(auto ch, co_await broker.open_channel(ctx, {.confirm_window = p.window, .prefetch = p.prefetch}));
  if (p.mode == broker_work::publish) {
    WEFT_CO_TRY_VOID(co_await publish(l, ctx, ch, p));
  } else {
    WEFT_CO_TRY_VOID(co_await consume(ctx, ch, p));
  }
  co_return co_await broker.close(ctx);
}

}  // namespace

int main(int argc, char** argv) try {
  epoll_loop loop;
  const auto done = loop.run(run(loop, messaging_plan::parse(argc, argv)));
  if (!done) std::fprintf(stderr, "%s\n", done.error().describe().c_str());
  return done ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
