#include <weft/base/utf8.hpp>

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Utf8, IsWhatUnicodeSaysItIs) {
  for (const std::string_view good :
       {"", "a", "caf\xc3\xa9", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(valid_utf8(good)) << good;
  for (const std::string_view bad :
       {"\x80", "caf\xc3", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82", "\xc3(", "\xf0\x9f\x92"})
    EXPECT_FALSE(valid_utf8(bad));
}

TEST(Utf8, APrefixCutsNoCharacterInTwo) {
  const std::string_view text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x92\x96";  // of 1, 2, 3 and 4 bytes
  const std::size_t sizes[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
  for (std::size_t max = 0; max < std::size(sizes); ++max) EXPECT_EQ(utf8_prefix(text, max).size(), sizes[max]) << max;
}

// A6: a broker's refusal that is cut inside a character is text all the same.
TEST(Utf8, CleanTextIsWellFormedWhateverCameIn) {
  EXPECT_EQ(clean_text("no exchange 'caf\xc3", 255), "no exchange 'caf\xef\xbf\xbd");
  EXPECT_EQ(clean_text(std::string_view{"a\0b", 3}, 255),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(clean_text("\xe2\x82(", 255), "\xef\xbf\xbd(");            // one for a part that was begun
  EXPECT_EQ(clean_text("\xff\xfe", 255), "\xef\xbf\xbd\xef\xbf\xbd");  // one for each that begins nothing
  EXPECT_EQ(clean_text("caf\xc3\xa9", 255), "caf\xc3\xa9");
}

// F8: and never longer than the place that it is for.
TEST(Utf8, CleanTextIsBoundedAndSaysSo) {
  EXPECT_EQ(clean_text(std::string(100, 'x'), 20), std::string(14, 'x') + " [cut]");
  EXPECT_EQ(clean_text(std::string(20, 'x'), 20), std::string(20, 'x'));
  EXPECT_EQ(clean_text("xxxxx", 3), "xxx");
  EXPECT_EQ(clean_text("xxxxx", 0), "");
  std::string wide;
  for (int i = 0; i < 50; ++i) wide += "\xe2\x82\xac\xff";
  for (std::size_t max = 0; max < 320; ++max) {
    const auto clean = clean_text(wide, max);
    EXPECT_LE(clean.size(), max);
    EXPECT_TRUE(valid_utf8(clean)) << max;
  }
}

}  // namespace
}  // namespace weft
