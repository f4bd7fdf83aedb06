#include <weft/runtime/context.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/frame_pool.hpp>
#include <weft/runtime/sleep.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <thread>

namespace weft {
namespace {
using namespace std::chrono_literals;

constexpr steady_time at(int seconds) { return steady_time{std::chrono::seconds{seconds}}; }

TEST(Context, ADeadlineOnlyShrinks) {
  const auto ctx = context{}.with_deadline(at(10));
  EXPECT_EQ(ctx.with_deadline(at(20)).deadline(), at(10));
  EXPECT_EQ(ctx.with_deadline(at(5)).deadline(), at(5));
  EXPECT_EQ(ctx.deadline(), at(10)) << "deriving changes nothing in the origin";
  EXPECT_EQ(ctx.remaining(at(4)), 6s);
  EXPECT_EQ(ctx.remaining(at(11)), 0s);
  EXPECT_EQ(context{}.remaining(at(4)), duration::max());
  EXPECT_FALSE(context{}.has_deadline());
}
TEST(Context, AnEndlessTimeoutIsNoDeadline) {
  epoll_loop loop;
  EXPECT_FALSE(context{}.with_timeout(loop, duration::max()).has_deadline());
  EXPECT_EQ(context{}.with_timeout(loop, 3s).remaining(loop.now()), 3s);
}
TEST(Context, ChecksForItsEnd) {
  const auto ctx = context{}.with_deadline(at(10));
  EXPECT_TRUE(ctx.check(at(9)));
  EXPECT_EQ(ctx.check(at(10)).error().code(), errc::deadline_exceeded);
  cancel_source source;
  const auto cancellable = ctx.with_cancellation(source.token());
  source.cancel(errc::aborted);
  source.cancel(errc::cancelled);
  EXPECT_EQ(cancellable.check(at(10)).error().code(), errc::aborted) << "the first reason stays";
  EXPECT_TRUE(cancellable.detached().check(at(99)));
}
TEST(Context, CarriesWhoAndWhereAndKeepsItWhenDetached) {
  trace_position trace;
  trace.trace_id[0] = trace.span_id[0] = 1;
  const auto ctx = context{}
                       .with_trace(trace)
                       .with_correlation_id("c-1")
                       .with_identity({.subject = "ada", .roles = {"admin"}, .tenant = "t"})
                       .with_deadline(at(1));
  for (const auto& each : {ctx, ctx.with_deadline(at(0)), ctx.detached()}) {
    EXPECT_EQ(each.trace(), trace);
    EXPECT_EQ(each.correlation_id(), "c-1");
    EXPECT_EQ(each.caller().subject, "ada");
  }
  EXPECT_FALSE(context{}.trace().valid());
  EXPECT_EQ(context{}.correlation_id(), "");
}

struct counting final : cancel_callback {
  void cancelled(errc reason) override {
    ++calls;
    why = reason;
  }
  int calls = 0;
  errc why{};
};
TEST(Cancellation, EitherIsCancelledByEach) {
  for (const bool first : {true, false}) {
    cancel_source a, b;
    const auto both = cancel_token::either(a.token(), b.token());
    counting seen;
    seen.watch(both);
    (first ? a : b).cancel(errc::aborted);
    EXPECT_TRUE(both.cancelled());
    EXPECT_EQ(both.reason(), errc::aborted);
    (first ? b : a).cancel();
    EXPECT_EQ(seen.calls, 1);
    EXPECT_EQ(seen.why, errc::aborted);
  }
}
TEST(Cancellation, EitherOfTokensThatAreNeverCancelledIsTheOther) {
  cancel_source source;
  EXPECT_FALSE(cancel_token::either({}, {}).can_be_cancelled());
  source.cancel();
  EXPECT_TRUE(cancel_token::either({}, source.token()).cancelled());
  EXPECT_TRUE(cancel_token::either(source.token(), {}).cancelled());
  cancel_source other;
  EXPECT_TRUE(cancel_token::either(other.token(), source.token()).cancelled()) << "cancelled before it was made";
}
TEST(Cancellation, ReachesChildrenAndNotParents) {
  cancel_source parent;
  cancel_source child{parent.token()}, sibling{parent.token()};
  child.cancel();
  EXPECT_FALSE(parent.cancelled());
  EXPECT_FALSE(sibling.cancelled());
  parent.cancel();
  EXPECT_TRUE(sibling.cancelled());
  cancel_source late{parent.token()};
  EXPECT_TRUE(late.cancelled());
}
// The last owner of the state goes while its callbacks are being called: what is behind is called, or has left.
struct drops_source final : cancel_callback {
  void cancelled(errc) override {
    for (auto* each : leaving) each->unwatch();
    source.reset();
    ++calls;
  }
  std::optional<cancel_source>& source;
  std::vector<cancel_callback*> leaving;
  int calls = 0;
  drops_source(std::optional<cancel_source>& s, std::vector<cancel_callback*> others)
      : source{s}, leaving{std::move(others)} {}
};
TEST(Cancellation, ACallbackMayDropTheLastOwnerOfTheSource) {
  for (const int staying : {0, 1, 2}) {
    std::optional<cancel_source> source{std::in_place};
    counting behind[2];
    std::vector<cancel_callback*> leaving;
    for (int i = staying; i < 2; ++i) leaving.push_back(&behind[i]);
    drops_source first{source, leaving};
    first.watch(source->token());
    for (auto& each : behind) each.watch(source->token());
    source->cancel(errc::aborted);
    EXPECT_EQ(first.calls, 1);
    EXPECT_FALSE(source.has_value());
    for (int i = 0; i < 2; ++i) EXPECT_EQ(behind[i].calls, i < staying ? 1 : 0) << staying;
  }
}
TEST(Cancellation, OutlivesItsSource) {
  std::optional<cancel_source> parent{std::in_place};
  cancel_source child{parent->token()};
  counting seen;
  seen.watch(child.token());
  parent.reset();
  child.cancel();
  EXPECT_EQ(seen.calls, 1);
}

// What a callback may do while it is called: drop others, and the source itself.
struct dropping final : cancel_callback {
  void cancelled(errc) override {
    ++calls;
    victim->unwatch();
    source->reset();
  }
  int calls = 0;
  cancel_callback* victim = nullptr;
  std::optional<cancel_source>* source = nullptr;
};
TEST(Cancellation, ACallbackMayDropOthersAndTheSource) {
  std::optional<cancel_source> source{std::in_place};
  dropping first;
  counting second, third;
  first.victim = &second;
  first.source = &source;
  first.watch(source->token());
  second.watch(source->token());
  third.watch(source->token());
  source->cancel();
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(second.calls, 0);
  EXPECT_EQ(third.calls, 1);
}

TEST(FramePool, GivesAlignedMemoryThatHoldsWhatWasAskedFor) {
  std::vector<std::pair<void*, std::size_t>> frames;
  for (std::size_t round = 0; round < 3; ++round) {
    for (std::size_t bytes = 1; bytes < 9000; bytes += 61) {
      auto* frame = frame_pool::allocate(bytes);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(frame) % alignof(std::max_align_t), 0u);
      std::memset(frame, static_cast<int>(bytes), bytes);
      frames.emplace_back(frame, bytes);
    }
    for (const auto& [frame, bytes] : frames) {
      EXPECT_EQ(static_cast<unsigned char*>(frame)[bytes - 1], bytes & 0xff) << "two frames overlap";
      frame_pool::release(frame, bytes);
    }
    frames.clear();
  }
}
TEST(FramePool, AFrameMayBeReleasedByAnotherThread) {
  std::vector<void*> frames;
  for (int i = 0; i < 100; ++i) frames.push_back(frame_pool::allocate(200));
  std::set<void*> again;
  std::thread other{[&] {
    for (auto* frame : frames) frame_pool::release(frame, 200);
    // The other thread has them now, each once, and they are whole.
    for (int i = 0; i < 200; ++i) again.insert(std::memset(frame_pool::allocate(200), i, 200));
    EXPECT_EQ(again.size(), 200u);
    for (auto* frame : again) frame_pool::release(frame, 200);
  }};
  // Here they are gone: what is allocated meanwhile is none of them that is in use there.
  other.join();
  std::set<void*> here;
  for (int i = 0; i < 100; ++i) here.insert(std::memset(frame_pool::allocate(200), i, 200));
  EXPECT_EQ(here.size(), 100u);
  for (auto* frame : here) frame_pool::release(frame, 200);
}

}  // namespace
}  // namespace weft
