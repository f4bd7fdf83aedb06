#include <weft/resilience/lint.hpp>
#include <weft/resilience/rate_limit_store.hpp>

#include <algorithm>

namespace weft::resilience {

struct memory_rate_limit_store::entry {
  entry(std::string_view k, const rate_limit& r) : key{k}, rule{r}, limiter{std::make_unique<rate_limiter_core>(r)} {}
  void follow(const rate_limit& wanted, steady_time now) {
    if (wanted.algorithm != rule.algorithm)
      limiter = std::make_unique<rate_limiter_core>(wanted);
    else if (wanted.limit != rule.limit || wanted.per != rule.per || wanted.burst != rule.burst)
      limiter->configure(wanted, now);
    rule = wanted;
  }
  std::string key;
  rate_limit rule;
  std::unique_ptr<rate_limiter_core> limiter;
};

struct alignas(64) memory_rate_limit_store::shard {
  spin_lock lock;
  std::list<entry> entries;  // the most recently used first
  std::unordered_map<std::string_view, std::list<entry>::iterator> index;
};

memory_rate_limit_store::memory_rate_limit_store(memory_rate_limit_options options)
    : keys_per_shard_{std::max<std::size_t>(1, options.max_keys / shards)}, shards_{new shard[shards]} {}

rate_decision memory_rate_limit_store::take_now(std::string_view key, const rate_limit& rule, std::uint32_t cost,
                                                steady_time now) {
  auto& s = shards_[std::hash<std::string_view>{}(key) % shards];
  const spin_lock::guard held{s.lock};
  if (const auto at = s.index.find(key); at != s.index.end()) {
    s.entries.splice(s.entries.begin(), s.entries, at->second);
    at->second->follow(rule, now);
  } else {
    if (s.entries.size() >= keys_per_shard_) {
      s.index.erase(s.entries.back().key);
      s.entries.pop_back();
    }
    s.entries.emplace_front(key, rule);
    s.index.emplace(s.entries.front().key, s.entries.begin());
  }
  return s.entries.front().limiter->take(cost, now);
}

task<result<rate_decision>> memory_rate_limit_store::take(context, loop& clock, std::string key, rate_limit rule,
                                                          std::uint32_t cost) {
  co_return take_now(key, rule, cost, clock.now());
}

std::size_t memory_rate_limit_store::size() const {
  std::size_t total = 0;
  for (std::size_t i = 0; i < shards; ++i) {
    const spin_lock::guard held{shards_[i].lock};
    total += shards_[i].entries.size();
  }
  return total;
}

}  // namespace weft::resilience
