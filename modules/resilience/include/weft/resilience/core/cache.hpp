#pragma once
// What was answered before: least recently used out first, bounded by entries and bytes, with ages.
//
//     cache_core<quote> seen{{.ttl = 10s, .stale_if_error = 1min}};
//     const auto found = seen.find("sku-7", now);           // fresh, stale or absent, with its age
//     seen.store("sku-7", value, bytes, now);
//
// A cache belongs to one loop.
#include <weft/base/saturating.hpp>
#include <weft/resilience/policies.hpp>

#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

namespace weft::resilience {

enum class freshness : std::uint8_t {
  absent,
  fresh,
  revalidate,  // beyond ttl, within stale_while_revalidate
  stale,       // good only if the call fails
};

template <class T>
class cache_core {
 public:
  struct found {
    freshness state = freshness::absent;
    const T* value = nullptr;  // until the cache changes
    duration age{};
  };

  explicit cache_core(const cache_options& options) : options_{options} {}

  [[nodiscard]] found find(std::string_view key, steady_time now) {
    const auto at = index_.find(key);
    if (at == index_.end()) return {};
    auto& e = *at->second;
    const auto age = time_between(e.stored, now);
    const auto beyond = saturating_add(age, -options_.ttl);
    // What was stored in this very turn of the loop is what callers waited for, also when nothing is kept for longer.
    const bool fresh = beyond < duration::zero() || age == duration::zero();
    if (!fresh && beyond >= std::max(options_.stale_if_error, options_.stale_while_revalidate)) {
      erase(at->second);
      return {};
    }
    entries_.splice(entries_.begin(), entries_, at->second);
    const auto state = fresh                                      ? freshness::fresh
                       : beyond < options_.stale_while_revalidate ? freshness::revalidate
                                                                  : freshness::stale;
    return {state, &e.value, age};
  }

  // One that is larger than the whole cache is not kept.
  void store(std::string_view key, T value, std::uint64_t bytes, steady_time now) {
    if (const auto at = index_.find(key); at != index_.end()) erase(at->second);
    const auto size = bytes + key.size();
    if (size > options_.max_bytes) return;
    while (!entries_.empty() && (entries_.size() >= options_.max_entries || bytes_ + size > options_.max_bytes))
      erase(std::prev(entries_.end()));
    entries_.push_front({std::string{key}, std::move(value), size, now});
    index_.emplace(entries_.front().key, entries_.begin());
    bytes_ += size;
  }
  void remove(std::string_view key) {
    if (const auto at = index_.find(key); at != index_.end()) erase(at->second);
  }
  void configure(const cache_options& options) {
    options_ = options;
    while (!entries_.empty() && (entries_.size() > options_.max_entries || bytes_ > options_.max_bytes))
      erase(std::prev(entries_.end()));
  }

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] const cache_options& options() const noexcept { return options_; }

 private:
  struct entry {
    std::string key;
    T value;
    std::uint64_t bytes;
    steady_time stored;
  };
  using list = std::list<entry>;
  void erase(typename list::iterator at) {
    bytes_ -= at->bytes;
    index_.erase(at->key);
    entries_.erase(at);
  }

  cache_options options_;
  list entries_;                                                         // the most recently used first
  std::unordered_map<std::string_view, typename list::iterator> index_;  // its keys are in the entries
  std::uint64_t bytes_ = 0;
};

}  // namespace weft::resilience
