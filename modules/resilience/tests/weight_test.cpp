// A13: a cache's max_bytes is about what its values hold.
#include "virtual_loop.hpp"

#include <weft/resilience/pipeline.hpp>

#include <gtest/gtest.h>
#include <boost/describe/class.hpp>

#include <map>
#include <memory>

namespace weft::resilience {
namespace {

struct article {
  int id = 0;
  std::string text;
  std::vector<std::string> tags;
  std::optional<std::string> note;
};
BOOST_DESCRIBE_STRUCT(article, (), (id, text, tags, note))

class opaque {
 public:
  explicit opaque(std::size_t size) : pixels_(new char[size], std::default_delete<char[]>{}), size_{size} {}
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::shared_ptr<char[]> pixels_;
  std::size_t size_;
};
class nobody_knows {
 public:
  nobody_knows() : secret_{std::make_unique<int>(7)} {}
  nobody_knows(const nobody_knows& o) : secret_{std::make_unique<int>(*o.secret_)} {}

 private:
  std::unique_ptr<int> secret_;
};

}  // namespace

template <>
struct weigher<opaque> {
  static std::uint64_t bytes(const opaque& o) { return sizeof(o) + o.size(); }
};

namespace {

TEST(Weight, CountsWhatIsHeld) {
  EXPECT_EQ(weight_of(7), sizeof(int));
  EXPECT_GE(weight_of(std::string(1000, 'x')), 1000u);
  EXPECT_LT(weight_of(std::string{"short"}), 64u);
  EXPECT_GE(weight_of(std::vector<std::string>(10, std::string(100, 'x'))), 1000u);
  EXPECT_GE((weight_of(std::map<std::string, int>{{std::string(500, 'k'), 1}})), 500u);
  EXPECT_GE(weight_of(std::make_shared<std::string>(300, 'x')), 300u);
  EXPECT_GE((weight_of(std::variant<int, std::string>{std::string(300, 'x')})), 300u);
  EXPECT_GE((weight_of(std::pair<int, std::string>{1, std::string(300, 'x')})), 300u);
  EXPECT_GE(
      weight_of(article{
          .id = 1, .text = std::string(200, 'x'), .tags = {std::string(200, 'y')}, .note = std::string(200, 'z')}),
      600u);
  EXPECT_GE(weight_of(std::vector<opaque>(3, opaque{100})), 300u);
  EXPECT_FALSE(weighable<nobody_knows>);
  EXPECT_FALSE(weighable<std::vector<nobody_knows>>);
  EXPECT_FALSE(weighable<const char*>);
}

TEST(Weight, BoundsACache) {
  virtual_loop loop;
  pipeline<article> guard{loop, "articles", cache<article>{{.max_bytes = 100'000, .ttl = 1h}, {}}};
  int calls = 0;
  const auto ask = [&](int id) {
    // weft-style: closure outlives the coroutine
    return loop.run(guard.run({}, {.cache_key = std::to_string(id)}, [&](const context&) -> task<result<article>> {
      ++calls;
      co_return article{.id = id, .text = std::string(30'000, 'x'), .tags = {}, .note = {}};
    }));
  };
  for (int id = 0; id < 5; ++id) EXPECT_TRUE(ask(id));
  EXPECT_TRUE(ask(4));
  EXPECT_EQ(calls, 5);
  EXPECT_TRUE(ask(0));  // three have room
  EXPECT_EQ(calls, 6);
}

TEST(Weight, ACacheOfWhatNobodyCanWeighIsRefused) {
  virtual_loop loop;
  EXPECT_THROW((pipeline<nobody_knows>{loop, "x", cache<nobody_knows>{}}), std::invalid_argument);
  EXPECT_NO_THROW((pipeline<nobody_knows>{
      loop, "x", cache<nobody_knows>{.options = {}, .weigh = [](const nobody_knows&) { return std::uint64_t{64}; }}}));
}

}  // namespace
}  // namespace weft::resilience
