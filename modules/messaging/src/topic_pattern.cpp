#include <weft/messaging/message.hpp>
#include <weft/messaging/topic_pattern.hpp>

namespace weft::messaging {

namespace {

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t from = 0;;) {
    const auto dot = text.find('.', from);
    words.push_back(text.substr(from, dot == text.npos ? dot : dot - from));
    if (dot == text.npos) return words;
    from = dot + 1;
  }
}

}  // namespace

result<topic_pattern> topic_pattern::parse(std::string_view text) {
  // The wildcards stand for a word, so that what is left must be a topic.
  std::string plain;
  bool wild = false;
  const auto words = split(text);
  for (const auto& word : words) {
    if (!plain.empty() || &word != words.data()) plain += '.';
    const bool star = word == "*" || word == "#";
    wild = wild || star;
    plain += star ? "x" : word;
  }
  if (const auto valid = validate_topic(plain); !valid)
    return fail(errc::invalid_argument, "the pattern '" + std::string{text} + "': " +
                                            std::string{valid.error().message()} + "; * and # stand for whole words");
  topic_pattern p;
  p.text_ = text;
  if (wild) p.words_.assign(words.begin(), words.end());
  return p;
}

// Greedy, with a way back to the latest # only: an earlier one need not take more once a later one has been reached.
bool topic_pattern::matches(std::string_view topic) const {
  if (exact()) return topic == text_;
  const auto words = split(topic);
  std::size_t at = 0, pattern = 0;
  std::size_t hash = words_.size(), retry_from = 0;  // no # seen so far
  while (at < words.size()) {
    if (pattern < words_.size() && words_[pattern] == "#") {
      hash = pattern++;
      retry_from = at;
    } else if (pattern < words_.size() && (words_[pattern] == "*" || words_[pattern] == words[at])) {
      ++pattern;
      ++at;
    } else if (hash < words_.size()) {
      pattern = hash + 1;
      at = ++retry_from;
    } else {
      return false;
    }
  }
  while (pattern < words_.size() && words_[pattern] == "#") ++pattern;
  return pattern == words_.size();
}

}  // namespace weft::messaging
