#include <weft/messaging/message.hpp>

#include <algorithm>

namespace weft::messaging {

headers::headers(std::initializer_list<header> list) {
  for (const auto& h : list) set(h.name, h.value);
}

const std::string* headers::find(std::string_view name) const noexcept {
  const auto at = std::ranges::find(list_, name, &header::name);
  return at == list_.end() ? nullptr : &at->value;
}

std::string_view headers::get(std::string_view name) const noexcept {
  const auto* value = find(name);
  return value == nullptr ? std::string_view{} : std::string_view{*value};
}

void headers::set(std::string_view name, std::string value) {
  const auto at = std::ranges::find(list_, name, &header::name);
  if (at != list_.end())
    at->value = std::move(value);
  else
    append(name, std::move(value));
}

bool headers::erase(std::string_view name) {
  return std::erase_if(list_, [&](const header& h) { return h.name == name; }) != 0;
}

std::size_t message::size() const noexcept {
  auto bytes = sizeof(message) + id.size() + topic.size() + key.size() + body.size() + content_type.size();
  for (const auto& h : fields) bytes += sizeof(header) + h.name.size() + h.value.size();
  return bytes;
}

namespace {

bool word_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == ':' || c == '/';
}

bool has_control_character(std::string_view text) noexcept {
  bool found = false;
  for (const char c : text) found |= static_cast<unsigned char>(c) < 0x20 || c == 0x7f;  // no branch: many at a time
  return found;
}

result<> validate_name(std::string_view what, std::string_view text) {
  if (text.size() > max_name_bytes)
    return fail(errc::invalid_argument,
                std::string{what} + " is longer than 255 bytes: " + std::to_string(text.size()));
  if (has_control_character(text))
    return fail(errc::invalid_argument, std::string{what} + " has a control character in it");
  return {};
}

result<> validate_headers(const headers& fields, const message_limits& limits) {
  if (fields.size() > limits.max_headers)
    return fail(errc::resource_exhausted, "the message has " + std::to_string(fields.size()) + " headers, more than " +
                                              std::to_string(limits.max_headers));
  std::size_t bytes = 0;
  for (const auto& h : fields) {
    if (h.name.empty()) return fail(errc::invalid_argument, "a header without a name");
    WEFT_TRY_VOID(validate_name("the name of a header", h.name));
    bytes += h.name.size() + h.value.size();
  }
  if (bytes > limits.max_header_bytes)
    return fail(errc::resource_exhausted, "the headers have " + std::to_string(bytes) + " bytes, more than " +
                                              std::to_string(limits.max_header_bytes));
  return {};
}

}  // namespace

result<> validate_topic(std::string_view topic) {
  if (topic.empty()) return fail(errc::invalid_argument, "the topic is empty");
  if (topic.size() > max_name_bytes) return fail(errc::invalid_argument, "the topic is longer than 255 bytes");
  bool word = false;
  for (const char c : topic) {
    if (c == '.' && word) {
      word = false;
    } else if (word_character(c)) {
      word = true;
    } else {
      const auto why =
          c == '.' ? std::string{"has an empty word"} : "has a character that is no letter, digit, - _ : / or dot";
      return fail(errc::invalid_argument, "the topic '" + std::string{topic} + "' " + why);
    }
  }
  if (!word) return fail(errc::invalid_argument, "the topic '" + std::string{topic} + "' ends with a dot");
  return {};
}

result<> validate(const message& m, const message_limits& limits) {
  WEFT_TRY_VOID(validate_topic(m.topic));
  WEFT_TRY_VOID(validate_name("the id", m.id));
  WEFT_TRY_VOID(validate_name("the key", m.key));
  WEFT_TRY_VOID(validate_name("the content type", m.content_type));
  WEFT_TRY_VOID(validate_headers(m.fields, limits));
  if (m.priority > max_priority)
    return fail(errc::invalid_argument, "the priority is above 9: " + std::to_string(m.priority));
  if (m.time_to_live < duration::zero()) return fail(errc::invalid_argument, "the time to live is negative");
  if (m.body.size() > limits.max_body_bytes)
    return fail(errc::resource_exhausted, "the body has " + std::to_string(m.body.size()) + " bytes, more than " +
                                              std::to_string(limits.max_body_bytes));
  return {};
}

}  // namespace weft::messaging
