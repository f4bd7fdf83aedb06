// G10: what a text field may hold is said before it is stored.
#include <weft/base/text_rules.hpp>

#include <gtest/gtest.h>

namespace weft {
namespace {

using namespace std::string_view_literals;

TEST(TextRules, TakeWhatPeopleWrite) {
  EXPECT_EQ(check_text(""), std::nullopt);
  EXPECT_EQ(check_text("Ada Lovelace"), std::nullopt);
  EXPECT_EQ(check_text("J\u00f6rg \u4e09 \U0001F600"), std::nullopt);
  EXPECT_EQ(check_text("one\r\n\ttwo", {.lines = text_lines::many}), std::nullopt);
}

TEST(TextRules, RefuseWhatStorageWould) {
  EXPECT_EQ(check_text("a\0b"sv), "must not hold a NUL character");
  EXPECT_EQ(check_text("a\0b"sv, {.lines = text_lines::many}), "must not hold a NUL character");
  EXPECT_EQ(check_text("a\x1b[31m"sv), "must not hold control characters");
  EXPECT_EQ(check_text("a\x7f"sv), "must not hold control characters");
  EXPECT_EQ(check_text("a\u0085"sv), "must not hold control characters");
  EXPECT_EQ(check_text("\u00a0"sv), std::nullopt) << "a space that does not break is no control character";
  EXPECT_EQ(check_text("a\xff"sv), "must be UTF-8");
  EXPECT_EQ(check_text("a\nb"), "must be one line, without tabs");
}

TEST(TextRules, CountCharacters) {
  EXPECT_EQ(check_text("", {.min_characters = 1}), "must not be empty");
  EXPECT_EQ(check_text("\u00f6", {.min_characters = 2}), "must have at least 2 characters");
  EXPECT_EQ(check_text("\u00f6\u00f6", {.max_characters = 2}), std::nullopt);
  EXPECT_EQ(check_text("abc", {.max_characters = 2}), "must have at most 2 characters");
  EXPECT_EQ(check_text("\u00f6", {.max_bytes = 1}), "must have at most 1 bytes");
}

}  // namespace
}  // namespace weft
