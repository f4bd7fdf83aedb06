// The relay's window in a world of chance: rows commit late, calls fail or are answered late, a message arrives
// although its call failed, leases are lost and come back, a read is under way while all that happens. Whatever it is,
// the first arrival of each message is in order per key, and nothing is left out. In half of the worlds numbers become
// visible in their order, as with SQLite; in a third the broker takes a call as a whole, with several of a key in it.
#include "relay_window.hpp"

#include <weft/runtime/rng.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace weft::messaging {
namespace {

using namespace std::chrono_literals;

outbox_row row_of(std::int64_t seq, std::string key, unsigned shard = 0) {
  return {.seq = seq,
          .shard = shard,
          .what = {.what = {.id = std::to_string(seq), .topic = "t", .key = std::move(key), .body = "x"}}};
}

std::vector<result<>> answers(std::size_t count, const result<>& each) { return std::vector<result<>>(count, each); }

struct RelayWindow : testing::Test {
  RelayWindow() { window.hold(0, 1, now + 1h); }
  void admit(std::initializer_list<std::pair<std::int64_t, const char*>> rows) {
    window.begin_reading();
    for (const auto& [seq, key] : rows) window.admit(row_of(seq, key), now);
  }
  std::vector<std::int64_t> take() {
    last = window.take(now);
    std::vector<std::int64_t> seqs;
    for (const auto& s : last.rows) seqs.push_back(s.seq);
    return seqs;
  }
  void answer(const result<>& each) { window.answered(last.rows, answers(last.rows.size(), each), now, 0.5); }
  using numbers = std::vector<std::int64_t>;

  steady_time now{1h};
  relay_window window{{.rows = 16, .batch = 8}};
  relay_window::batch last;
};

TEST_F(RelayWindow, GivesOneOfEachKeyAtATime) {
  admit({{1, "a"}, {2, "a"}, {3, "b"}, {4, ""}, {5, ""}});
  EXPECT_EQ(take(), (numbers{1, 3, 4, 5}));
  EXPECT_EQ(take(), numbers{});
}

TEST_F(RelayWindow, TakesALateOneBeforeThoseBehindWhatIsOut) {
  admit({{5, "a"}, {9, "a"}});
  EXPECT_EQ(take(), numbers{5});
  admit({{3, "a"}, {7, "a"}});
  answer({});
  EXPECT_EQ(take(), numbers{3});
  answer({});
  EXPECT_EQ(take(), numbers{7});
}

TEST_F(RelayWindow, DropsAReadThatHasGapsByNow) {
  admit({{1, "a"}, {2, "a"}, {3, "b"}});
  EXPECT_EQ(take(), (numbers{1, 3}));
  window.begin_reading();                      // 1, 2 and 3 are left out of it
  answer(fail(errc::unavailable, "not now"));  // 2 is forgotten
  window.admit(row_of(4, "a"), now);
  window.admit(row_of(5, "c"), now);
  now += 1min;
  EXPECT_EQ(take(), (numbers{5, 1, 3}));  // what failed comes last
  answer({});
  EXPECT_EQ(take(), numbers{});
  admit({{2, "a"}, {4, "a"}});
  EXPECT_EQ(take(), numbers{2});
}

TEST_F(RelayWindow, TriesAFewWhenEverythingFails) {
  window = relay_window{{.rows = 256, .batch = 64}};
  window.hold(0, 1, now + 24h);
  window.begin_reading();
  for (int i = 1; i <= 64; ++i) window.admit(row_of(i, "k" + std::to_string(i)), now);
  EXPECT_EQ(take().size(), 64u);
  answer(fail(errc::unavailable, "no connection"));
  EXPECT_TRUE(window.in_outage());
  EXPECT_EQ(take().size(), 0u);
  EXPECT_EQ(window.wanted(now), 0u);
  std::set<std::int64_t> tried;
  for (int i = 0; i < 4; ++i) {
    now = window.next_due();
    const auto some = take();
    EXPECT_EQ(some.size(), 16u);
    tried.insert(some.begin(), some.end());
    answer(fail(errc::unavailable, "no connection"));
  }
  EXPECT_EQ(tried.size(), 64u);  // not the same ones again and again
  now = window.next_due();
  EXPECT_EQ(take().size(), 16u);
  answer({});
  EXPECT_EQ(take().size(), 48u);
}

TEST_F(RelayWindow, ForgetsWhatBelongsToALostShard) {
  window.hold(1, 7, now + 1h);
  window.begin_reading();
  window.admit(row_of(1, "a", 0), now);
  window.admit(row_of(2, "b", 1), now);
  window.admit(row_of(3, "", 1), now);
  EXPECT_EQ(take(), (numbers{1, 2, 3}));
  window.lose(1);
  window.hold(1, 8, now + 1h);
  window.admit(row_of(4, "b", 1), now);  // read under the lease before
  EXPECT_EQ(window.size(), 1u);
  answer({});
  const auto marks = window.take_marks(10);
  ASSERT_EQ(marks.size(), 1u);
  EXPECT_EQ(marks[0].seq, 1);
}

TEST_F(RelayWindow, SendsNothingOfALeaseThatHasRunOut) {
  admit({{1, "a"}});
  now += 2h;
  EXPECT_EQ(take(), numbers{});
  EXPECT_EQ(window.expired(now), std::vector<unsigned>{0});
}

TEST_F(RelayWindow, ReadsOnFromWhereItWasUnlessThereIsSomethingBefore) {
  window = relay_window{{.rows = 16, .batch = 8, .in_commit_order = true}};
  window.hold(0, 1, now + 1h);
  const auto admit_and_end = [&](std::initializer_list<std::pair<std::int64_t, const char*>> rows) {
    admit(rows);
    window.end_reading();
  };
  admit_and_end({{1, "a"}, {2, "a"}, {3, "b"}});
  EXPECT_EQ(window.read_after(), 3);
  EXPECT_EQ(window.rows(), numbers{});  // none above it
  EXPECT_EQ(take(), (numbers{1, 3}));
  answer(fail(errc::unavailable, "not now"));  // 2 is forgotten, its key held back
  admit_and_end({{4, "c"}});
  EXPECT_EQ(window.read_after(), 4);
  now += 1min;
  EXPECT_EQ(take(), (numbers{4, 1, 3}));
  window.begin_reading();  // under way while the key is released
  window.admit(row_of(5, "c"), now);
  answer({});
  window.end_reading();
  EXPECT_EQ(window.read_after(), 0);
  EXPECT_EQ(window.rows(), (numbers{1, 3, 4, 5}));
  admit_and_end({{2, "a"}, {6, "a"}});
  EXPECT_EQ(window.read_after(), 6);
  window.hold(1, 1, now + 1h);  // of which nothing was read
  EXPECT_EQ(window.read_after(), 0);
}

TEST_F(RelayWindow, FinishesWhatIsUnderWayOfAShardThatRetires) {
  window.hold(1, 7, now + 1h);
  window.begin_reading();
  for (const auto& [seq, key] : {std::pair{1, "b"}, {2, "b"}, {3, "c"}, {4, ""}})
    window.admit(row_of(seq, key, 1), now);
  window.admit(row_of(5, "a", 0), now);
  EXPECT_EQ(take(), (numbers{1, 3, 4, 5}));
  window.retire(1);
  EXPECT_TRUE(window.retiring());
  EXPECT_EQ(window.kept(), numbers{0});
  EXPECT_EQ(window.retired(), std::vector<unsigned>{});
  window.begin_reading();
  window.admit(row_of(6, "d", 1), now);
  EXPECT_EQ(window.size(), 4u);  // 2 is dropped, and 6 not taken
  std::vector<result<>> mixed(4);
  mixed[1] = fail(errc::unavailable, "not now");  // 3: the next relay tries it again
  window.answered(last.rows, mixed, now, 0.5);
  EXPECT_EQ(window.out(), 0u);
  EXPECT_EQ(window.retired(), std::vector<unsigned>{});  // 1 and 4 are to be marked
  const auto marks = window.take_marks(10);
  ASSERT_EQ(marks.size(), 3u);
  window.marked(marks);
  EXPECT_EQ(window.retired(), std::vector<unsigned>{1});
  EXPECT_EQ(window.size(), 0u);
}

struct SameKey : RelayWindow {
  SameKey() {
    window = relay_window{{.rows = 16, .batch = 8, .same_key = 3}};
    window.hold(0, 1, now + 1h);
  }
};

TEST_F(SameKey, GivesSeveralOfAKeyInOneCallAndThenWaits) {
  admit({{1, "a"}, {2, "a"}, {3, "b"}, {4, "a"}, {5, "a"}, {6, ""}});
  EXPECT_EQ(take(), (numbers{1, 2, 4, 3, 6}));
  EXPECT_EQ(take(), numbers{});
  admit({{7, "a"}});
  EXPECT_EQ(take(), numbers{});
  window.answered({{1, 1}, {2, 1}, {4, 1}, {3, 1}, {6, 1}}, answers(5, {}), now, 0.5);
  EXPECT_EQ(take(), (numbers{5, 7}));
  EXPECT_EQ(window.out(), 2u);
}

TEST_F(SameKey, RepeatsInOrderWhatStoodBehindAFailure) {
  admit({{1, "a"}, {2, "a"}, {3, "a"}, {4, "b"}});
  EXPECT_EQ(take(), (numbers{1, 2, 3, 4}));
  std::vector<result<>> mixed(4);
  mixed[1] = fail(errc::unavailable, "not now");
  window.answered(last.rows, mixed, now, 0.5);  // 3 was taken, before 2
  EXPECT_EQ(window.out(), 0u);
  EXPECT_EQ(window.to_mark(), 2u);
  EXPECT_EQ(window.held_back(), std::vector<std::string>{"a"});
  now += 1min;
  EXPECT_EQ(take(), numbers{2});
  answer({});
  admit({{3, "a"}});
  EXPECT_EQ(take(), numbers{3});
}

// ---- the world

template <class List, class Value>
bool holds(const List& list, const Value& value) {
  return std::ranges::find(list, value) != list.end();
}

class world {
 public:
  explicit world(std::uint64_t seed)
      : random_{seed},
        ordered_{seed % 2 == 0},
        whole_calls_{seed % 3 == 0},
        window_{{.rows = 24,
                 .batch = 5,
                 .first_pause = 10ms,
                 .longest_pause = 100ms,
                 .in_commit_order = ordered_,
                 .same_key = whole_calls_ ? std::size_t{3} : 1}} {
    for (unsigned s = 0; s < 3; ++s) window_.hold(s, ++token_, now_ + 24h);
  }

  void live(int steps) {
    for (int i = 0; i < steps; ++i) {
      now_ += std::chrono::milliseconds{random_.between(0, 10)};
      step(static_cast<int>(random_.below(12)));
    }
    calm_ = true;
    for (int i = 0; i < 20'000 && !done(); ++i) {
      now_ += 20ms;
      step(2 + i % 8);
    }
    EXPECT_TRUE(done()) << left() << " rows were never published";
  }
  [[nodiscard]] std::string problem() const { return problem_; }

 private:
  struct stored {
    std::string key;
    bool visible = false;
  };
  struct call {
    relay_window::batch what;
  };

  void step(int what) {
    if (what <= 1 && !calm_) add();
    if (what == 2) commit();
    if (what == 3) begin_read();
    if (what == 4) end_read();
    if (what == 5 || what == 6) send();
    if (what == 7) answer();
    if (what == 8) begin_mark();
    if (what == 9) end_mark();
    if (what == 10 && random_.chance(0.2)) change_lease();
    if (what == 11) hand_over();
  }
  static unsigned shard_of_key(const std::string& key) { return static_cast<unsigned>(key.size()) % 3; }

  // Transactions of one key exclude each other: the next number is drawn when the one before is visible.
  void add() {
    const auto kind = random_.below(7);
    const std::string key = kind == 0 ? "" : std::string(kind, 'k');
    for (const auto& [seq, r] : rows_)
      if (!key.empty() && r.key == key && !r.visible) return;
    rows_[++seq_] = {.key = key, .visible = ordered_ || random_.chance(0.5)};
  }
  void commit() {
    for (auto& [seq, r] : rows_)
      if (!r.visible && (calm_ || random_.chance(0.5))) r.visible = true;
  }
  void begin_read() {
    const auto wanted = window_.wanted(now_);
    if (reading_ || wanted == 0) return;
    reading_ = true;
    window_.begin_reading();
    const auto known = window_.rows();
    const auto back = window_.held_back();
    const auto held = window_.kept();
    const auto after = window_.read_after();
    read_.clear();
    for (const auto& [seq, r] : rows_) {
      if (!r.visible || seq <= after || holds(known, seq) || holds(back, r.key)) continue;
      if (!holds(held, static_cast<std::int64_t>(shard_of_key(r.key)))) continue;
      if (read_.size() < wanted) read_.push_back(row_of(seq, r.key, shard_of_key(r.key)));
    }
  }
  void end_read() {
    if (!reading_) return;
    reading_ = false;
    for (auto& r : read_) window_.admit(std::move(r), now_);
    window_.end_reading();
  }
  void send() {
    if (calls_.size() >= 4) return;
    auto b = window_.take(now_);
    if (b.rows.empty()) return;
    std::set<std::string> keys;
    for (const auto& m : b.messages)
      if (!m.what.key.empty() && !keys.insert(m.what.key).second && !whole_calls_)
        problem_ = "two of key " + m.what.key + " are in one call";
    for (const auto& key : keys)
      if (!sent_.insert(key).second && !lost_since_) problem_ = "two calls have key " + key;
    calls_.push_back({std::move(b)});
  }
  void answer() {
    if (calls_.empty()) return;
    const auto at = static_cast<std::ptrdiff_t>(random_.below(calls_.size()));
    auto c = std::move(calls_[static_cast<std::size_t>(at)]);
    calls_.erase(calls_.begin() + at);
    const bool all_fail = !calm_ && random_.chance(0.2), all_arrive = random_.chance(0.3);
    std::vector<result<>> results;
    for (const auto& m : c.what.messages) {
      sent_.erase(m.what.key);
      const bool fails = all_fail || (!calm_ && !whole_calls_ && random_.chance(0.15));
      if (!fails || (whole_calls_ ? all_arrive : random_.chance(0.3))) arrive(m.what);
      if (fails)
        results.push_back(fail(errc::unavailable, "chance"));
      else
        results.push_back({});
    }
    window_.answered(c.what.rows, results, now_, random_.uniform());
  }
  // The first arrival of each.
  void arrive(const message& m) {
    const auto seq = std::stoll(m.id);
    if (!arrived_.insert(seq).second || m.key.empty()) return;
    for (const auto& [other, r] : rows_)
      if (r.key == m.key && other < seq && !arrived_.contains(other))
        problem_ = m.id + " overtook " + std::to_string(other);
  }
  void begin_mark() {
    if (!marking_.empty()) return;
    marking_ = window_.take_marks(10);
    for (const auto& m : marking_)
      if (!arrived_.contains(m.seq)) problem_ = std::to_string(m.seq) + " is marked and was never published";
  }
  void end_mark() {
    if (marking_.empty()) return;
    auto marks = std::exchange(marking_, {});
    if (!calm_ && random_.chance(0.1)) return window_.not_marked(std::move(marks));
    for (const auto& m : marks)
      if (window_.token_of(m.shard) == m.token) rows_.erase(m.seq);  // as the database checks it
    window_.marked(marks);
  }
  void change_lease() {
    const auto shard = static_cast<unsigned>(random_.below(3));
    if (window_.token_of(shard) != 0 && random_.chance(0.5))
      window_.retire(shard);
    else if (window_.token_of(shard) != 0)
      window_.lose(shard), lost_since_ = true;
    else
      window_.hold(shard, ++token_, now_ + 24h);
  }
  void hand_over() {
    for (const auto shard : window_.retired()) {
      for (const auto& c : calls_)
        for (const auto& m : c.what.messages)
          if (shard_of_key(m.what.key) == shard && !lost_since_) problem_ = "a shard was handed over with a call open";
      window_.lose(shard);
    }
  }
  bool done() {
    hand_over();
    for (unsigned s = 0; s < 3; ++s)
      if (window_.token_of(s) == 0) window_.hold(s, ++token_, now_ + 24h);
    return rows_.empty();
  }
  [[nodiscard]] std::size_t left() const { return rows_.size(); }

  rng random_;
  bool ordered_, whole_calls_;
  relay_window window_;
  steady_time now_{1h};
  std::map<std::int64_t, stored> rows_;
  std::int64_t seq_ = 0, token_ = 0;
  bool reading_ = false, calm_ = false, lost_since_ = false;
  std::vector<outbox_row> read_;
  std::vector<call> calls_;
  std::set<std::string> sent_;
  std::set<std::int64_t> arrived_;
  std::vector<relay_window::mark> marking_;
  std::string problem_;
};

TEST(RelayWindowInAWorldOfChance, KeepsOrderAndLosesNothing) {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    world w{seed};
    w.live(400);
    ASSERT_EQ(w.problem(), "") << "seed " << seed;
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace weft::messaging
