#include "wire.hpp"

#include <weft/json/value.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <array>
#include <map>

namespace weft::discovery::consul {
namespace {

using boost::json::array, boost::json::object;

std::unexpected<error> unexpected_answer(std::string_view what) {
  return fail(errc::data_loss, "Consul's answer: " + std::string{what});
}

// Members that may be absent or null, as Go writes empty things.
std::string text_at(const object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_string() ? std::string{v->get_string()} : std::string{};
}
std::uint64_t number_at(const object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  if (v == nullptr) return 0;
  if (v->is_uint64()) return v->get_uint64();
  return v->is_int64() && v->get_int64() > 0 ? static_cast<std::uint64_t>(v->get_int64()) : 0;
}
const object& object_at(const object& o, std::string_view name) {
  static const object none;
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_object() ? v->get_object() : none;
}
const array& array_at(const object& o, std::string_view name) {
  static const array none;
  const auto* v = o.if_contains(name);
  return v != nullptr && v->is_array() ? v->get_array() : none;
}

// The worst of its checks; maintenance is how operators drain.
health_state state_of(const array& checks) {
  auto worst = health_state::passing;
  for (const auto& each : checks) {
    if (!each.is_object()) continue;
    const auto& check = each.get_object();
    const auto id = text_at(check, "CheckID");
    const auto status = text_at(check, "Status");
    if (id == "_node_maintenance" || id.starts_with("_service_maintenance:")) return health_state::draining;
    if (status == "critical") worst = health_state::critical;
    if (status == "warning" && worst == health_state::passing) worst = health_state::warning;
  }
  return worst;
}

result<instance> decode_entry(const object& entry) {
  const auto& service = object_at(entry, "Service");
  const auto& node = object_at(entry, "Node");
  instance i;
  i.id = text_at(service, "ID");
  i.service = text_at(service, "Service");
  if (i.id.empty() || i.service.empty()) return unexpected_answer("a service without ID or name");
  i.where.host = text_at(service, "Address");
  if (i.where.host.empty()) i.where.host = text_at(node, "Address");
  const auto port = number_at(service, "Port");
  if (port > 65'535) return unexpected_answer("port " + std::to_string(port) + " of " + i.id);
  i.where.port = static_cast<std::uint16_t>(port);
  i.state = state_of(array_at(entry, "Checks"));
  const auto& weights = object_at(service, "Weights");
  if (!weights.empty())
    i.weight = static_cast<std::uint32_t>(std::min<std::uint64_t>(
        number_at(weights, i.state == health_state::warning ? "Warning" : "Passing"), 1'000'000));
  for (const auto& each : array_at(service, "Tags")) {
    if (!each.is_string()) continue;
    const std::string_view tag{each.get_string()};
    const auto equals = tag.find('=');
    i.labels.emplace(tag.substr(0, equals), equals == std::string_view::npos ? "" : tag.substr(equals + 1));
  }
  for (const auto& [name, value] : object_at(service, "Meta"))
    if (value.is_string()) i.labels.insert_or_assign(std::string{name}, std::string{value.get_string()});
  // What registration() puts into the metadata, since Consul has no field for it.
  if (const auto zone = i.labels.extract("zone")) i.zone = zone.mapped();
  if (const auto scheme = i.labels.extract("scheme")) i.where.scheme = scheme.mapped();
  return i;
}

}  // namespace

std::string ttl_check_id(std::string_view service_id) { return "weft-ttl:" + std::string{service_id}; }
std::string http_check_id(std::string_view service_id) { return "weft-http:" + std::string{service_id}; }

std::string go_duration(duration d) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

result<std::string> encode_registration(const registration& r) {
  if (r.self.id.empty() || r.self.service.empty())
    return fail(errc::invalid_argument, "a registration needs a service and an id");
  if (r.self.where.scheme == "unix") return fail(errc::invalid_argument, "Consul does not know Unix sockets");
  if (r.remove_critical_after > duration::zero() && r.remove_critical_after < std::chrono::minutes{1})
    return fail(errc::invalid_argument, "remove_critical_after must be at least 1 minute");
  object service{
      {"ID", r.self.id}, {"Name", r.self.service}, {"Address", r.self.where.host}, {"Port", r.self.where.port}};
  // 0 is refused by Consul.
  service["Weights"] = object{{"Passing", std::max(r.self.weight, 1u)}, {"Warning", 1}};
  array tags;
  object meta;
  for (const auto& [name, value] : r.self.labels) {
    if (value.empty())
      tags.emplace_back(name);
    else
      meta[name] = value;
  }
  if (!r.self.zone.empty()) meta["zone"] = r.self.zone;
  if (r.self.where.scheme != "tcp") meta["scheme"] = r.self.where.scheme;
  service["Tags"] = std::move(tags);
  service["Meta"] = std::move(meta);
  array checks;
  const auto add = [&](object check) {
    if (r.remove_critical_after > duration::zero())
      check["DeregisterCriticalServiceAfter"] = go_duration(r.remove_critical_after);
    checks.push_back(std::move(check));
  };
  if (r.ttl > duration::zero()) {
    object check{{"CheckID", ttl_check_id(r.self.id)}, {"Name", "heartbeat"}, {"TTL", go_duration(r.ttl)}};
    if (r.self.state != health_state::unknown) check["Status"] = to_string(r.self.state);
    add(std::move(check));
  }
  if (r.http_check)
    add({{"CheckID", http_check_id(r.self.id)},
         {"Name", "http"},
         {"HTTP", r.http_check->url},
         {"Interval", go_duration(r.http_check->interval)},
         {"Timeout", go_duration(r.http_check->timeout)}});
  service["Checks"] = std::move(checks);
  return json::serialize(service);
}

namespace {

result<json::value> parse_answer(std::string_view text) {
  auto tree = json::parse(text);
  if (!tree) return unexpected_answer(tree.error().message());
  return tree;
}

// A service's ID is unique on its node only. Where several nodes have the same, each is told by its node too, so that
// whoever looks sees the same names; where one has it alone, the ID is enough.
void tell_by_node(std::vector<instance>& all, const std::vector<std::string>& nodes) {
  std::map<std::string, std::size_t> times;
  for (const auto& i : all) ++times[i.id];
  for (std::size_t n = 0; n < all.size(); ++n)
    if (times[all[n].id] > 1) all[n].id += "@" + nodes[n];
}

std::string node_of(const object& entry) {
  const auto& node = object_at(entry, "Node");
  for (const auto* name : {"Node", "ID", "Address"})
    if (auto text = text_at(node, name); !text.empty()) return text;
  return {};
}

}  // namespace

result<snapshot> decode_health(std::string_view text) {
  WEFT_TRY(const auto tree, parse_answer(text));
  if (!tree.is_array()) return unexpected_answer("health is no list");
  std::vector<instance> all;
  std::vector<std::string> nodes;
  for (const auto& entry : tree.get_array()) {
    if (!entry.is_object()) return unexpected_answer("an entry of health is no object");
    WEFT_TRY(auto i, decode_entry(entry.get_object()));
    all.push_back(std::move(i));
    nodes.push_back(node_of(entry.get_object()));
  }
  tell_by_node(all, nodes);
  return make_snapshot(std::move(all));
}

result<std::optional<kv_entry>> decode_kv(std::string_view text) {
  WEFT_TRY(const auto tree, parse_answer(text));
  if (!tree.is_array()) return unexpected_answer("keys are no list");
  if (tree.get_array().empty()) return std::nullopt;
  if (!tree.get_array()[0].is_object()) return unexpected_answer("a key is no object");
  const auto& o = tree.get_array()[0].get_object();
  kv_entry e{.key = text_at(o, "Key"),
             .value = {},
             .flags = number_at(o, "Flags"),
             .create_index = number_at(o, "CreateIndex"),
             .modify_index = number_at(o, "ModifyIndex"),
             .lock_index = number_at(o, "LockIndex"),
             .session = text_at(o, "Session")};
  WEFT_TRY(e.value, decode_base64(text_at(o, "Value")));
  return e;
}

result<std::string> encode_session(const session_options& s) {
  if (s.ttl < std::chrono::seconds{10} || s.ttl > std::chrono::hours{24})
    return fail(errc::invalid_argument, "ttl of a session must be from 10 s to 86400 s");
  if (s.lock_delay < duration::zero() || s.lock_delay > std::chrono::seconds{60})
    return fail(errc::invalid_argument, "lock_delay must be at most 60 s");
  return json::serialize(object{{"Name", s.name},
                                {"TTL", go_duration(s.ttl)},
                                {"LockDelay", go_duration(s.lock_delay)},
                                {"Behavior", s.behaviour == session_end::release_locks ? "release" : "delete"}});
}

result<std::string> decode_session_id(std::string_view text) {
  WEFT_TRY(const auto tree, parse_answer(text));
  auto id = tree.is_object() ? text_at(tree.get_object(), "ID") : std::string{};
  if (id.empty()) return unexpected_answer("a session without an ID");
  return id;
}

result<std::string> decode_base64(std::string_view text) {
  const auto value_of = [](char c) -> int {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
  if (text.size() % 4 != 0) return unexpected_answer("a value that is not base64");
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < text.size(); at += 4) {
    const auto last = at + 4 == text.size();
    const auto padding = !last ? 0 : text[at + 3] != '=' ? 0 : text[at + 2] != '=' ? 1 : 2;
    std::uint32_t bits = 0;
    for (int i = 0; i < 4; ++i) {
      const auto value = i >= 4 - padding ? 0 : value_of(text[at + static_cast<std::size_t>(i)]);
      if (value < 0) return unexpected_answer("a value that is not base64");
      bits = bits << 6 | static_cast<std::uint32_t>(value);
    }
    for (int i = 0; i < 3 - padding; ++i) out += static_cast<char>(bits >> (16 - 8 * i) & 0xff);
  }
  return out;
}

}  // namespace weft::discovery::consul
