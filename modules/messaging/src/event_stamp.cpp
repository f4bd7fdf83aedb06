#include "event_stamp.hpp"

namespace weft::messaging {

void event_stamp::put(headers& to, std::string_view type, std::uint32_t version, wall_time now) {
  if (type != type_ || version != version_ || usual_.empty()) {
    type_ = type;
    version_ = version;
    usual_ = {};
    usual_.append("ce-specversion", "1.0");
    usual_.append("ce-source", source_);
    usual_.append("ce-type", type);
    usual_.append("ce-schemaversion", std::to_string(version));
  }
  to.append(usual_);
  append_time(to, now);
}

// To the microsecond.
void event_stamp::append_time(headers& to, wall_time now) {
  const auto second = std::chrono::floor<std::chrono::seconds>(now);
  if (second != second_ || second_text_.empty()) {
    second_ = second;
    second_text_ = format_rfc3339(second);
    second_text_.pop_back();
  }
  auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now - second).count();
  char text[32];
  auto size = second_text_.copy(text, 20);
  if (micros != 0) {
    text[size] = '.';
    for (auto digit = size + 6; digit > size; --digit, micros /= 10) text[digit] = static_cast<char>('0' + micros % 10);
    size += 7;
  }
  text[size++] = 'Z';
  to.append("ce-time", {text, size});
}

}  // namespace weft::messaging
