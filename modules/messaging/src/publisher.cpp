#include <weft/messaging/publisher.hpp>
#include <weft/observe/trace_context.hpp>

#include <stdexcept>

namespace weft::messaging {

publisher::publisher(loop& l, broker& to, publisher_options options)
    : loop_{l}, broker_{to}, options_{std::move(options)} {
  const event probe{.id = "1", .source = options_.source, .type = "x"};
  if (const auto valid = probe.validate(); !valid)
    throw std::invalid_argument{"publisher: " + std::string{valid.error().message()}};
  if (const auto able = require(to.features(), options_.needs, "the publisher of " + options_.source); !able)
    throw std::invalid_argument{able.error().describe()};
  if (options_.metrics != nullptr)
    published_ = options_.metrics->add_counter("weft_messaging_published_total", "Messages handed to the broker.",
                                               {"topic", "outcome"});
}

namespace {

void fill_from_context(event& e, const context& ctx, const publish_options& options) {
  if (options.cause != nullptr) e.extensions.append(extension::causationid, options.cause->id);
  auto correlation = std::string{ctx.correlation_id()};
  if (correlation.empty() && options.cause != nullptr) correlation = options.cause->get(extension::correlationid);
  if (!correlation.empty()) e.extensions.append(extension::correlationid, std::move(correlation));
  if (const auto& tenant = ctx.caller().tenant; !tenant.empty()) e.extensions.append(extension::tenant, tenant);
  if (!ctx.trace().valid()) return;
  auto trace = observe::inject(ctx.trace());
  e.extensions.append(extension::traceparent, std::move(trace.traceparent));
  if (!trace.tracestate.empty()) e.extensions.append(extension::tracestate, std::move(trace.tracestate));
}

}  // namespace

result<outgoing> publisher::prepare_json(const context& ctx, std::string_view topic, std::string_view type,
                                         std::uint32_t version, std::string data, std::string key,
                                         publish_options options) const {
  event e;
  e.id = options.id.empty() ? loop_.random().make_uuid_v7(loop_.wall_now()).to_string() : std::move(options.id);
  e.source = options_.source;
  e.type = type;
  e.time = loop_.wall_now();
  e.data_content_type = json_content_type;
  e.data = std::move(data);
  e.subject = options.subject.empty() ? key : std::move(options.subject);
  e.extensions.reserve(8 + options.extensions.size());
  e.extensions.append(extension::schemaversion, std::to_string(version));
  if (!key.empty()) e.extensions.append(extension::partitionkey, key);
  if (!options.aggregate_type.empty()) {
    e.extensions.append(extension::aggregatetype, std::string{options.aggregate_type});
    e.extensions.append(extension::aggregateid, key);
  }
  fill_from_context(e, ctx, options);
  for (const auto& x : options.extensions) e.set(x.name, x.value);
  outgoing out{.delay = options.delay, .if_unroutable = options.if_unroutable};
  WEFT_TRY(out.what, to_message(std::move(e), std::string{topic}, options_.mode));
  out.what.priority = options.priority;
  out.what.time_to_live = options.time_to_live;
  WEFT_TRY_VOID(check(out));
  return out;
}

// What a broker cannot do is refused, and never silently left out.
result<> publisher::check(const outgoing& what) const {
  const auto& has = broker_.features();
  feature_set needs;
  if (what.delay > duration::zero()) needs |= {feature::delay};
  if (what.if_unroutable == unroutable::refuse) needs |= {feature::mandatory};
  if (what.what.priority != default_priority) needs |= {feature::priorities};
  if (what.what.time_to_live > duration::zero()) needs |= {feature::expiry};
  if (!needs.empty()) WEFT_TRY_VOID(require(has, needs, "publishing to " + what.what.topic));
  if (what.delay > has.max_delay) return fail(errc::out_of_range, "the broker " + has.broker + " delays less long");
  return {};
}

void publisher::count(std::string_view topic, const result<>& outcome) const {
  if (options_.metrics != nullptr)
    published_.with({topic, outcome ? std::string_view{"ok"} : to_string(outcome.error().code())}).add();
}

task<result<>> publisher::publish_json(context ctx, std::string_view topic, std::string_view type,
                                       std::uint32_t version, std::string data, std::string key,
                                       publish_options options) {
  observe::span span;
  if (options_.tracer != nullptr) {
    span = options_.tracer->start(ctx, "publish " + std::string{topic}, {.kind = observe::span_kind::producer});
    span.set("messaging.destination.name", topic);
    ctx = span.ctx();
  }
  auto out = prepare_json(ctx, topic, type, version, std::move(data), std::move(key), std::move(options));
  if (!out) co_return fail(out.error());
  if (span.recording()) span.set("messaging.message.id", out->what.id);
  auto sent = co_await publish_one(broker_, std::move(ctx), *std::move(out));
  count(topic, sent);
  if (!sent) span.fail(sent.error());
  co_return sent;
}

task<std::vector<result<>>> publisher::publish(context ctx, batch several) {
  std::vector<std::string> topics;
  if (options_.metrics != nullptr)
    for (const auto& out : several) topics.push_back(out.what.topic);
  auto results = co_await broker_.publish(std::move(ctx), std::move(several));
  for (std::size_t i = 0; i < topics.size(); ++i) count(topics[i], results[i]);
  co_return results;
}

}  // namespace weft::messaging
