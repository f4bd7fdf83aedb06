// Ring hash and Maglev: keys stay where they are when a host leaves or comes, and no host is overrun.
#include <weft/discovery/balancer.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>

#include "hosts.hpp"

namespace weft::discovery {
namespace {

constexpr std::uint64_t keys = 2000;

std::vector<std::string> placed(const balancing& options, const std::vector<host_ptr>& hosts) {
  rng random{1};
  const auto b = make_balancer(options, random);
  b->assign(hosts, start);
  std::vector<std::string> where;
  for (std::uint64_t key = 0; key < keys; ++key) where.push_back(b->pick({.now = start, .key = key})->info.id);
  return where;
}

std::vector<host_ptr> arbitrary_hosts() {
  return make_hosts(*rc::gen::resize(
      30, rc::gen::suchThat(rc::gen::container<std::vector<std::uint32_t>>(rc::gen::inRange<std::uint32_t>(1, 5)),
                            [](const auto& w) { return w.size() >= 2; })));
}

TEST(RingHash, OnlyTheKeysOfTheHostThatLeftMove) {
  EXPECT_TRUE(rc::check([] {
    auto hosts = arbitrary_hosts();
    const auto before = placed({.kind = algorithm::ring_hash}, hosts);
    const auto gone = *rc::gen::inRange<std::size_t>(0, hosts.size());
    const auto id = hosts[gone]->info.id;
    hosts.erase(hosts.begin() + static_cast<std::ptrdiff_t>(gone));
    const auto after = placed({.kind = algorithm::ring_hash}, hosts);
    for (std::size_t key = 0; key < keys; ++key) RC_ASSERT((before[key] == id) == (after[key] != before[key]));
  }));
}

TEST(RingHash, AHostThatComesTakesKeysAndMovesNoOther) {
  EXPECT_TRUE(rc::check([] {
    auto hosts = arbitrary_hosts();
    const auto before = placed({.kind = algorithm::ring_hash}, hosts);
    hosts.push_back(new host{make_instance("new", 2), start});
    const auto after = placed({.kind = algorithm::ring_hash}, hosts);
    for (std::size_t key = 0; key < keys; ++key) RC_ASSERT(after[key] == before[key] || after[key] == "new");
  }));
}

// Its paper shows that a few per cent of the other keys move; the table here is some thousand times the hosts.
TEST(Maglev, FewOtherKeysMoveWhenAHostLeaves) {
  EXPECT_TRUE(rc::check([] {
    auto hosts = make_hosts(*rc::gen::inRange<std::size_t>(2, 30));
    const auto before = placed({.kind = algorithm::maglev}, hosts);
    const auto gone = *rc::gen::inRange<std::size_t>(0, hosts.size());
    const auto id = hosts[gone]->info.id;
    hosts.erase(hosts.begin() + static_cast<std::ptrdiff_t>(gone));
    const auto after = placed({.kind = algorithm::maglev}, hosts);
    std::size_t moved = 0;
    for (std::size_t key = 0; key < keys; ++key) {
      RC_ASSERT(after[key] != id);
      if (before[key] != id && before[key] != after[key]) ++moved;
    }
    RC_ASSERT(moved <= keys * 6 / 100);
  }));
}

class Consistent : public testing::TestWithParam<algorithm> {};
INSTANTIATE_TEST_SUITE_P(Algorithms, Consistent, testing::Values(algorithm::ring_hash, algorithm::maglev),
                         [](const auto& info) { return std::string{to_string(info.param)}; });

TEST_P(Consistent, SpreadsKeysByWeight) {
  const auto hosts = make_hosts({1, 1, 2, 4});
  counts seen;
  rng random{1};
  const auto b = make_balancer({.kind = GetParam(), .ring_points = 1000}, random);
  b->assign(hosts, start);
  for (std::uint64_t key = 0; key < 80'000; ++key) ++seen[b->pick({.now = start, .key = key})->info.id];
  EXPECT_NEAR(seen["h00"], 10'000, 1000);
  EXPECT_NEAR(seen["h01"], 10'000, 1000);
  EXPECT_NEAR(seen["h02"], 20'000, 1500);
  EXPECT_NEAR(seen["h03"], 40'000, 2000);
}

TEST_P(Consistent, WithoutAKeyAnyHostMayTakeTheCall) {
  const auto hosts = make_hosts(4);
  counts seen;
  rng random{1};
  const auto b = make_balancer({.kind = GetParam()}, random);
  b->assign(hosts, start);
  for (int i = 0; i < 1000; ++i) ++seen[b->pick({.now = start})->info.id];
  EXPECT_EQ(seen.size(), 4u);
}

// All calls have one key and none ends: they spill over, and no host ever has more than the bound allows.
TEST_P(Consistent, ABoundKeepsEveryHostNearItsShare) {
  for (const auto bound : {1.1, 1.25, 2.0}) {
    rng random{1};
    const auto b = make_balancer({.kind = GetParam(), .load_bound = bound}, random);
    const auto hosts = make_hosts({1, 1, 2, 4});
    b->assign(hosts, start);
    for (int calls = 1; calls <= 400; ++calls) {
      auto* h = b->pick({.now = start, .key = 7});
      ++h->active;
      EXPECT_LE(h->active, std::ceil(bound * calls * h->info.weight / 8.0)) << bound;
    }
  }
}

TEST_P(Consistent, BelowTheBoundKeysStayTogether) {
  rng random{1};
  const auto b = make_balancer({.kind = GetParam(), .load_bound = 1.25}, random);
  const auto hosts = make_hosts(4);
  b->assign(hosts, start);
  auto* usual = b->pick({.now = start, .key = 7});
  for (const auto& h : hosts) h->active = 10;
  EXPECT_EQ(b->pick({.now = start, .key = 7}), usual);  // 11 <= ceil(1.25 * 41 / 4) = 13
  usual->active = 13;                                   // 14 > ceil(1.25 * 44 / 4) = 14 does not hold yet
  EXPECT_EQ(b->pick({.now = start, .key = 7}), usual);
  usual->active = 14;  // 15 > ceil(1.25 * 45 / 4) = 15 neither
  EXPECT_EQ(b->pick({.now = start, .key = 7}), usual);
  usual->active = 16;  // 17 > ceil(1.25 * 47 / 4) = 15
  EXPECT_NE(b->pick({.now = start, .key = 7}), usual);
}

TEST(RingHash, ARingThatIsFullShrinksForAll) {
  const auto hosts = make_hosts({100, 300});
  rng random{1};
  const auto b = make_balancer({.kind = algorithm::ring_hash, .ring_points = 1000, .ring_max_points = 1024}, random);
  b->assign(hosts, start);
  counts seen;
  for (std::uint64_t key = 0; key < 40'000; ++key) ++seen[b->pick({.now = start, .key = key})->info.id];
  EXPECT_NEAR(seen["h00"], 10'000, 2000);
}

}  // namespace
}  // namespace weft::discovery
