#include "amqp_link.hpp"

#include "consumer_core.hpp"
#include "sansio/delay_steps.hpp"

namespace weft::messaging {

namespace {

broker_features features_of(const amqp_options& options) {
  broker_features f{.broker = "amqp",
                    .set = {feature::ordering_per_key, feature::ordered_retry, feature::delay, feature::durable,
                            feature::durable_attempts, feature::dead_letter, feature::dead_letter_admin,
                            feature::expiry, feature::mandatory, feature::ephemeral, feature::topic_patterns},
                    .max_message_bytes = options.max_message_bytes,
                    .max_delay = max_amqp_delay};
  if (options.queues == amqp_queues::classic) f.set |= {feature::priorities};
  return f;
}

}  // namespace

amqp_link::amqp_link(loop& l, amqp_options options)
    : loop_{l},
      options_{std::move(options)},
      features_{features_of(options_)},
      restoring_{l, 1},
      opening_{l, 1},
      tasks_{l} {
  auto* metrics = options_.metrics;
  if (metrics == nullptr) return;
  const auto published =
      metrics->add_counter("weft_amqp_published_total", "Publications, by what the broker said.", {"outcome"});
  confirmed_ = published.with({"confirmed"});
  returned_ = published.with({"returned"});
  refused_ = published.with({"refused"});
  failed_ = published.with({"failed"});
  redeliveries_ = metrics->add_counter("weft_amqp_redeliveries_total", "Deliveries that were made before.");
  const auto connects = metrics->add_counter("weft_amqp_connects_total", "Connections made.", {"connection"});
  const auto blocked =
      metrics->add_gauge("weft_amqp_blocked", "1 while the broker takes no publications.", {"connection"});
  for (const auto of : {role::publish, role::consume}) {
    const auto name = of == role::publish ? std::string_view{"publish"} : std::string_view{"consume"};
    connects_[static_cast<int>(of)] = connects.with({name});
    blocked_[static_cast<int>(of)] = blocked.with({name});
  }
}

// Publications that are abandoned by the destructors of the rest are heard of, and begin nothing new.
amqp_link::~amqp_link() { ending_ = true; }

amqp::connection_options amqp_link::connection_for(role of) {
  auto o = options_.connection;
  if (o.connection_name.empty()) o.connection_name = "weft";
  o.connection_name += of == role::publish ? " publishing" : " consuming";
  o.on_event = [this, of](const amqp::connection_event& e) { happened(of, e); };
  return o;
}

void amqp_link::happened(role of, const amqp::connection_event& e) {
  using enum amqp::connection_event::kind;
  const auto index = static_cast<int>(of);
  if (e.what == connected) connects_[index].add();
  if (e.what == blocked) blocked_[index].set(1);
  if (e.what == unblocked || e.what == disconnected) blocked_[index].set(0);
  if (of == role::consume)
    for (auto* c : std::vector{consumers_}) {
      if (e.what == disconnected) consumer_core::connection_lost(c->shared_from_this());
      if (e.what == channel_failed) consumer_core::channel_lost(c->shared_from_this());
      if (e.what == consumer_cancelled) consumer_core::queue_lost(c->shared_from_this(), e.subject);
    }
  if (options_.connection.on_event) options_.connection.on_event(e);
}

task<result<>> amqp_link::open(context ctx) {
  WEFT_CO_TRY(publish_connection_, co_await amqp::connection::open(loop_, ctx, connection_for(role::publish)));
  WEFT_CO_TRY(publishing_, co_await publish_connection_->open_channel(
                               ctx, {.confirm_window = options_.confirm_window, .prefetch = 0}));
  co_return co_await publishing_->declare(ctx, event_exchange(options_));
}

task<result<>> amqp_link::ensure_consuming(context ctx) {
  struct release_at_end {
    semaphore& held;
    ~release_at_end() { held.release(); }
  };
  WEFT_CO_TRY_VOID(co_await opening_.acquire(ctx));
  const release_at_end release{opening_};
  if (!consume_connection_) {
    WEFT_CO_TRY(consume_connection_, co_await amqp::connection::open(loop_, ctx, connection_for(role::consume)));
  }
  if (!topology_) {
    WEFT_CO_TRY(topology_, co_await consume_connection_->open_channel(
                               ctx, {.confirms = amqp::confirms::off, .confirm_window = 1, .prefetch = 0}));
  }
  co_return result<>{};
}

task<result<amqp::channel>> amqp_link::consuming_channel(context ctx, amqp::channel_options options) {
  WEFT_CO_TRY_VOID(co_await ensure_consuming(ctx));
  co_return co_await consume_connection_->open_channel(ctx, options);
}

std::uint32_t amqp_link::partitions_of(const subscription& what) const noexcept {
  return what.lives == lifetime::durable && what.order == ordering::per_key ? options_.partitions : 1;
}

task<result<group_names>> amqp_link::join(context ctx, subscription what) {
  WEFT_CO_TRY(auto names, name_group(options_, what.group, partitions_of(what)));
  WEFT_CO_TRY_VOID(co_await ensure_consuming(ctx));
  // On this connection too, so that it comes back before what is bound to it.
  WEFT_CO_TRY_VOID(co_await topology_->declare(ctx, event_exchange(options_)));
  if (what.lives == lifetime::durable) {
    WEFT_CO_TRY_VOID(co_await declare_durable_group(*topology_, ctx, options_, names, what));
    co_await enter_in_catalogue(ctx, names, what.patterns);
    co_return names;
  }
  if (what.group.empty()) names.base = options_.prefix + "ephemeral." + loop_.random().make_uuid_v4().to_string();
  WEFT_CO_TRY_VOID(co_await declare_ephemeral_group(*topology_, ctx, options_, names, what));
  co_return names;
}

result<> amqp_link::reachable() const {
  for (const auto* c : {&publish_connection_, &consume_connection_}) {
    if (!*c || (*c)->state() == amqp::connection_state::open) continue;
    if ((*c)->state() == amqp::connection_state::blocked)
      return fail(errc::unavailable, "RabbitMQ takes no publications: " + (*c)->blocked_reason());
    const auto problem = (*c)->last_problem();
    return fail(errc::unavailable,
                "no connection to RabbitMQ" + (problem ? ": " + std::string{problem->message()} : std::string{}));
  }
  return {};
}

task<void> amqp_link::close(context ctx) {
  if (publishing_) static_cast<void>(co_await publishing_->flush(ctx));
  co_await tasks_.stop();
  for (auto* c : {&publish_connection_, &consume_connection_})
    if (*c) static_cast<void>(co_await (*c)->close(ctx));
}

}  // namespace weft::messaging
