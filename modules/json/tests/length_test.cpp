// Strings and numbers of every length, with more text behind them and without.
#include <gtest/gtest.h>

#include "types.hpp"

namespace {

namespace json = weft::json;
using namespace shop;

// Long ways and short ones meet at 15 and 16 characters, and at the end of the text.
TEST(decode, reads_strings_of_any_length_with_anything_behind) {
  for (std::size_t size = 0; size < 100; ++size) {
    std::string content;
    for (std::size_t i = 0; i < size; ++i) content += static_cast<char>('a' + i % 26);
    for (const std::size_t behind : {0, 1, 14, 15, 16, 17, 40}) {
      const std::string after(behind, ' ');
      EXPECT_EQ(json::decode<std::string>("\"" + content + "\"" + after), content);
      EXPECT_EQ(json::decode<std::string>("\"" + content + "\\n" + content + "\"" + after), content + "\n" + content);
      EXPECT_EQ(json::decode<std::string>("\"" + content + "\u00e9" + content + "\"" + after),
                content + "\u00e9" + content);
      EXPECT_FALSE(json::decode<std::string>("\"" + content + after));
      EXPECT_FALSE(json::decode<std::string>("\"" + content + "\t\"" + after));
      const auto replaced = json::decode<server>("{\"host\":\"" + content + "\"}" + after,
                                                 {.missing_fields = json::missing_fields::keep_default});
      ASSERT_TRUE(replaced);
      EXPECT_EQ(replaced->host, content);
    }
  }
}

TEST(decode, reads_numbers_of_any_length_with_anything_behind) {
  const std::string digits = "12345678901234567890";
  for (std::size_t size = 1; size <= digits.size(); ++size) {
    const auto whole = digits.substr(0, size);
    for (const std::size_t behind : {0, 1, 2, 15, 16, 17, 18, 19, 40}) {
      const std::string after(behind, '\n');
      EXPECT_EQ(json::decode<std::uint64_t>(whole + after), std::stoull(whole));
      if (size < 20) EXPECT_EQ(json::decode<std::int64_t>("-" + whole + after), -std::stoll(whole));
      EXPECT_FALSE(json::decode<std::uint64_t>("-" + whole + after));
      EXPECT_FALSE(json::decode<std::uint64_t>("0" + whole + after));
      EXPECT_FALSE(json::decode<double>("-0" + whole + after));
      EXPECT_FALSE(json::decode<double>(whole + "." + after));
      EXPECT_FALSE(json::decode<double>(whole + "." + whole + "x" + after));
      EXPECT_EQ(json::decode<double>(whole + "e3" + after), std::stod(whole + "e3"));
      for (std::size_t fraction = 1; fraction <= digits.size(); ++fraction) {
        const auto text = whole + "." + digits.substr(0, fraction);
        EXPECT_EQ(json::decode<double>(text + after), std::stod(text));
        if (size < 15) EXPECT_FALSE(json::decode<std::uint64_t>(text + after));  // a double does not tell more
      }
    }
  }
}

}  // namespace
