#include <weft/service/broker_link.hpp>

#include <weft/base/assert.hpp>
#include <weft/base/saturating.hpp>
#include <weft/messaging/broker_admin.hpp>
#include <weft/runtime/backoff.hpp>
#include <weft/runtime/from_callback.hpp>
#include <weft/runtime/sleep.hpp>

#include <atomic>
#include <stdexcept>

namespace weft::service {

namespace {

constexpr backoff_options between_attempts{.initial = std::chrono::milliseconds{200}, .max = std::chrono::seconds{5}};
constexpr auto look_again = std::chrono::milliseconds{5};
// Of the time that a step of the drain has: for what comes after the handlers.
constexpr double share_for_handlers = 0.8;

context first_part(const loop& l, const context& ctx) {
  const auto left = ctx.remaining(l.now());
  return left == duration::max() ? ctx
                                 : ctx.with_deadline(later(l.now(), saturating_multiply(left, share_for_handlers)));
}

void must(const result<>& done) {
  if (!done) throw std::runtime_error{done.error().describe()};  // the drain reports it, and goes on
}

}  // namespace

void messaging_settings::check(config_check& problems) const {
  problems.require(broker.reveal().contains(':'), "broker", "expected a URL such as memory:");
  problems.require(open_timeout >= open_timeout.zero(), "open_timeout", "must not be negative");
  problems.require(max_unpublished > 0, "max_unpublished", "must be at least 1");
}

event_outlet::event_outlet(core& on, messaging::broker& to, std::string source, const messaging_settings& settings)
    : publisher_{on.loop, to, {.source = source, .metrics = &on.metrics}},
      queue_{on.loop,
             publisher_,
             {.name = "events of " + source,
              .max_messages = settings.max_unpublished,
              .log = &on.log,
              .metrics = &on.metrics}} {}

// The broker of one core, and what uses it there.
struct core_messages {
  explicit core_messages(core& on) : loop{on.loop}, index{on.index}, log{on.log}, tasks{on.loop} {}

  weft::loop& loop;
  unsigned index;
  observe::logger log;
  std::unique_ptr<messaging::broker> bus;
  std::vector<std::unique_ptr<event_outlet>> outlets;
  std::vector<std::unique_ptr<messaging::router>> routers;  // before what they publish by
  bool settled = false;
  task_group tasks;
};

struct broker_link::impl {
  impl(application& a, messaging::broker_factory b, messaging_settings s)
      : app{a}, brokers{std::move(b)}, settings{std::move(s)}, cores(a.settings().cores) {
    for (auto& each : cores) each = std::make_unique<slot>();
  }

  task<result<>> open(core& on, context ctx);
  [[nodiscard]] core_messages& of(const core& on);
  task<result<health_details>> check(context ctx);
  // Messages that the broker of the core has not taken yet.
  task<result<std::int64_t>> check_core(core_messages& c, context ctx);
  task<void> check_and_report(core_messages& c, duration left, callback_result<result<std::int64_t>> done);
  task<void> settle(core_messages& c, context ctx);
  struct depth {
    std::uint64_t now = 0, later = 0;  // ready or being handled; delayed
  };
  task<depth> left(core_messages& c, context ctx);
  task<void> stop(core_messages& c, messaging::router& r, context ctx);
  task<void> flush(core_messages& c, messaging::publish_queue& q, context ctx);

  application& app;
  messaging::broker_factory brokers;
  messaging_settings settings;
  struct slot {
    std::unique_ptr<core_messages> messages;  // set, and used, on its core's thread
    std::atomic<bool> is_open = false;  // core 0 listens, and is asked for its health, before the others have begun
  };
  std::vector<std::unique_ptr<slot>> cores;
};

core_messages& broker_link::impl::of(const core& on) {
  auto& c = *cores.at(on.index);
  WEFT_ASSERT(c.is_open, "the broker is opened when the application starts");
  return *c.messages;
}

// A broker that starts at the same time as its users is there in a while.
task<result<>> broker_link::impl::open(core& on, context ctx) {
  auto& mine = *cores.at(on.index);
  mine.messages = std::make_unique<core_messages>(on);
  auto& c = *mine.messages;
  const auto until = later(c.loop.now(), settings.open_timeout);
  backoff pauses{between_attempts};
  for (;;) {
    auto opened = co_await brokers.open(c.loop, ctx.with_deadline(until), settings.broker.reveal());
    if (opened) {
      c.bus = *std::move(opened);
      mine.is_open = true;
      app.on_close("the broker", [&c](context end) { return c.bus->close(std::move(end)); });
      co_return result<>{};
    }
    const auto pause = pauses.next(c.loop.now(), c.loop.random());
    if (!opened.error().transient() || later(c.loop.now(), pause) >= until)
      co_return fail(opened.error().with_remedy("start it, or correct its URL in the configuration"));
    c.log.warning("the broker cannot be reached yet",
                  {{"broker", settings.broker.shown()}, {"problem", opened.error().describe()}});
    WEFT_CO_TRY_VOID(co_await weft::sleep(c.loop, ctx, pause));
  }
}

task<result<std::int64_t>> broker_link::impl::check_core(core_messages& c, context ctx) {
  WEFT_CO_TRY_VOID(co_await c.bus->check(std::move(ctx)));
  std::size_t waiting = 0;
  for (const auto& outlet : c.outlets) waiting += outlet->queue().size();
  co_return static_cast<std::int64_t>(waiting);
}

task<void> broker_link::impl::check_and_report(core_messages& c, duration left,
                                               callback_result<result<std::int64_t>> done) {
  done(co_await check_core(c, context::background().with_timeout(c.loop, left)));
}

// On core 0, which asks the others.
task<result<health_details>> broker_link::impl::check(context ctx) {
  std::int64_t unpublished = 0;
  if (!cores.front()->is_open) co_return fail(errc::unavailable, "the broker is not open yet");
  for (const auto& each : cores) {
    if (!each->is_open) continue;
    auto& c = *each->messages;
    if (c.index == 0) {
      WEFT_CO_TRY(const auto waiting, co_await check_core(c, ctx));
      unpublished += waiting;
      continue;
    }
    auto ask = [this, &c, left = ctx.remaining(app.loop().now())](callback_result<result<std::int64_t>> done) {
      c.loop.post([this, &c, left, to = std::move(done)]() mutable {
        c.tasks.spawn(check_and_report(c, left, std::move(to)));
      });
    };
    auto [waiting] = co_await from_callback<result<std::int64_t>>(app.loop(), std::move(ask));
    if (!waiting) co_return fail(std::move(waiting).error());
    unpublished += *waiting;
  }
  co_return health_details{{"broker", cores.front()->messages->bus->features().broker}, {"unpublished", unpublished}};
}

// Of the groups that somebody consumes.
task<broker_link::impl::depth> broker_link::impl::left(core_messages& c, context ctx) {
  depth all;
  const auto depths = co_await c.bus->admin()->depths(std::move(ctx));
  if (!depths) co_return all;
  for (const auto& d : *depths) {
    if (d.consumers == 0) continue;
    all.now += d.ready + d.in_flight;
    all.later += d.delayed;
  }
  co_return all;
}

// What such a broker holds ends with the process: it is handled now, or never. What waits for its time, as a retry
// does, is not waited for.
task<void> broker_link::impl::settle(core_messages& c, context ctx) {
  if (std::exchange(c.settled, true) || c.bus->admin() == nullptr ||
      c.bus->features().set.has(messaging::feature::durable))
    co_return;
  const auto part = first_part(c.loop, ctx);
  for (;;) {
    for (const auto& outlet : c.outlets) static_cast<void>(co_await outlet->queue().flush(part));
    if ((co_await left(c, part)).now == 0) break;
    if (!co_await weft::sleep(c.loop, part, look_again)) break;
  }
  const auto lost = co_await left(c, ctx);
  if (lost.later + lost.now > 0)
    c.log.warning(
        "messages end with the process",
        {{"broker", c.bus->features().broker}, {"being_handled", lost.now}, {"waiting_for_their_time", lost.later}});
}

task<void> broker_link::impl::stop(core_messages& c, messaging::router& r, context ctx) {
  co_await settle(c, ctx);
  must(co_await r.stop(first_part(c.loop, ctx)));
}

task<void> broker_link::impl::flush(core_messages& c, messaging::publish_queue& q, context ctx) {
  must(co_await q.flush(first_part(c.loop, ctx)));
}

broker_link::broker_link(application& app, messaging::broker_factory brokers, messaging_settings settings)
    : impl_{std::make_unique<impl>(app, std::move(brokers), std::move(settings))} {
  auto* self = impl_.get();
  app.on_start_of_each_core("the broker " + self->settings.broker.shown(),
                            [self](core& on, context ctx) { return self->open(on, std::move(ctx)); });
  app.health().add("broker", [self](context ctx) { return self->check(std::move(ctx)); },
                   {.weight = health_weight::advisory});
}

broker_link::~broker_link() = default;

messaging::broker& broker_link::broker(const core& on) { return *impl_->of(on).bus; }

event_outlet& broker_link::publishing(core& on, std::string source) {
  auto& c = impl_->of(on);
  auto& outlet = *c.outlets.emplace_back(std::make_unique<event_outlet>(on, *c.bus, source, impl_->settings));
  impl_->app.on_close("events of " + source, [self = impl_.get(), &c, &outlet](context ctx) {
    return self->flush(c, outlet.queue(), std::move(ctx));
  });
  return outlet;
}

messaging::router& broker_link::consuming(core& on, std::string name) {
  auto& c = impl_->of(on);
  auto& router = *c.routers.emplace_back(std::make_unique<messaging::router>(
      on.loop, *c.bus,
      messaging::router_options{.name = name, .tracer = &on.spans, .log = &on.log, .metrics = &on.metrics}));
  // The context of the start ends with it; handlers go on.
  impl_->app.on_start("consumers of " + name, [&router](const context&) { return router.start({}); });
  impl_->app.on_close("consumers of " + name,
                      [self = impl_.get(), &c, &router](context ctx) { return self->stop(c, router, std::move(ctx)); });
  return router;
}

}  // namespace weft::service
