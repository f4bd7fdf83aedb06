// D: options of a decoding of its own, of requests and of responses.
#include <weft/http/message.hpp>
#include <weft/testkit/run.hpp>

#include <gtest/gtest.h>
#include <boost/describe/class.hpp>

namespace weft::http {
namespace {

struct point {
  int x = 0, y = 7;
};
BOOST_DESCRIBE_STRUCT(point, (), (x, y))

TEST(JsonOptions, OfARequest) {
  testkit::run([](loop&) -> task<void> {
    const auto with = [](std::string text) {
      request r{method::post, "/"};
      r.content = body{std::move(text)};
      return r;
    };
    auto strict = with(R"({"x":1,"y":2,"z":3})");
    const auto refused = co_await strict.json<point>({.unknown_fields = json::unknown_fields::refuse});
    EXPECT_FALSE(refused.has_value());
    auto tolerant = with(R"({"x":1})");
    const auto read = co_await tolerant.json<point>({.missing_fields = json::missing_fields::keep_default});
    EXPECT_TRUE(read && read->y == 7);
    auto plain = with(R"({"x":1})");
    EXPECT_FALSE((co_await plain.json<point>()).has_value());
  });
}

TEST(JsonOptions, OfAResponse) {
  testkit::run([](loop&) -> task<void> {
    auto r = response::json_text(R"({"x":1})");
    const auto read = co_await r.as<point>(body::default_limit, {.missing_fields = json::missing_fields::keep_default});
    EXPECT_TRUE(read && read->y == 7);
  });
}

}  // namespace
}  // namespace weft::http
