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

// [presence]
struct user_patch {
  json::nullable<std::string> nickname;
  json::nullable<int> age;
};
BOOST_DESCRIBE_STRUCT(user_patch, (), (nickname, age))
// [/presence]

// [tolerance]
enum class payment { card, invoice, other };
BOOST_DESCRIBE_ENUM(payment, card, invoice, other)

struct bill {
  int cents = 0;
  int copies = 1;
  payment paid_by = payment::card;
};
BOOST_DESCRIBE_STRUCT(bill, (), (cents, copies, paid_by))
// [/tolerance]

}  // namespace

// [traits]
template <>
struct weft::json::traits<payment> {
  static constexpr auto unknown = payment::other;
};
template <>
struct weft::json::traits<bill> {
  static constexpr field_note fields[] = {{.member = "copies", .missing = missing_fields::keep_default}};
};
// [/traits]

namespace {

TEST(JsonGuide, TellsAbsentFromNull) {
  // [patch]
  const auto patch = json::decode<user_patch>(R"({"nickname":null})").value();
  EXPECT_TRUE(patch.nickname.is_null());  // remove it
  EXPECT_TRUE(patch.age.is_absent());     // leave it as it is
  // [/patch]
}

TEST(JsonGuide, IsTolerantWhereItIsTold) {
  // [told]
  const auto read = json::decode<bill>(R"({"cents":5,"paid_by":"cheque"})").value();
  EXPECT_EQ(read.paid_by, payment::other);
  EXPECT_EQ(read.copies, 1);
  // [/told]
}

TEST(JsonGuide, EncodesWhatItDecodes) {
  // [encode]
  const order made{.id = strong<struct order_id_tag>{"o-1"}, .items = {{"a", 9.5}}, .note = {}};
  EXPECT_EQ(json::encode(made), R"({"id":"o-1","items":[{"sku":"a","price":9.5}],"state":"pending"})");
  // [/encode]
}

}  // namespace
