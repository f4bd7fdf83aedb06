#pragma once
// The memory behind the handles of metrics.hpp. Series and families are only ever added, so readers need no locks: a
// family keeps its series in a table of pointers that fills up, the registry its families in a list that grows at its
// head.
#include <weft/observe/metrics.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace weft::observe {

namespace detail {
struct callback_entry {
  std::vector<std::string> values;
  std::function<double()> read;
  family* owner = nullptr;
};

inline constexpr std::size_t cache_line = 64;

// The index of this thread, given out in the order in which threads first count something.
std::size_t thread_index() noexcept;

struct alignas(cache_line) line {
  std::array<std::atomic<std::uint64_t>, cache_line / sizeof(std::uint64_t)> words{};
};

enum class metric_kind { counter, gauge, histogram };

// One line of the exposition (a histogram: several), sharded. A shard holds whole cache lines:
//   counter: word 0.  gauge: word 0, signed.  histogram: word 0 is the sum as a double, then a word for each bucket.
struct series {
  series(const family& owner, std::vector<std::string> label_values);

  std::atomic<std::uint64_t>& word(std::size_t shard, std::size_t at) noexcept {
    return lines[shard * lines_per_shard + at / words_per_line].words[at % words_per_line];
  }
  std::atomic<std::uint64_t>& own_word(std::size_t at) noexcept { return word(thread_index() & shard_mask, at); }
  // Sums the word over all shards; wraps, so that a gauge's signed parts add up.
  std::uint64_t total(std::size_t at) noexcept;
  double sum_of_doubles(std::size_t at) noexcept;

  static constexpr std::size_t words_per_line = cache_line / sizeof(std::uint64_t);
  const family& owner;
  const std::vector<std::string> values;
  const std::size_t shard_mask;
  const std::size_t lines_per_shard;
  std::vector<line> lines;
  std::atomic<double> base{0};  // a gauge's set() value
};

struct family {
  family(metric_kind k, std::string_view n, std::string_view h, std::vector<std::string> l,
         std::span<const double> bounds, std::size_t shard_count, std::size_t limit);
  ~family();
  family(const family&) = delete;
  family& operator=(const family&) = delete;

  series& find_or_make(label_values values);
  bool same_shape(metric_kind k, const std::vector<std::string>& l, std::span<const double> bounds) const;
  // The series in the order of their label values; the overflow last.
  std::vector<series*> sorted() const;

  const metric_kind kind;
  const std::string name, help;
  const std::vector<std::string> labels;
  const std::vector<double> buckets;
  const std::size_t shards, max_series;
  counter overflows;  // set before the family is published
  family* next = nullptr;

  // weft-style: allow thread: taken by the owners of callbacks and by whoever exposes, never where something is counted
  mutable std::mutex callbacks_lock;
  std::vector<std::shared_ptr<callback_entry>> callbacks;

 private:
  series* probe(label_values values, std::size_t hash, std::size_t& slot) const noexcept;
  series& overflow();

  std::vector<std::atomic<series*>> table_;  // open addressing, a power of two, never full
  std::atomic<std::size_t> count_{0};
  std::atomic<series*> overflow_{nullptr};
};

}  // namespace detail
}  // namespace weft::observe
