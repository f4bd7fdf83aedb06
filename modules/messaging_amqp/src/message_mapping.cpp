#include "message_mapping.hpp"

#include <weft/amqp/frame.hpp>
#include <weft/base/saturating.hpp>
#include <weft/base/utf8.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace weft::messaging {

namespace {

using namespace std::chrono;

constexpr std::string_view own_headers[] = {amqp_header::key,     amqp_header::partition, amqp_header::topic,
                                            amqp_header::attempt, amqp_header::failures,  amqp_header::expires,
                                            amqp_header::due,     amqp_header::reason,    amqp_header::number};

constexpr std::int64_t max_expiration = 0xffff'ffffLL;

bool is_own(std::string_view name) {
  return name.starts_with("weft-") && std::ranges::find(own_headers, name) != std::end(own_headers);
}

// What the broker adds on the way.
bool is_of_the_broker(std::string_view name) {
  return name == "x-death" || name == "x-delivery-count" || name.starts_with("x-first-death-") ||
         name.starts_with("x-last-death-") || name == "x-opt-deaths";
}

// Rounded up; "never" stays so.
milliseconds whole_milliseconds(duration d) {
  const auto whole = saturating_cast<milliseconds>(d);
  return saturating_cast<duration>(whole) < d && whole < milliseconds::max() ? whole + milliseconds{1} : whole;
}

void fill(amqp::message& to, const message& m, partitioned how) {
  auto& p = to.properties;
  p.message_id = m.id;
  p.content_type = m.content_type;
  p.priority = m.priority;
  if (!m.key.empty()) p.headers.append({std::string{amqp_header::key}, m.key});
  if (how == partitioned::yes) p.headers.append({std::string{amqp_header::partition}, m.key.empty() ? m.id : m.key});
  for (const auto& h : m.fields) p.headers.append({std::string{h.name}, std::string{h.value}});
  to.body = m.body;
}

wall_time time_of(amqp::timestamp at) {
  const auto most = static_cast<std::uint64_t>(seconds::max().count());
  return later(wall_time{}, seconds{static_cast<std::int64_t>(std::min(at.seconds, most))});
}

std::optional<std::string> text_of(const amqp::value& v) {
  if (const auto* text = v.as<std::string>()) return *text;
  if (const auto number = v.integer()) return std::to_string(*number);
  if (const auto* truth = v.as<bool>()) return *truth ? "true" : "false";
  if (const auto* bytes = v.as<amqp::binary>()) return bytes->bytes;
  if (const auto* at = v.as<amqp::timestamp>()) return format_rfc3339(time_of(*at));
  double number = 0;
  if (const auto* wide = v.as<double>())
    number = *wide;
  else if (const auto* narrow = v.as<float>())
    number = static_cast<double>(*narrow);
  else
    return std::nullopt;  // nested, or nothing
  char digits[32];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), number).ptr;
  return std::string{digits, end};
}

std::string text_header(const amqp::table& headers, std::string_view name) {
  const auto* v = headers.find(name);
  const auto* text = v == nullptr ? nullptr : v->as<std::string>();
  return text == nullptr ? std::string{} : *text;
}

std::optional<std::int64_t> number_header(const amqp::table& headers, std::string_view name) {
  const auto* v = headers.find(name);
  return v == nullptr ? std::nullopt : v->integer();
}

void take_headers(message& m, const amqp::table& from) {
  m.fields.reserve(from.size());
  for (const auto& [name, content] : from) {
    if (is_own(name) || is_of_the_broker(name)) continue;
    auto text = text_of(content);
    if (!text) continue;
    constexpr std::string_view bindings[] = {"cloudEvents:", "cloudEvents_"};
    const auto* binding = std::ranges::find_if(bindings, [&](auto b) { return name.starts_with(b); });
    if (binding != std::end(bindings))
      m.fields.set("ce-" + name.substr(binding->size()), *text);
    else
      m.fields.append(name, *text);
  }
}

void take_foreign_properties(message& m, amqp::properties& p) {
  const auto keep = [&](std::string_view name, std::string& value) {
    if (!value.empty() && !m.fields.contains(name)) m.fields.append(name, value);
  };
  keep("correlation-id", p.correlation_id);
  keep("reply-to", p.reply_to);
  keep("type", p.type);
  keep("app-id", p.app_id);
  if (p.timestamp && !m.fields.contains("timestamp"))
    m.fields.append("timestamp", format_rfc3339(time_of(*p.timestamp)));
}

duration time_to_live_of(const std::string& expiration) {
  std::int64_t number = 0;
  const auto parsed = std::from_chars(expiration.data(), expiration.data() + expiration.size(), number);
  if (parsed.ec != std::errc{} || number <= 0 || number > max_expiration) return {};
  return milliseconds{number};
}

}  // namespace

std::int64_t milliseconds_of(wall_time at) noexcept {
  return duration_cast<milliseconds>(at.time_since_epoch()).count();
}
wall_time wall_time_of(std::int64_t milliseconds) noexcept {
  return later(wall_time{}, std::chrono::milliseconds{milliseconds});
}

result<amqp::message> to_amqp(const message& m, partitioned how, wall_time now) {
  for (const auto& h : m.fields)
    if (is_own(h.name))
      return fail(errc::invalid_argument, "the header name " + std::string{h.name} + " is the broker's own");
  amqp::message to;
  to.routing_key = m.topic;
  fill(to, m, how);
  // The broker takes times below 2^32 ms; beyond them the consumer looks at the header.
  const auto lives = whole_milliseconds(m.time_to_live);
  if (m.time_to_live > duration::zero()) {
    if (lives.count() <= max_expiration) to.properties.expiration = std::to_string(lives.count());
    to.properties.headers.append({std::string{amqp_header::expires}, milliseconds_of(later(now, lives))});
  }
  return to;
}

void fit_notes(amqp::properties& p, std::uint32_t frame_max) {
  const auto fits = [&] {
    std::string encoded;
    return amqp::append_content(encoded, 1, p, {}, frame_max).has_value();
  };
  if (fits()) return;
  const auto failures_text = text_header(p.headers, amqp_header::failures);
  const auto reason = text_header(p.headers, amqp_header::reason);
  // The first and the latest say most.
  auto failures = parse_failures(failures_text);
  if (failures.size() > 2) failures = {failures.front(), failures.back()};
  for (std::size_t room = max_note_text; room > 0; room /= 4) {
    for (auto& each : failures) each.what = clean_text(each.what, room);
    if (!failures.empty()) p.headers.set(std::string{amqp_header::failures}, format_failures(failures));
    if (!reason.empty()) p.headers.set(std::string{amqp_header::reason}, clean_text(reason, room));
    if (fits()) return;
  }
  if (!failures.empty()) p.headers.erase(amqp_header::failures);
  if (!reason.empty()) p.headers.set(std::string{amqp_header::reason}, std::string{});
}

amqp::message to_amqp_copy(const message& m, const copy_notes& notes, partitioned how) {
  amqp::message to;
  fill(to, m, how);
  auto& headers = to.properties.headers;
  headers.append({std::string{amqp_header::topic}, m.topic});
  if (notes.attempt > 1) headers.append({std::string{amqp_header::attempt}, std::int64_t{notes.attempt}});
  if (notes.failures != nullptr && !notes.failures->empty())
    headers.append({std::string{amqp_header::failures}, format_failures(*notes.failures)});
  if (notes.expires) headers.append({std::string{amqp_header::expires}, milliseconds_of(*notes.expires)});
  return to;
}

received_message from_amqp(amqp::message&& from) {
  auto& p = from.properties;
  message m;
  m.topic = text_header(p.headers, amqp_header::topic);
  if (m.topic.empty()) m.topic = std::move(from.routing_key);
  m.key = text_header(p.headers, amqp_header::key);
  m.id = std::move(p.message_id);
  m.content_type = std::move(p.content_type);
  if (p.priority) m.priority = std::min(*p.priority, max_priority);
  m.time_to_live = time_to_live_of(p.expiration);
  take_headers(m, p.headers);
  take_foreign_properties(m, p);
  m.body = std::move(from.body);

  received_message r;
  if (const auto attempt = number_header(p.headers, amqp_header::attempt); attempt && *attempt > 0)
    r.attempt = static_cast<std::uint32_t>(std::min<std::int64_t>(*attempt, 1'000'000));
  r.failures = parse_failures(text_header(p.headers, amqp_header::failures));
  for (auto& each : r.failures) each.what = clean_text(each.what, max_note_text);
  if (const auto expires = number_header(p.headers, amqp_header::expires)) r.expires = wall_time_of(*expires);
  r.what = std::make_shared<const message>(std::move(m));
  return r;
}

namespace {

struct broker_death {
  std::string reason, queue, routing_key;
  std::uint64_t seconds = 0;
};

std::optional<broker_death> death_of(const amqp::table& headers) {
  const auto* list = headers.find("x-death");
  const auto* entries = list == nullptr ? nullptr : list->as<amqp::array>();
  const auto* latest = entries == nullptr || entries->empty() ? nullptr : entries->front().as<amqp::table>();
  if (latest == nullptr) return std::nullopt;
  broker_death d{.reason = text_header(*latest, "reason"), .queue = text_header(*latest, "queue")};
  if (const auto* at = latest->find("time"))
    if (const auto* t = at->as<amqp::timestamp>()) d.seconds = t->seconds;
  if (const auto* keys = latest->find("routing-keys"))
    if (const auto* names = keys->as<amqp::array>(); names != nullptr && !names->empty())
      if (const auto* name = names->front().as<std::string>()) d.routing_key = *name;
  return d;
}

// FNV-1a: so that what the broker put there keeps its number from one listing to the next.
std::uint64_t digest(std::string_view text) {
  std::uint64_t h = 14695981039346656037ULL;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return h;
}

}  // namespace

dead_letter_entry dead_letter_from_amqp(amqp::message&& m, std::string group) {
  const auto death = death_of(m.properties.headers);
  dead_letter_entry d;
  d.group = std::move(group);
  d.reason = text_header(m.properties.headers, amqp_header::reason);
  const auto number = number_header(m.properties.headers, amqp_header::number);
  if (number) {
    d.number = static_cast<std::uint64_t>(*number);
    d.at = later(wall_time{}, microseconds{*number});
  } else if (death) {
    if (d.reason.empty()) d.reason = "the broker: " + death->reason + " in " + death->queue;
    d.at = time_of({death->seconds});
    d.number = death->seconds * 1'000'000 + digest(m.properties.message_id + m.body) % 1'000'000;
    if (!death->routing_key.empty() && m.properties.headers.find(amqp_header::topic) == nullptr)
      m.routing_key = death->routing_key;
  } else {
    d.number = digest(m.properties.message_id + m.body) % 1'000'000;
  }
  d.reason = clean_text(d.reason, max_note_text);
  auto r = from_amqp(std::move(m));
  d.what = std::move(r.what);
  d.attempts = r.attempt;
  d.failures = std::move(r.failures);
  return d;
}

}  // namespace weft::messaging
