#include <weft/messaging/event_view.hpp>

#include <algorithm>
#include <charconv>

#include "event_rules.hpp"

namespace weft::messaging {

bool is_json_type(std::string_view content_type) noexcept {
  if (content_type == json_content_type) return true;
  auto type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  const auto slash = type.find('/');
  if (slash == type.npos) return false;
  const auto same = [](std::string_view a, std::string_view lower) {
    return std::ranges::equal(a, lower, [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y; });
  };
  const auto sub = type.substr(slash + 1);
  return same(sub, "json") || (sub.size() > 5 && same(sub.substr(sub.size() - 5), "+json"));
}

std::uint32_t event::schema_version() const noexcept { return event_view{*this}.schema_version(); }
bool event::data_is_json() const noexcept { return event_view{*this}.data_is_json(); }

result<> event::validate() const {
  using namespace event_rules;
  WEFT_TRY_VOID(check_required("id", id));
  WEFT_TRY_VOID(check_required("source", source));
  WEFT_TRY_VOID(check_required("type", type));
  WEFT_TRY_VOID(check_uri("source", source));
  WEFT_TRY_VOID(check_text("subject", subject));
  if (!data_content_type.empty()) WEFT_TRY_VOID(check_media_type(data_content_type));
  if (!data_schema.empty()) WEFT_TRY_VOID(check_schema(data_schema));
  for (const auto& h : extensions) {
    WEFT_TRY_VOID(check_extension_name(h.name));
    WEFT_TRY_VOID(check_text(h.name, h.value));
  }
  return {};
}

event_view::event_view(const event& e) noexcept
    : id{e.id},
      source{e.source},
      type{e.type},
      subject{e.subject},
      data_content_type{e.data_content_type},
      data_schema{e.data_schema},
      data{e.data},
      fields_{&e.extensions},
      time_{e.time} {}

std::optional<wall_time> event_view::time() const {
  if (time_text_.empty()) return time_;
  const auto at = parse_rfc3339(time_text_);
  return at ? std::optional{*at} : std::nullopt;
}

std::string_view event_view::get(std::string_view name) const noexcept {
  if (fields_ != nullptr)
    for (const auto& h : *fields_)
      if (h.name.size() == prefix_.size() + name.size() && h.name.ends_with(name) && h.name.starts_with(prefix_))
        return h.value;
  return name == extension::partitionkey ? key_ : std::string_view{};
}

event event_view::copy() const {
  event e{.id = std::string{id},
          .source = std::string{source},
          .type = std::string{type},
          .subject = std::string{subject},
          .time = time(),
          .data_content_type = std::string{data_content_type},
          .data_schema = std::string{data_schema},
          .data = std::string{data}};
  if (fields_ == nullptr) return e;
  e.extensions.reserve(fields_->size() + 1, fields_->text().size() + key_.size() + extension::partitionkey.size());
  for (const auto& h : *fields_) {
    if (!h.name.starts_with(prefix_)) continue;
    const auto name = h.name.substr(prefix_.size());
    if (!event_rules::is_own(name)) e.extensions.append(name, h.value);
  }
  if (!key_.empty() && !e.extensions.contains(extension::partitionkey)) e.set(extension::partitionkey, key_);
  return e;
}

std::uint32_t event_view::schema_version() const noexcept {
  const auto text = get(extension::schemaversion);
  std::uint32_t version = 1;
  std::from_chars(text.data(), text.data() + text.size(), version);
  return std::max<std::uint32_t>(version, 1);
}

bool event_view::data_is_json() const noexcept { return data_content_type.empty() || is_json_type(data_content_type); }

}  // namespace weft::messaging
