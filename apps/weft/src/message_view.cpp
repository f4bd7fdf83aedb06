#include "message_view.hpp"

#include <weft/base/time.hpp>
#include <weft/json/pretty.hpp>
#include <weft/messaging/cloud_events.hpp>
#include <weft/messaging/text_encoding.hpp>

#include "terminal.hpp"

namespace weft::cli {

message_view::message_view(const messaging::message& what) : what_{what} {
  if (auto e = messaging::to_event(what)) envelope_ = *std::move(e);
}

bool message_view::body_is_json() const {
  if (envelope_) return envelope_->data_is_json();
  return messaging::is_json_type(what_.content_type) || (what_.content_type.empty() && body().starts_with('{'));
}

std::string message_view::body_line(std::size_t max_bytes) const {
  if (body_is_json())
    if (const auto v = json::parse(body())) return one_line(json::serialize(*v), max_bytes);
  return one_line(body(), max_bytes);
}

std::string message_view::body_lines(std::size_t max_bytes) const {
  auto text = body();
  if (body_is_json())
    if (const auto v = json::parse(text)) text = json::pretty(*v);
  if (text.size() <= max_bytes) return several_lines(text, max_bytes);
  return several_lines(text, max_bytes) + "\n(" + std::to_string(text.size() - max_bytes) + " of " +
         std::to_string(text.size()) + " bytes are not shown)";
}

void message_view::write_envelope(json::writer& w) const {
  const auto field = [&](std::string_view name, std::string_view text) {
    if (text.empty()) return;
    w.member(name);
    w.string(text);
  };
  w.member("event");
  w.begin_object();
  field("id", envelope_->id);
  field("source", envelope_->source);
  field("type", envelope_->type);
  if (envelope_->time) field("time", format_rfc3339(*envelope_->time));
  field("subject", envelope_->subject);
  field("datacontenttype", envelope_->data_content_type);
  field("dataschema", envelope_->data_schema);
  for (const auto& x : envelope_->extensions) field(x.name, x.value);
  w.end_object();
}

void message_view::write_members(json::writer& w) const {
  const auto field = [&](std::string_view name, std::string_view text) {
    w.member(name);
    w.string(text);
  };
  field("topic", what_.topic);
  field("key", what_.key);
  field("id", what_.id);
  field("content_type", what_.content_type);
  w.member("headers");
  w.begin_object();
  for (const auto& h : what_.fields) field(h.name, h.value);
  w.end_object();
  if (envelope_) write_envelope(w);
  // Parsed, so that what is written is JSON whatever the body says of itself.
  const auto parsed = body_is_json() ? json::parse(body()) : fail(errc::invalid_argument);
  if (parsed) {
    w.member("body");
    w.raw(json::serialize(*parsed));
  } else if (messaging::valid_utf8(body())) {
    field("body", body());
  } else {
    field("body_base64", messaging::base64_encode(body()));
  }
}

}  // namespace weft::cli
