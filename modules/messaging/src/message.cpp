#include <weft/messaging/message.hpp>

#include <algorithm>
#include <array>

namespace weft::messaging {

headers::headers(std::initializer_list<header> list) {
  for (const auto& h : list) set(h.name, h.value);
}

std::optional<std::string_view> headers::find(std::string_view name) const noexcept {
  for (const auto& h : *this)
    if (h.name == name) return h.value;
  return std::nullopt;
}

std::string_view headers::get(std::string_view name) const noexcept { return find(name).value_or(std::string_view{}); }

void headers::set(std::string_view name, std::string_view value) {
  for (std::size_t i = 0; i < size(); ++i) {
    const auto old = at(i);
    if (old.name != name) continue;
    if (holds(value)) return set(name, std::string{value});
    const auto grown = value.size() - old.value.size();  // modulo 2^64, as all that is added to it
    text_.replace(ends_[2 * i], old.value.size(), value);
    for (auto end = 2 * i + 1; end < ends_.size(); ++end) ends_[end] += grown;
    return;
  }
  append(name, value);
}

bool headers::erase(std::string_view name) {
  headers rest;
  rest.reserve(size(), text_.size());
  for (const auto& h : *this)
    if (h.name != name) rest.append(h.name, h.value);
  const bool found = rest.size() != size();
  if (found) *this = std::move(rest);
  return found;
}

message_ptr share(message&& m) {
  return std::allocate_shared<const message>(frame_pool::allocator<message>{}, std::move(m));
}

std::size_t message::size() const noexcept {
  return sizeof(message) + id.size() + topic.size() + key.size() + body.size() + content_type.size() +
         fields.text().size() + fields.size() * sizeof(header);
}

namespace {

constexpr auto in_words = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view{"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:/"})
    table[static_cast<unsigned char>(c)] = true;
  return table;
}();

bool word_character(char c) noexcept { return in_words[static_cast<unsigned char>(c)]; }

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

error too_large(std::string_view what, std::size_t limit) {
  return error{errc::resource_exhausted, std::string{what} + ", more than " + std::to_string(limit)}.with_limit(
      limit_kind::size);
}

result<> validate_headers(const headers& fields, const message_limits& limits) {
  if (fields.size() > limits.max_headers)
    return fail(too_large("the message has " + std::to_string(fields.size()) + " headers", limits.max_headers));
  if (const auto bytes = fields.text().size(); bytes > limits.max_header_bytes)
    return fail(too_large("the headers have " + std::to_string(bytes) + " bytes", limits.max_header_bytes));
  const bool suspicious = has_control_character(fields.text());  // in one go; mostly there is none
  for (const auto& h : fields) {
    if (h.name.empty()) return fail(errc::invalid_argument, "a header without a name");
    if (suspicious || h.name.size() > max_name_bytes) WEFT_TRY_VOID(validate_name("the name of a header", h.name));
  }
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
    return fail(too_large("the body has " + std::to_string(m.body.size()) + " bytes", limits.max_body_bytes));
  return {};
}

}  // namespace weft::messaging
