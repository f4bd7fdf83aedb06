#include <weft/amqp/frame.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace weft::amqp {
namespace {

TEST(Codec, RandomTablesRoundTrip) {
  EXPECT_TRUE(rc::check([](const std::map<std::string, std::pair<std::int64_t, std::string>>& drawn) {
    table t;
    for (const auto& [name, held] : drawn)
      t.append({name.substr(0, 255), array{held.first, held.second, static_cast<double>(held.first)}});
    RC_ASSERT(parse_table(encode_table(t).value()).value() == t);
  }));
}

TEST(Codec, RandomBytesAreEitherRefusedOrRead) {
  EXPECT_TRUE(rc::check([](const std::string& input) {
    static_cast<void>(parse_frame(input, 4096));
    static_cast<void>(parse_content_header(std::string{"\0\x3c\0\0", 4} + input));
    if (const auto m = parse_method(input)) {
      std::string again;
      RC_ASSERT(append_method(again, 1, *m, 131'072).has_value());
      RC_ASSERT(again.size() >= 8);
    }
    if (const auto t = parse_table(input)) RC_ASSERT(parse_table(encode_table(*t).value()).value() == *t);
  }));
}

}  // namespace
}  // namespace weft::amqp
