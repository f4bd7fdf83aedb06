#include "wire.hpp"

#include <weft/messaging/text_encoding.hpp>

#include <algorithm>

namespace weft::messaging::wire {

namespace {

std::optional<std::string> if_any(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional{std::string{text}};
}

std::optional<errc> code_of(std::string_view name) {
  for (auto number = static_cast<int>(errc::cancelled); number <= static_cast<int>(errc::unauthenticated); ++number)
    if (to_string(static_cast<errc>(number)) == name) return static_cast<errc>(number);
  return std::nullopt;
}

}  // namespace

carried to_wire(const message& m) {
  carried c{.id = m.id,
            .topic = m.topic,
            .key = m.key,
            .content_type = m.content_type,
            .headers = {},
            .body = base64_encode(m.body),
            .priority = m.priority,
            .time_to_live = m.time_to_live};
  for (const auto& h : m.fields) c.headers.push_back({std::string{h.name}, std::string{h.value}});
  return c;
}

result<message> from_wire(carried c) {
  if (c.priority < 0 || c.priority > max_priority)
    return fail(errc::invalid_argument, "priority: expected 0 to 9, got " + std::to_string(c.priority));
  message m;
  WEFT_TRY(m.body, base64_decode(c.body));
  m.id = std::move(c.id);
  m.topic = std::move(c.topic);
  m.key = std::move(c.key);
  m.content_type = std::move(c.content_type);
  for (const auto& h : c.headers) m.fields.append(h.name, h.value);
  m.priority = static_cast<std::uint8_t>(c.priority);
  m.time_to_live = c.time_to_live;
  return m;
}

problem to_wire(const error& e) {
  return {.code = std::string{to_string(e.code())},
          .message = std::string{e.message()},
          .operation = if_any(e.operation()),
          .peer = if_any(e.peer()),
          .remedy = if_any(e.remedy())};
}

std::optional<error> from_wire(const problem& p) {
  const auto code = code_of(p.code);
  if (!code) return std::nullopt;
  error e{*code, p.message};
  if (p.operation) e = e.with_operation(*p.operation);
  if (p.peer) e = e.with_peer(*p.peer);
  if (p.remedy) e = e.with_remedy(*p.remedy);
  return e;
}

abilities to_wire(const broker_features& f) {
  abilities a{.broker = f.broker, .features = {}, .max_message_bytes = f.max_message_bytes, .max_delay = f.max_delay};
  for (std::size_t i = 0; i < feature_count; ++i)
    if (const auto each = static_cast<feature>(i); f.set.has(each)) a.features.emplace_back(to_string(each));
  return a;
}

broker_features from_wire(const abilities& a) {
  broker_features f{.broker = a.broker, .set = {}, .max_message_bytes = a.max_message_bytes, .max_delay = a.max_delay};
  for (std::size_t i = 0; i < feature_count; ++i)
    if (const auto each = static_cast<feature>(i); std::ranges::find(a.features, to_string(each)) != a.features.end())
      f.set |= {each};
  return f;
}

depth to_wire(const group_depth& d) {
  return {d.group, d.patterns, d.ready, d.in_flight, d.delayed, d.dead, d.bytes, d.consumers};
}

group_depth from_wire(depth d) {
  return {.group = std::move(d.group),
          .patterns = std::move(d.patterns),
          .ready = d.ready,
          .in_flight = d.in_flight,
          .delayed = d.delayed,
          .dead = d.dead,
          .bytes = d.bytes,
          .consumers = d.consumers};
}

dead to_wire(const dead_letter_entry& d) {
  dead made{.number = d.number,
            .group = d.group,
            .reason = d.reason,
            .what = to_wire(*d.what),
            .attempts = d.attempts,
            .failures = {},
            .at = d.at,
            .holds_key = d.scope == dead_letter_scope::key};
  for (const auto& f : d.failures) made.failures.push_back({std::string{to_string(f.code)}, f.what, f.attempt, f.at});
  return made;
}

result<dead_letter_entry> from_wire(dead d) {
  dead_letter_entry made{.number = d.number,
                         .group = std::move(d.group),
                         .reason = std::move(d.reason),
                         .what = {},
                         .attempts = d.attempts,
                         .failures = {},
                         .at = d.at,
                         .scope = d.holds_key ? dead_letter_scope::key : dead_letter_scope::message};
  WEFT_TRY(auto what, from_wire(std::move(d.what)));
  made.what = std::make_shared<const message>(std::move(what));
  for (auto& f : d.failures)
    made.failures.push_back({code_of(f.code).value_or(errc::unknown), std::move(f.what), f.attempt, f.at});
  return made;
}

}  // namespace weft::messaging::wire
