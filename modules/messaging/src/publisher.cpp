#include <weft/messaging/publisher.hpp>
#include <weft/observe/trace_context.hpp>

#include <stdexcept>

#include "binary_mode.hpp"
#include "event_rules.hpp"
#include "event_stamp.hpp"

namespace weft::messaging {

publisher::publisher(loop& l, broker& to, publisher_options options)
    : loop_{l}, broker_{to}, options_{std::move(options)} {
  stamp_ = std::make_unique<event_stamp>(options_.source);
  const event probe{.id = "1", .source = options_.source, .type = "x"};
  if (const auto valid = probe.validate(); !valid)
    throw std::invalid_argument{"publisher: " + std::string{valid.error().message()}};
  if (const auto able = require(to.features(), options_.needs, "the publisher of " + options_.source); !able)
    throw std::invalid_argument{able.error().describe()};
  if (options_.metrics != nullptr)
    published_ = options_.metrics->add_counter("weft_messaging_published_total", "Messages handed to the broker.",
                                               {"topic", "outcome"});
}

publisher::~publisher() = default;
publisher::publisher(publisher&&) noexcept = default;

namespace {

// The attributes of an event as a message has them in binary mode: it is built as what is sent.
class binary_event {
 public:
  explicit binary_event(message& m) : fields_{m.fields} {}

  // For a name that was not there.
  void add(std::string_view name, std::string_view value) { fields_.append(header_prefix, name, value); }
  void add_if_any(std::string_view name, std::string_view value) {
    if (!value.empty()) add(name, value);
  }
  void set(std::string_view name, std::string_view value) {
    fields_.set(std::string{header_prefix}.append(name), value);
  }

 private:
  headers& fields_;
};

void fill_from_context(binary_event& e, const context& ctx, const event_view* cause) {
  auto correlation = ctx.correlation_id();
  if (cause != nullptr) {
    e.add(extension::causationid, cause->id);
    if (correlation.empty()) correlation = cause->get(extension::correlationid);
  }
  e.add_if_any(extension::correlationid, correlation);
  e.add_if_any(extension::tenant, ctx.caller().tenant);
  if (!ctx.trace().valid()) return;
  const auto trace = observe::inject(ctx.trace());
  e.add(extension::traceparent, trace.traceparent);
  e.add_if_any(extension::tracestate, trace.tracestate);
}

// Most are plain text, of which nothing more has to be known.
result<> check_event(const message& m, std::string_view type) {
  const auto text = m.fields.text();
  if (!type.empty() && text.size() <= event_rules::max_attribute_bytes && event_rules::plain(text)) return {};
  const auto e = view_binary(m);
  return e ? result<>{} : fail(e.error());
}

result<> make_structured(message& m) {
  WEFT_TRY(const auto e, view_binary(m));
  WEFT_TRY(m.body, to_structured_json(e.copy()));
  m.content_type = cloud_events_json;
  m.fields = {};
  return {};
}

}  // namespace

result<outgoing> publisher::prepare_json(const context& ctx, std::string_view topic, std::string_view type,
                                         std::uint32_t version, std::string data, std::string key,
                                         publish_options options) const {
  const auto now = loop_.wall_now();
  outgoing out{.delay = options.delay, .if_unroutable = options.if_unroutable};
  auto& m = out.what;
  m.id = options.id.empty() ? loop_.random().make_uuid_v7(now).to_string() : std::move(options.id);
  m.topic = topic;
  m.content_type = json_content_type;
  m.body = std::move(data);
  m.priority = options.priority;
  m.time_to_live = options.time_to_live;
  m.fields.reserve(12 + options.extensions.size(), 256 + options_.source.size() + type.size() + 3 * key.size() +
                                                       options.subject.size() + options.extensions.text().size());
  binary_event e{m};
  stamp_->put(m.fields, type, version, now);
  e.add("id", m.id);
  e.add_if_any("subject", options.subject.empty() ? key : options.subject);
  e.add_if_any(extension::partitionkey, key);
  if (!options.aggregate_type.empty()) {
    e.add(extension::aggregatetype, options.aggregate_type);
    e.add(extension::aggregateid, key);
  }
  fill_from_context(e, ctx, options.cause);
  for (const auto& x : options.extensions) {
    WEFT_TRY_VOID(event_rules::check_extension_name(x.name));
    e.set(x.name, x.value);
  }
  m.key = std::move(key);
  WEFT_TRY_VOID(check_event(m, type));
  if (options_.mode == event_mode::structured) WEFT_TRY_VOID(make_structured(m));
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
