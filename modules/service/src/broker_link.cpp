#include <weft/service/broker_link.hpp>

#include <weft/base/assert.hpp>
#include <weft/messaging/broker_admin.hpp>
#include <weft/runtime/sleep.hpp>

#include <stdexcept>

namespace weft::service {

namespace {

constexpr auto first_pause = std::chrono::milliseconds{200};
constexpr duration longest_pause = std::chrono::seconds{5};
constexpr auto look_again = std::chrono::milliseconds{5};
// Of the time that a step of the drain has: for what comes after the handlers.
constexpr int share_for_handlers = 4, shares = 5;

context first_part(const loop& l, const context& ctx) {
  const auto left = ctx.remaining(l.now());
  return left == duration::max() ? ctx : ctx.with_timeout(l, left / shares * share_for_handlers);
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

struct broker_link::impl {
  impl(application& a, messaging::broker_factory b, messaging_settings s)
      : app{a}, loop{a.loop()}, brokers{std::move(b)}, settings{std::move(s)} {}

  task<result<>> open(context ctx);
  task<result<health_details>> check(context ctx);
  task<void> close(context ctx) { return bus->close(std::move(ctx)); }
  task<void> settle(context ctx);
  struct depth {
    std::uint64_t now = 0, later = 0;  // ready or being handled; delayed
  };
  task<depth> left(context ctx);
  task<void> stop(messaging::router& r, context ctx);
  task<void> flush(messaging::publish_queue& q, context ctx);

  application& app;
  weft::loop& loop;
  messaging::broker_factory brokers;
  messaging_settings settings;
  std::unique_ptr<messaging::broker> bus;
  std::vector<std::unique_ptr<event_outlet>> outlets;
  std::vector<std::unique_ptr<messaging::router>> routers;  // before what they publish by
  bool settled = false;
};

// A broker that starts at the same time as its users is there in a while.
task<result<>> broker_link::impl::open(context ctx) {
  const auto until = loop.now() + settings.open_timeout;
  duration pause = first_pause;
  for (;;) {
    auto opened = co_await brokers.open(loop, ctx.with_deadline(until), settings.broker.reveal());
    if (opened) {
      bus = *std::move(opened);
      app.on_close("the broker", [this](context c) { return close(std::move(c)); });
      co_return result<>{};
    }
    if (!opened.error().transient() || loop.now() + pause >= until)
      co_return fail(opened.error().with_remedy("start it, or correct its URL in the configuration"));
    app.log().warning("the broker cannot be reached yet",
                      {{"broker", settings.broker.shown()}, {"problem", opened.error().describe()}});
    WEFT_CO_TRY_VOID(co_await sleep(loop, ctx, pause));
    pause = std::min(pause * 2, longest_pause);
  }
}

task<result<health_details>> broker_link::impl::check(context ctx) {
  WEFT_CO_TRY_VOID(co_await bus->check(std::move(ctx)));
  std::size_t waiting = 0;
  for (const auto& outlet : outlets) waiting += outlet->queue().size();
  co_return health_details{{"broker", bus->features().broker}, {"unpublished", static_cast<std::int64_t>(waiting)}};
}

// Of the groups that somebody consumes.
task<broker_link::impl::depth> broker_link::impl::left(context ctx) {
  depth all;
  const auto depths = co_await bus->admin()->depths(std::move(ctx));
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
task<void> broker_link::impl::settle(context ctx) {
  if (std::exchange(settled, true) || bus->admin() == nullptr || bus->features().set.has(messaging::feature::durable))
    co_return;
  const auto part = first_part(loop, ctx);
  for (;;) {
    for (const auto& outlet : outlets) static_cast<void>(co_await outlet->queue().flush(part));
    if ((co_await left(part)).now == 0) break;
    if (!co_await sleep(loop, part, look_again)) break;
  }
  const auto lost = co_await left(ctx);
  if (lost.now + lost.later > 0)
    app.log().warning(
        "messages end with the process",
        {{"broker", bus->features().broker}, {"being handled", lost.now}, {"waiting for their time", lost.later}});
}

task<void> broker_link::impl::stop(messaging::router& r, context ctx) {
  co_await settle(ctx);
  must(co_await r.stop(first_part(loop, ctx)));
}

task<void> broker_link::impl::flush(messaging::publish_queue& q, context ctx) {
  must(co_await q.flush(first_part(loop, ctx)));
}

broker_link::broker_link(application& app, messaging::broker_factory brokers, messaging_settings settings)
    : impl_{std::make_unique<impl>(app, std::move(brokers), std::move(settings))} {
  auto* self = impl_.get();
  app.on_start("the broker " + self->settings.broker.shown(),
               [self](context ctx) { return self->open(std::move(ctx)); });
  app.health().add("broker", [self](context ctx) { return self->check(std::move(ctx)); },
                   {.weight = health_weight::advisory});
}

broker_link::~broker_link() = default;

messaging::broker& broker_link::broker() {
  WEFT_ASSERT(impl_->bus != nullptr, "the broker is opened when the application starts");
  return *impl_->bus;
}

event_outlet& broker_link::publishing(core& on, std::string source) {
  WEFT_ASSERT(on.index == 0, "a broker_link belongs to core 0");
  auto& outlet = *impl_->outlets.emplace_back(std::make_unique<event_outlet>(on, broker(), source, impl_->settings));
  impl_->app.on_close("events of " + source, [self = impl_.get(), &outlet](context ctx) {
    return self->flush(outlet.queue(), std::move(ctx));
  });
  return outlet;
}

messaging::router& broker_link::consuming(core& on, std::string name) {
  WEFT_ASSERT(on.index == 0, "a broker_link belongs to core 0");
  auto& router = *impl_->routers.emplace_back(std::make_unique<messaging::router>(
      on.loop, broker(),
      messaging::router_options{.name = name, .tracer = &on.spans, .log = &on.log, .metrics = &on.metrics}));
  // The context of the start ends with it; handlers go on.
  impl_->app.on_start("consumers of " + name, [&router](const context&) { return router.start({}); });
  impl_->app.on_close("consumers of " + name,
                      [self = impl_.get(), &router](context ctx) { return self->stop(router, std::move(ctx)); });
  return router;
}

}  // namespace weft::service
