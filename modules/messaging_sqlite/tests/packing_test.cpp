#include "packing.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace weft::messaging {
namespace {

message arbitrary_message() {
  message m;
  m.id = *rc::gen::arbitrary<std::string>();
  m.topic = *rc::gen::arbitrary<std::string>();
  m.key = *rc::gen::arbitrary<std::string>();
  m.content_type = *rc::gen::arbitrary<std::string>();
  m.body = *rc::gen::arbitrary<std::string>();
  m.priority = *rc::gen::inRange<std::uint8_t>(0, max_priority + 1);
  m.time_to_live = duration{*rc::gen::nonNegative<duration::rep>()};
  for (const auto& [name, value] : *rc::gen::arbitrary<std::map<std::string, std::string>>()) m.fields.set(name, value);
  return m;
}

TEST(Packing, GivesBackWhatItTook) {
  EXPECT_TRUE(rc::check([] {
    const auto m = arbitrary_message();
    const auto back = unpack(pack(m));
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == m);
  }));
}

TEST(Packing, RefusesWhatIsCutShort) {
  EXPECT_TRUE(rc::check([] {
    const auto whole = pack(arbitrary_message());
    const auto cut = unpack(whole.substr(0, *rc::gen::inRange<std::size_t>(0, whole.size())));
    RC_ASSERT(!cut.has_value());
    RC_ASSERT(cut.error().code() == errc::data_loss);
    RC_ASSERT(!unpack(whole + "x").has_value());
  }));
}

TEST(Packing, TakesAnyBytesWithoutHarm) {
  EXPECT_TRUE(rc::check([](const std::string& bytes) {
    const auto read = unpack("\x01" + bytes);
    if (read) RC_ASSERT(unpack(pack(*read)).value() == *read);
  }));
}

TEST(Packing, KeepsNumbers) {
  const std::vector<std::uint64_t> numbers{0, 1, 127, 128, 1U << 20, ~std::uint64_t{0}};
  EXPECT_EQ(unpack_numbers(pack(numbers)).value(), numbers);
  EXPECT_FALSE(unpack_numbers("\x80").has_value());
}

}  // namespace
}  // namespace weft::messaging
