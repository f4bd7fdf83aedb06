#include <weft/amqp/frame.hpp>

#include <gtest/gtest.h>

namespace weft::amqp {
namespace {

constexpr std::uint32_t frame_max = 131'072;

std::string method_frame(std::uint16_t channel, const method& m) {
  std::string out;
  EXPECT_TRUE(append_method(out, channel, m, frame_max));
  return out;
}

// Fills every argument with a value that tells the fields apart.
struct filler {
  void octet(std::uint8_t& v) { v = static_cast<std::uint8_t>(next()); }
  void short_uint(std::uint16_t& v) { v = static_cast<std::uint16_t>(0x100 + next()); }
  void long_uint(std::uint32_t& v) { v = 0x10'000 + next(); }
  void long_long_uint(std::uint64_t& v) { v = 0x1'0000'0000 + next(); }
  void short_string(std::string& v) { v = "short " + std::to_string(next()); }
  void long_string(std::string& v) { v = std::string(300, 'x') + std::to_string(next()); }
  void bit(bool& v) { v = (next() & 1) == 0; }
  void table(amqp::table& v) { v = {{"n", static_cast<std::int32_t>(next())}, {"deep", amqp::table{{"a", "b"}}}}; }
  void reserved_short_uint() {}
  void reserved_short_string() {}
  void reserved_long_string() {}
  void reserved_bit() {}
  unsigned next() { return ++last; }
  unsigned last = 0;
};

void expect_round_trip(const method& m, method_id id, std::string_view name) {
  const auto frame_bytes = method_frame(7, m);
  const auto f = parse_frame(frame_bytes, frame_max);
  ASSERT_TRUE(f && *f) << name;
  EXPECT_EQ((*f)->channel, 7);
  EXPECT_EQ((*f)->type, frame_type::method);
  EXPECT_EQ((*f)->size(), frame_bytes.size());
  const auto parsed = parse_method((*f)->payload);
  ASSERT_TRUE(parsed) << parsed.error().describe();
  EXPECT_EQ(*parsed, m) << name;
  EXPECT_EQ(name_of(*parsed), name);
  EXPECT_EQ(name_of(id), name);
  for (std::size_t cut = 0; cut < (*f)->payload.size(); ++cut)
    EXPECT_FALSE(parse_method((*f)->payload.substr(0, cut))) << name << " cut at " << cut;
  EXPECT_FALSE(parse_method(std::string{(*f)->payload} + "x")) << name;
}

template <class M>
void round_trip() {
  M m;  // the defaults, then filled
  expect_round_trip(m, M::id, M::name);
  filler fill;
  M::fields(m, fill);
  expect_round_trip(m, M::id, M::name);
}

template <std::size_t... I>
void round_trip_all(std::index_sequence<I...>) {
  (round_trip<std::variant_alternative_t<I, any_method>>(), ...);
}

TEST(Codec, EveryMethodRoundTripsAndIsRefusedWhenCutShort) {
  round_trip_all(std::make_index_sequence<std::variant_size_v<any_method>>{});
}

}  // namespace
}  // namespace weft::amqp
