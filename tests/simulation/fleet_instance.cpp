#include "fleet_instance.hpp"

#include <weft/discovery/registry.hpp>
#include <weft/http/limits.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/sleep.hpp>

#include <algorithm>
#include <charconv>

namespace fleet {

using namespace weft;
using namespace std::chrono_literals;

struct instance::job {
  explicit job(loop& l) : done{l} {}
  steady_time deadline = steady_time::max();
  bool dropped = false;
  event done;
};

instance::instance(testkit::host& h, ledger& book, instance_options options)
    : host_{h}, book_{book}, options_{options}, queue_{h.loop(), options.queue}, workers_{h.loop()} {
  for (std::size_t i = 0; i < options.workers; ++i) workers_.spawn(work());
}

http::handler instance::handler() {
  http::handler plain = [this](http::request& r) { return answer(r); };
  return options_.late == late_work::dropped ? http::limit_time(host_.loop())(std::move(plain)) : plain;
}

task<result<http::response>> instance::answer(http::request& r) {
  if (r.target() == "/health") co_return http::response{http::status::ok};  // a probe, not a call
  ++book_.arrived;
  const auto name = r.target().substr(r.target().rfind('/') + 1);
  std::size_t number = 0;
  std::from_chars(name.data(), name.data() + name.size(), number);
  if (number < book_.arrivals_of.size()) ++book_.arrivals_of[number];

  const auto mine = std::make_shared<job>(host_.loop());
  if (options_.late == late_work::dropped) mine->deadline = r.context().deadline();
  if (!queue_.try_push(mine)) {
    ++book_.shed;
    co_return http::response::failure(http::status::service_unavailable, "QUEUE_FULL", "the queue is full");
  }
  static_cast<void>(co_await mine->done.wait({}));  // a worker that has begun goes on, whoever still waits
  if (mine->dropped) co_return fail(errc::deadline_exceeded, "its turn came after its deadline");
  co_return http::response::json_text(R"({"id":7,"title":"on resilience","body":"what a call may cost"})");
}

task<void> instance::work() {
  for (;;) {
    auto next = co_await queue_.pop({});
    if (!next || !*next) co_return;
    auto& j = ***next;
    j.dropped = host_.loop().now() >= j.deadline;
    if (!j.dropped) static_cast<void>(co_await weft::sleep(host_.loop(), {}, service_time()));
    j.done.set();
  }
}

duration instance::service_time() {
  const auto half = options_.service_time.count() / 2;
  const auto takes = static_cast<double>(half + host_.loop().random().between(0, 2 * half));
  const auto slow = book_.slowdown.find(host_.name());
  return duration{static_cast<duration::rep>(takes * (slow != book_.slowdown.end() ? slow->second : 1))};
}

namespace {

constexpr auto heartbeat_every = 1s;
constexpr auto heartbeat_ttl = 3s;

task<void> stay_registered(testkit::host& h, discovery::registry& where) {
  discovery::registration self{
      .self = {.id = h.name(), .service = "posts", .where = net::endpoint::parse(h.address(80).to_string()).value()},
      .ttl = heartbeat_ttl};
  for (;;) {
    if (!co_await where.heartbeat({}, "posts", h.name())) static_cast<void>(co_await where.add({}, self));
    static_cast<void>(co_await weft::sleep(h.loop(), {}, heartbeat_every));
  }
}

}  // namespace

task<void> run_instance(testkit::host& h, ledger& book, instance_options options,
                        std::shared_ptr<discovery::memory_hub> hub) {
  instance self{h, book, options};
  http::server server{h.loop(), self.handler()};
  if (const auto listening = server.listen(h.address(80)); !listening)
    h.simulation().fail(h.name() + " cannot listen: " + listening.error().describe());
  if (!hub) {
    static_cast<void>(co_await weft::sleep(h.loop(), {}, 24h));
    co_return;
  }
  const auto registry = discovery::make_registry(h.loop(), "memory:", {.memory = std::move(hub)});
  co_await stay_registered(h, *registry);
}

}  // namespace fleet
