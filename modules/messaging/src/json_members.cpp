#include "json_members.hpp"

#include <weft/json/reader.hpp>

namespace weft::messaging {

namespace {

bool read_members(json::reader& r, std::vector<std::pair<std::string, std::string_view>>& list) {
  if (!r.begin_object()) return false;
  for (auto at = r.next_member(); at != json::step::end; at = r.next_member()) {
    std::string_view key;
    json::kind ignored{};
    if (at != json::step::item || !r.read_key(key)) return false;
    std::string name{key};
    for (const auto& [other, raw] : list)
      if (other == name) return r.fail("the member '" + name + "' appears twice");
    if (!r.peek(ignored)) return false;  // passes over the space before it
    const auto* from = r.save().at;
    if (!r.skip_value()) return false;
    list.emplace_back(std::move(name), std::string_view{from, static_cast<std::size_t>(r.save().at - from)});
  }
  return true;
}

}  // namespace

result<json_members> json_members::of(std::string_view text) {
  const json::decode_options options;
  json::reader r{text, options};
  json_members o;
  if (r.start() && read_members(r, o.list_) && r.finish()) return o;
  return fail(r.take_failure().to_error());
}

result<> json_members::check(std::string_view text) {
  const json::decode_options options;
  json::reader r{text, options};
  if (r.start() && r.skip_value() && r.finish()) return {};
  return fail(r.take_failure().to_error());
}

const std::string_view* json_members::find(std::string_view name) const noexcept {
  for (const auto& [key, raw] : list_)
    if (key == name) return &raw;
  return nullptr;
}

}  // namespace weft::messaging
