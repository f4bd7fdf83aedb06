// RabbitMQ, one publisher and one consumer: 256-byte persistent messages.
//
//     amqp [url] [classic|quorum] [messages] [confirm window] [prefetch]
//
//     publish_per_s    confirmed publications per second, at most the window (256) unconfirmed
//     consume_per_s    deliveries acknowledged one by one per second, at most the prefetch (250) unacknowledged
//     cpu_us           processor time of this process for each message
//
// The broker is most of what is measured: compare with peers in one interleaved run.
#include <weft/amqp/connection.hpp>
#include <weft/runtime/epoll_loop.hpp>

#include <cstdio>
#include <ctime>

namespace {

using namespace weft;
using namespace std::chrono_literals;

struct plan {
  std::string url = "amqp://weft:weft@127.0.0.1:24672/", type = "classic";
  int messages = 50'000;
  std::size_t window = 256;
  std::uint16_t prefetch = 250;
};

struct measure {
  explicit measure(loop& l) : on{l}, begin{l.now()}, cpu{std::clock()} {}
  void report(const char* what, int messages) const {
    const std::chrono::duration<double> took = on.now() - begin;
    std::printf("%s_per_s %.0f cpu_us %.2f\n", what, messages / took.count(),
                1e6 * static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC / messages);
  }
  loop& on;
  steady_time begin;
  std::clock_t cpu;
};

task<result<>> run(loop& l, plan p) {
  const auto ctx = context{}.with_timeout(l, 10min);
  WEFT_CO_TRY(auto options, amqp::connection_options::parse(p.url));
  WEFT_CO_TRY(auto broker, co_await amqp::connection::open(l, ctx, std::move(options)));
  WEFT_CO_TRY(auto ch, co_await broker.open_channel(ctx, {.confirm_window = p.window, .prefetch = p.prefetch}));
  const auto queue = "weft.bench." + p.type;
  WEFT_CO_TRY_VOID(co_await ch.remove(ctx, amqp::queue_delete{.queue = queue}));
  WEFT_CO_TRY_VOID(co_await ch.declare(
      ctx, amqp::queue_declare{.queue = queue, .durable = true, .arguments = {{"x-queue-type", p.type}}}));

  const std::string body(256, 'x');
  int confirmed = 0;
  const measure publishing{l};
  for (int i = 0; i < p.messages; ++i) {
    amqp::message m{.routing_key = queue, .body = body};
    const auto count = [&confirmed](result<> r) { confirmed += r ? 1 : 0; };
    if (ch.unconfirmed() < p.window) {
      WEFT_CO_TRY_VOID(ch.try_publish(std::move(m), count));
    } else {
      WEFT_CO_TRY_VOID(co_await ch.publish_nowait(ctx, std::move(m), count));
    }
  }
  WEFT_CO_TRY_VOID(co_await ch.flush(ctx));
  publishing.report("publish", confirmed);

  WEFT_CO_TRY(auto from, co_await ch.consume(ctx, {.queue = queue}));
  const measure consuming{l};
  for (int i = 0; i < p.messages; ++i) {
    auto d = from.try_next();
    if (!d) {
      WEFT_CO_TRY(d, co_await from.next(ctx));
    }
    ch.ack(*d);
  }
  consuming.report("consume", p.messages);
  WEFT_CO_TRY_VOID(co_await from.cancel(ctx));
  WEFT_CO_TRY_VOID(co_await ch.remove(ctx, amqp::queue_delete{.queue = queue}));
  co_return co_await broker.close(ctx);
}

}  // namespace

int main(int count, char** arguments) {
  plan p;
  if (count > 1) p.url = arguments[1];
  if (count > 2) p.type = arguments[2];
  if (count > 3) p.messages = std::stoi(arguments[3]);
  if (count > 4) p.window = std::stoul(arguments[4]);
  if (count > 5) p.prefetch = static_cast<std::uint16_t>(std::stoi(arguments[5]));
  epoll_loop loop;
  const auto done = loop.run(run(loop, p));
  if (!done) std::fprintf(stderr, "%s\n", done.error().describe().c_str());
  return done ? 0 : 1;
}
