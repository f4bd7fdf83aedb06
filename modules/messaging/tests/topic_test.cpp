// Topics, patterns, messages and features.
#include <weft/messaging/features.hpp>
#include <weft/messaging/message.hpp>
#include <weft/messaging/settlement.hpp>
#include <weft/messaging/topic_pattern.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace weft::messaging {
namespace {

bool matches(std::string_view pattern, std::string_view topic) {
  return topic_pattern::parse(pattern).value().matches(topic);
}

TEST(TopicPattern, MatchesAsAmqpDoes) {
  EXPECT_TRUE(matches("a.b", "a.b"));
  EXPECT_FALSE(matches("a.b", "a.b.c"));
  EXPECT_TRUE(matches("a.*", "a.b"));
  EXPECT_FALSE(matches("a.*", "a"));
  EXPECT_FALSE(matches("a.*", "a.b.c"));
  EXPECT_TRUE(matches("#", "a"));
  EXPECT_TRUE(matches("a.#", "a"));
  EXPECT_TRUE(matches("a.#.d", "a.d"));
  EXPECT_TRUE(matches("a.#.d", "a.b.c.d"));
  EXPECT_FALSE(matches("a.#.d", "a.b.c"));
  EXPECT_TRUE(matches("#.b.#", "a.b.c.b"));
  EXPECT_TRUE(matches("#.*.#", "a"));
  EXPECT_TRUE(matches("*.#.c", "a.b.c"));
}

// What the definition says, word by word.
bool slow(const std::vector<std::string>& p, std::size_t i, const std::vector<std::string>& t, std::size_t j) {
  if (i == p.size()) return j == t.size();
  if (p[i] == "#") return slow(p, i + 1, t, j) || (j < t.size() && slow(p, i, t, j + 1));
  return j < t.size() && (p[i] == "*" || p[i] == t[j]) && slow(p, i + 1, t, j + 1);
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& w : words) text += (text.empty() ? "" : ".") + w;
  return text;
}

TEST(TopicPattern, AgreesWithTheDefinition) {
  rc::check([] {
    const auto word = rc::gen::element<std::string>("a", "b");
    const auto wild = rc::gen::element<std::string>("a", "b", "*", "#");
    auto pattern = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(wild));
    auto topic = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(word));
    pattern.resize(std::min<std::size_t>(pattern.size(), 7));
    topic.resize(std::min<std::size_t>(topic.size(), 9));
    RC_ASSERT(matches(join(pattern), join(topic)) == slow(pattern, 0, topic, 0));
  });
}

TEST(TopicPattern, ManyWildcardsCostLittle) {
  std::string pattern = "#", topic = "a";
  for (int i = 0; i < 60; ++i) pattern += ".#.b", topic += ".b";
  EXPECT_FALSE(matches(pattern + ".c", topic));
}

TEST(TopicPattern, RefusesWhatIsNone) {
  for (const auto* wrong : {"", ".", "a.", ".a", "a..b", "a*", "a.#b", "a b"})
    EXPECT_FALSE(topic_pattern::parse(wrong)) << wrong;
  EXPECT_EQ(
      topic_pattern::parse("a*").error().message(),
      "the pattern 'a*': the topic 'a*' has a character that is no letter, digit, - _ : / or dot; * and # stand for "
      "whole words");
}

TEST(Message, IsBounded) {
  message m{.topic = "a"};
  EXPECT_TRUE(validate(m));
  m.priority = 10;
  EXPECT_EQ(validate(m).error().message(), "the priority is above 9: 10");
  m.priority = 0;
  m.key.assign(256, 'x');
  EXPECT_EQ(validate(m).error().message(), "the key is longer than 255 bytes: 256");
  m.key.clear();
  for (int i = 0; i < 129; ++i) m.fields.set("h" + std::to_string(i), "");
  EXPECT_EQ(validate(m).error().message(), "the message has 129 headers, more than 128");
}

TEST(Headers, TakeWhatLiesInThemAlready) {
  const std::string text(100, 'x');
  headers h{{"from", text}};
  for (int i = 0; i < 20; ++i) h.set("copy " + std::to_string(i), h.get("from"));
  h.append((*h.begin()).name, h.get("copy 19"), h.get("from"));
  h.set("copy 3", h.get("copy 3").substr(98));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(h.get("copy " + std::to_string(i)), i == 3 ? "xx" : text);
  EXPECT_EQ(h.get("from" + text), text);
}

TEST(Headers, AreSetReplacedAndErased) {
  headers h{{"ce-id", "1"}, {"empty", ""}};
  h.append("ce-", "type", "made");
  h.set("ce-id", "a longer one");
  h.set("empty", "no more");
  h.set("ce-id", "2");
  EXPECT_EQ(h, (headers{{"ce-id", "2"}, {"empty", "no more"}, {"ce-type", "made"}}));
  EXPECT_EQ(h.get("ce-type"), "made");
  EXPECT_FALSE(h.find("ce-"));
  EXPECT_TRUE(h.erase("empty"));
  EXPECT_FALSE(h.erase("empty"));
  headers all;
  all.append("first", "");
  all.append(h);
  std::string shown;
  for (const auto& [name, value] : all) shown.append(name).append("=").append(value).append(" ");
  EXPECT_EQ(shown, "first= ce-id=2 ce-type=made ");
  EXPECT_EQ(all.size(), 3u);
  EXPECT_EQ(all.text(), "firstce-id2ce-typemade");
  EXPECT_TRUE(headers{}.empty());
}

TEST(Features, NameWhatIsMissing) {
  const broker_features has{.broker = "pigeon", .set = {feature::delay}};
  EXPECT_TRUE(require(has, {feature::delay}, "x"));
  const auto missing = require(has, {feature::delay, feature::transactions, feature::replay}, "router 'billing'");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), errc::failed_precondition);
  EXPECT_EQ(missing.error().message(), "router 'billing' needs transactions, replay, which the broker pigeon lacks");
}

TEST(Failures, AreTextAndBack) {
  std::vector<failure> list;
  const auto at = parse_rfc3339("2026-02-01T09:30:00Z").value();
  for (std::uint32_t i = 1; i <= 15; ++i) add_failure(list, {errc::unavailable, "try " + std::to_string(i), i, at});
  EXPECT_EQ(list.size(), max_failures);
  EXPECT_EQ(list.front().attempt, 1u);
  EXPECT_EQ(list.back().attempt, 15u);
  EXPECT_EQ(parse_failures(format_failures(list)), list);
  EXPECT_TRUE(parse_failures("nonsense\n attempt x y: z\n").empty());
}

}  // namespace
}  // namespace weft::messaging
