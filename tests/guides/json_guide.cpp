#include <weft/json.hpp>

#include <gtest/gtest.h>
#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace {
using namespace weft;

// [types]
enum class status { pending, paid };
BOOST_DESCRIBE_ENUM(status, pending, paid)

struct item {
  std::string sku;
  double price = 0;
};
BOOST_DESCRIBE_STRUCT(item, (), (sku, price))

struct order {
  strong<struct order_id_tag> id;
  std::vector<item> items;
  status state = status::pending;
  std::optional<std::string> note;  // may be absent
};
BOOST_DESCRIBE_STRUCT(order, (), (id, items, state, note))
// [/types]

TEST(JsonGuide, SaysWhatIsWrongAndWhere) {
  // [decode]
  const auto good = json::decode<order>(R"({"id":"o-1","items":[{"sku":"a","price":9.5}],"state":"paid","new":1})");
  EXPECT_EQ(good->items[0].price, 9.5);  // "new" is not known here, and is ignored

  const auto bad = json::decode<order>(R"({"id":"o-1","items":[{"sku":"a","price":"9.50"}],"state":"paid"})");
  EXPECT_EQ(bad.error().message(), "$.items[0].price: expected a number, got a string");
  // [/decode]
}

TEST(JsonGuide, EncodesWhatItDecodes) {
  // [encode]
  const order made{.id = strong<struct order_id_tag>{"o-1"}, .items = {{"a", 9.5}}, .note = {}};
  EXPECT_EQ(json::encode(made), R"({"id":"o-1","items":[{"sku":"a","price":9.5}],"state":"pending"})");
  // [/encode]
}

}  // namespace
