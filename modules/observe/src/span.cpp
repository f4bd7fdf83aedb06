#include <weft/observe/span.hpp>

#include "text.hpp"

#include <algorithm>
#include <stdexcept>

namespace weft::observe {

std::string_view to_string(span_kind kind) noexcept {
  constexpr std::string_view names[] = {"internal", "server", "client", "producer", "consumer"};
  return names[static_cast<std::size_t>(kind)];
}
std::string_view to_string(span_status status) noexcept {
  constexpr std::string_view names[] = {"unset", "ok", "error"};
  return names[static_cast<std::size_t>(status)];
}

const attribute_value* span_data::find(std::string_view key) const noexcept {
  const auto found = std::ranges::find(attributes, key, &attribute::key);
  return found == attributes.end() ? nullptr : &found->value;
}

void memory_spans::take(span_data&& ended) noexcept {
  if (capacity_ == 0) {
    ++dropped_;
    return;
  }
  if (spans_.size() == capacity_) {
    spans_.pop_front();
    ++dropped_;
  }
  spans_.push_back(std::move(ended));
}

const span_data* memory_spans::find(std::string_view name) const noexcept {
  const auto found = std::find_if(spans_.rbegin(), spans_.rend(), [&](const auto& each) { return each.name == name; });
  return found == spans_.rend() ? nullptr : &*found;
}

tracer::tracer(loop& l, span_sink& sink, tracer_options options) : loop_{l}, sink_{sink}, options_{std::move(options)} {
  if (!options_.policy) throw std::invalid_argument{"tracer_options.policy is null; never_sampler() records nothing"};
}

span tracer::start(const context& ctx, std::string_view name) const { return start(ctx, name, {}); }

span tracer::start(const context& ctx, std::string_view name, span_options options) const {
  const auto& parent = ctx.trace();
  const bool root = !parent.valid();
  trace_position position;
  if (root) position = start_trace(loop_.random(), sampling::drop);
  const auto decision = options_.policy->decide({parent, root ? position.trace_id : parent.trace_id, name});
  // Each span has an id of its own, recorded or not: a service takes part in the trace and updates parent-id (Trace
  // Context Level 2, 3.4), and two calls that it makes can be told apart.
  if (!root)
    position = child_of(parent, loop_.random(), decision);
  else if (decision == sampling::record)
    position.flags |= flag_sampled;
  span started{*this, ctx.with_trace(position)};
  if (decision == sampling::drop) return started;

  auto data = std::make_unique<span_data>();
  data->service = options_.service;
  data->name = cut(name);
  data->kind = options.kind;
  if (!root) data->parent_id = parent.span_id;
  data->parent_remote = parent.remote;
  data->position = std::move(position);
  data->correlation_id = ctx.correlation_id();
  data->start = loop_.wall_now();
  data->attributes = std::move(options.attributes);
  tidy(data->attributes, data->dropped_attributes);
  started.data_ = std::move(data);
  started.started_ = loop_.now();
  for (auto& link : options.links) started.add_link(std::move(link));
  return started;
}

std::string tracer::cut(std::string_view raw) const { return std::string{text::cut(raw, options_.max_text_size)}; }

void tracer::add(std::vector<attribute>& to, std::string_view key, attribute_value value,
                 std::uint32_t& dropped) const {
  const auto found = std::ranges::find(to, key, &attribute::key);
  if (found == to.end() && to.size() >= options_.max_attributes) {
    ++dropped;
    return;
  }
  if (options_.secrets.covers(key))
    value = redacted;
  else if (auto* const long_text = std::get_if<std::string>(&value); long_text != nullptr)
    long_text->resize(text::cut(*long_text, options_.max_text_size).size());
  if (found != to.end())
    found->value = std::move(value);
  else
    to.push_back({cut(key), std::move(value)});
}

void tracer::tidy(std::vector<attribute>& attributes, std::uint32_t& dropped) const {
  auto given = std::exchange(attributes, {});
  attributes.reserve(std::min(given.size(), options_.max_attributes));
  for (auto& [key, value] : given) add(attributes, key, std::move(value), dropped);
}

span& span::operator=(span&& other) noexcept {
  if (this != &other) {
    end();
    tracer_ = other.tracer_;
    context_ = std::move(other.context_);
    data_ = std::move(other.data_);
    started_ = other.started_;
  }
  return *this;
}

void span::set(std::string_view key, attribute_value value) {
  if (data_) tracer_->add(data_->attributes, key, std::move(value), data_->dropped_attributes);
}

void span::add_event(std::string_view name, std::vector<attribute> attributes) {
  if (!data_) return;
  if (data_->events.size() >= tracer_->options_.max_events) {
    ++data_->dropped_events;
    return;
  }
  tracer_->tidy(attributes, data_->dropped_attributes);
  data_->events.push_back({tracer_->loop_.wall_now(), tracer_->cut(name), std::move(attributes)});
}

void span::add_link(span_link link) {
  if (!data_) return;
  if (!link.to.valid() || data_->links.size() >= tracer_->options_.max_links) {
    ++data_->dropped_links;
    return;
  }
  tracer_->tidy(link.attributes, data_->dropped_attributes);
  data_->links.push_back(std::move(link));
}

void span::rename(std::string_view name) {
  if (data_) data_->name = tracer_->cut(name);
}

void span::set_status(span_status status, std::string_view message) {
  if (!data_ || data_->status == span_status::ok) return;
  data_->status = status;
  data_->status_message = tracer_->cut(message);
}

void span::fail(const error& problem) {
  if (!data_) return;
  set("error.type", weft::to_string(problem.code()));
  set_status(span_status::error, problem.describe());
}

void span::end() noexcept {
  if (!data_) return;
  data_->elapsed = tracer_->loop_.now() - started_;
  const auto data = std::move(data_);
  tracer_->sink_.take(std::move(*data));
}

}  // namespace weft::observe
