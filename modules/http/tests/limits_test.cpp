#include "ask.hpp"

#include <weft/http/limits.hpp>

#include <weft/runtime/sleep.hpp>

#include <gtest/gtest.h>

namespace weft::http {
namespace {
using namespace std::chrono_literals;
using testing::ask;

task<result<response>> size_of(request& r) {
  WEFT_CO_TRY(const auto text, co_await r.content.text());
  co_return response::text(std::to_string(text.size()));
}

body unstated(std::string text) {
  struct run {
    static task<result<std::string>> next(std::shared_ptr<std::string> left) {
      auto piece = left->substr(0, 4);
      left->erase(0, piece.size());
      co_return piece;
    }
  };
  return body::generate([left = std::make_shared<std::string>(std::move(text))] { return run::next(left); });
}

TEST(LimitContent, AnswersWhatIsTooLarge) {
  const auto h = limit_content(10)(size_of);
  EXPECT_EQ(ask(h, method::post, "/", {}, "0123456789").content, "10");
  EXPECT_EQ(ask(h, method::post, "/", {}, "0123456789x").status, 413);
  EXPECT_EQ(ask(h, method::post, "/", {}, unstated("0123456789")).content, "10");
  EXPECT_EQ(ask(h, method::post, "/", {}, unstated("0123456789x")).status, 413);
}

task<result<response>> remaining(request& r, loop& l) {
  const auto left = r.context().remaining(l.now());
  co_return response::text(
      r.context().has_deadline() ? std::to_string(std::chrono::round<std::chrono::seconds>(left).count()) : "for ever");
}

TEST(LimitTime, CutsTheContext) {
  epoll_loop loop;
  const handler inner = [&loop](request& r) { return remaining(r, loop); };
  const auto told = [&](const char* value, time_limits limits) {
    return ask(loop, limit_time(loop, limits)(inner), method::get, "/", {{"X-Request-Timeout-Ms", value}});
  };
  EXPECT_EQ(told("20000", {}).content, "20");
  EXPECT_EQ(told("20000", {.longest = 10s}).content, "10");
  EXPECT_EQ(told("20000", {.header = "", .longest = 30s}).content, "30");
  EXPECT_EQ(told("0", {}).status, 504);
  for (const auto* malformed : {"", "-1", "+1", "1.5", "1s", "9999999999", "0x10"})
    EXPECT_EQ(told(malformed, {}).status, 400) << malformed;
  EXPECT_EQ(ask(loop, limit_time(loop, {.unless_told = 5s})(inner), method::get, "/").content, "5");
  EXPECT_EQ(ask(loop, limit_time(loop)(inner), method::get, "/").content, "300");
}

task<result<response>> sleep_long(request& r, loop& l) {
  WEFT_CO_TRY_VOID(co_await sleep(l, r.context(), 1h));
  co_return response::text("late");
}

TEST(LimitTime, EndsWhatTheHandlerAwaits) {
  epoll_loop loop;
  const auto h = limit_time(loop)(handler{[&loop](request& r) { return sleep_long(r, loop); }});
  EXPECT_EQ(ask(loop, h, method::get, "/", {{"X-Request-Timeout-Ms", "1"}}).status, 504);
}

TEST(SendTimeout, SendsWhatIsLeft) {
  epoll_loop loop;
  request r{method::get, "/"};
  EXPECT_TRUE(send_timeout(r, {}, loop.now()));
  EXPECT_FALSE(r.headers.contains(timeout_header));
  const auto ctx = context{}.with_deadline(loop.now() + 1500us);
  EXPECT_TRUE(send_timeout(r, ctx, loop.now()));
  EXPECT_EQ(r.headers.get(timeout_header), "2");
  const auto none = send_timeout(r, ctx, loop.now() + 2ms);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), errc::deadline_exceeded);
}

}  // namespace
}  // namespace weft::http
