#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/guarded.hpp>

#include <gtest/gtest.h>

#include <stdexcept>

namespace weft {
namespace {

template <class T>
T run_now(task<T> work) {
  epoll_loop loop;
  return loop.run(std::move(work));
}

task<result<int>> seven(int& seen) { co_return seen = 7; }
task<result<int>> throws_in_the_task(int&) {
  throw std::runtime_error{"no such thing"};
  co_return 1;
}
task<result<int>> throws_before_the_task(int&) { throw 42; }
task<void> nothing(int& seen) {
  seen = 1;
  co_return;
}

// A12, F13: whatever is thrown, of whatever type, becomes an error.
TEST(Guarded, TurnsWhatIsThrownIntoAnError) {
  int seen = 0;
  EXPECT_EQ(run_now(guarded_await(seven, seen)), result<int>{7});
  EXPECT_EQ(seen, 7);
  EXPECT_EQ(run_now(guarded_await(throws_in_the_task, seen)).error(), (error{errc::internal, "no such thing"}));
  EXPECT_EQ(run_now(guarded_await(throws_before_the_task, seen)).error().code(), errc::internal);
  EXPECT_TRUE(run_now(guarded_await(nothing, seen)));
  EXPECT_EQ(seen, 1);
}

TEST(Guarded, CallsPlainFunctions) {
  EXPECT_EQ(guarded_call([] { return 3; }), result<int>{3});
  EXPECT_TRUE(guarded_call([] {}));
  EXPECT_EQ(guarded_call([]() -> result<int> { return fail(errc::not_found, "x"); }).error().code(), errc::not_found);
  EXPECT_EQ(guarded_call([]() -> int { throw "text"; }).error().code(), errc::internal);
  EXPECT_EQ(guarded_call([]() -> int { throw std::out_of_range{"seven"}; }).error().message(), "seven");
}

}  // namespace
}  // namespace weft
