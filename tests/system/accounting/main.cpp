// accounting <publish|consume|both> <broker's URL> <folder of the books> <messages> <keys> <messages a second>
//
// Moves messages and keeps account of them in SQLite files of the folder, so that it can be killed at any time and
// started again. Ends once its part is done; prints "confirmed <n> attempts <n>", "effects <n>". accounting.py does
// the killing.
#include <weft/messaging/broker_factory.hpp>
#include <weft/messaging/memory_broker.hpp>
#include <weft/messaging_amqp/amqp_broker.hpp>
#include <weft/messaging_sqlite/sqlite_broker.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>

#include <cstdio>
#include <exception>
#include <string_view>

#include "consumer.hpp"
#include "publisher.hpp"

namespace {

using namespace weft;
using namespace std::chrono_literals;
using system_tests::numbering;

struct plan {
  std::string_view role;
  std::string url, folder;
  numbering what;
  double rate = 0;
  [[nodiscard]] bool publishes() const { return role != "consume"; }
  [[nodiscard]] bool consumes() const { return role != "publish"; }
};

// The broker may be away while this starts.
task<result<std::unique_ptr<messaging::broker>>> open(loop& l, context ctx, const plan& p) {
  messaging::broker_factory brokers;
  brokers.add("memory", messaging::memory_brokers());
  brokers.add("sqlite", messaging::sqlite_brokers());
  brokers.add("amqp", messaging::amqp_brokers());
  for (int attempt = 1;; ++attempt) {
    auto made = co_await brokers.open(l, ctx.with_timeout(l, 30s), p.url);
    if (made || attempt == 300) co_return made;
    std::fprintf(stderr, "opening: %s\n", made.error().describe().c_str());
    WEFT_CO_TRY_VOID(co_await weft::sleep(l, ctx, 200ms));
  }
}

task<void> publish(loop& l, context ctx, const plan& p, messaging::broker& to, result<>& outcome) {
  auto out = co_await system_tests::publisher::open(l, ctx, p.folder + "/published.db", p.what);
  if (!out) co_return void(outcome = fail(out.error()));
  outcome = co_await (*out)->run(ctx, to, p.rate);
  if (!outcome) co_return;
  const auto sums = co_await (*out)->counted(ctx);
  if (!sums) co_return void(outcome = fail(sums.error()));
  std::printf("confirmed %lld attempts %lld\n", static_cast<long long>(sums->confirmed),
              static_cast<long long>(sums->attempts));
  std::fflush(stdout);
}

task<void> consume(loop& l, context ctx, const plan& p, messaging::broker& from, result<>& outcome) {
  auto in = co_await system_tests::consumer::open(l, ctx, p.folder + "/handled.db", p.what);
  if (!in) co_return void(outcome = fail(in.error()));
  outcome = co_await (*in)->run(ctx, from);
  if (outcome) std::printf("effects %lld\n", static_cast<long long>((*in)->effects()));
}

task<result<>> run(loop& l, const plan& p) {
  const context ctx;
  WEFT_CO_TRY(const auto bus, co_await open(l, ctx, p));
  result<> published, consumed;
  task_group both{l};
  if (p.consumes()) both.spawn(consume(l, ctx, p, *bus, consumed));
  if (p.publishes()) both.spawn(publish(l, ctx, p, *bus, published));
  co_await both.join();
  co_await bus->close(ctx.with_timeout(l, 10s));
  WEFT_CO_TRY_VOID(std::move(published));
  co_return consumed;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 7) {
    std::fprintf(stderr, "usage: accounting <publish|consume|both> <url> <folder> <messages> <keys> <rate>\n");
    return 2;
  }
  const plan p{.role = argv[1],
               .url = argv[2],
               .folder = argv[3],
               .what = {.count = std::stoll(argv[4]), .keys = std::stoll(argv[5])},
               .rate = std::stod(argv[6])};
  epoll_loop loop;
  const auto done = loop.run(run(loop, p));
  if (!done) std::fprintf(stderr, "%s\n", done.error().describe().c_str());
  return done ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
