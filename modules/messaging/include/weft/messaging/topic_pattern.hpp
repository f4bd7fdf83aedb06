#pragma once
// Which topics a subscription takes, as AMQP's topic exchange has it: `*` is exactly one word, `#` any number of words,
// none included.
//
//     WEFT_TRY(auto p, topic_pattern::parse("orders.*.v1"));
//     p.matches("orders.placed.v1");                          // true
#include <weft/base/error.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace weft::messaging {

class topic_pattern {
 public:
  // As a topic, with `*` and `#` as whole words. errc::invalid_argument otherwise.
  [[nodiscard]] static result<topic_pattern> parse(std::string_view text);

  // In time of at most words of the pattern times words of the topic.
  [[nodiscard]] bool matches(std::string_view topic) const;
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  // A plain topic: it matches itself only.
  [[nodiscard]] bool exact() const noexcept { return words_.empty(); }

  friend bool operator==(const topic_pattern& a, const topic_pattern& b) { return a.text_ == b.text_; }

 private:
  std::string text_;
  std::vector<std::string> words_;  // empty for a plain topic
};

}  // namespace weft::messaging
