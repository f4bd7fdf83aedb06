#include "metric_store.hpp"

#include <weft/base/assert.hpp>

#include <algorithm>

namespace weft::observe::detail {
namespace {

constexpr std::size_t max_label_size = 128;

std::string_view cut(std::string_view value) { return value.substr(0, max_label_size); }

std::size_t hash_of(label_values values) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a, with a mark between the values
  for (const auto value : values) {
    for (const char c : cut(value)) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    hash = (hash ^ 0x1ff) * 0x100000001b3ULL;
  }
  return hash ^ hash >> 32;
}

bool same(const std::vector<std::string>& mine, label_values wanted) noexcept {
  return std::ranges::equal(mine, wanted, [](const std::string& a, std::string_view b) { return a == cut(b); });
}

std::size_t lines_of(const family& f) {
  const std::size_t words = f.kind == metric_kind::histogram ? f.buckets.size() + 2 : 1;
  return (words + series::words_per_line - 1) / series::words_per_line;
}

}  // namespace

std::size_t thread_index() noexcept {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t index = next.fetch_add(1, std::memory_order_relaxed);
  return index;
}

series::series(const family& f, std::vector<std::string> label_values)
    : owner{f},
      values{std::move(label_values)},
      shard_mask{f.shards - 1},
      lines_per_shard{lines_of(f)},
      lines(f.shards * lines_per_shard) {}

std::uint64_t series::total(std::size_t at) noexcept {
  std::uint64_t sum = 0;
  for (std::size_t shard = 0; shard <= shard_mask; ++shard) sum += word(shard, at).load(std::memory_order_relaxed);
  return sum;
}

double series::sum_of_doubles(std::size_t at) noexcept {
  double sum = 0;
  for (std::size_t shard = 0; shard <= shard_mask; ++shard)
    sum += std::bit_cast<double>(word(shard, at).load(std::memory_order_relaxed));
  return sum;
}

family::family(metric_kind k, std::string_view n, std::string_view h, std::vector<std::string> l,
               std::span<const double> bounds, std::size_t shard_count, std::size_t limit)
    : kind{k},
      name{n},
      help{h},
      labels{std::move(l)},
      buckets(bounds.begin(), bounds.end()),
      shards{shard_count},
      max_series{labels.empty() ? 1 : limit},
      table_(std::bit_ceil(max_series * 2)) {}

family::~family() {
  for (auto& each : table_) delete each.load(std::memory_order_relaxed);
  delete overflow_.load(std::memory_order_relaxed);
}

bool family::same_shape(metric_kind k, const std::vector<std::string>& l, std::span<const double> bounds) const {
  return kind == k && labels == l && std::ranges::equal(buckets, bounds);
}

series* family::probe(label_values values, std::size_t hash, std::size_t& slot) const noexcept {
  const auto mask = table_.size() - 1;
  for (slot = hash & mask;; slot = (slot + 1) & mask) {
    auto* const found = table_[slot].load(std::memory_order_acquire);
    if (found == nullptr || same(found->values, values)) return found;
  }
}

series& family::find_or_make(label_values values) {
  WEFT_ASSERT(values.size() == labels.size(), "a series needs a value for each label of its metric");
  const auto hash = hash_of(values);
  std::size_t slot = 0;
  if (auto* const found = probe(values, hash, slot)) return *found;
  if (count_.fetch_add(1, std::memory_order_relaxed) >= max_series) {
    count_.fetch_sub(1, std::memory_order_relaxed);
    return overflow();
  }
  std::vector<std::string> kept;
  for (const auto value : values) kept.emplace_back(cut(value));
  auto made = std::make_unique<series>(*this, std::move(kept));
  for (;;) {
    series* expected = nullptr;
    if (table_[slot].compare_exchange_strong(expected, made.get(), std::memory_order_release,
                                             std::memory_order_relaxed))
      return *made.release();
    // Another thread took the slot, perhaps for the same series.
    if (auto* const found = probe(values, hash, slot)) {
      count_.fetch_sub(1, std::memory_order_relaxed);
      return *found;
    }
  }
}

series& family::overflow() {
  overflows.add();
  if (auto* const there = overflow_.load(std::memory_order_acquire)) return *there;
  auto made = std::make_unique<series>(*this, std::vector<std::string>(labels.size(), "overflow"));
  series* expected = nullptr;
  if (overflow_.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel)) return *made.release();
  return *expected;
}

std::vector<series*> family::sorted() const {
  std::vector<series*> all;
  for (const auto& each : table_)
    if (auto* const s = each.load(std::memory_order_acquire)) all.push_back(s);
  std::ranges::sort(all, [](const series* a, const series* b) { return a->values < b->values; });
  if (auto* const s = overflow_.load(std::memory_order_acquire)) all.push_back(s);
  return all;
}

}  // namespace weft::observe::detail

namespace weft::observe {

void counter::add(std::uint64_t n) const noexcept {
  if (series_ != nullptr) series_->own_word(0).fetch_add(n, std::memory_order_relaxed);
}
std::uint64_t counter::value() const noexcept { return series_ != nullptr ? series_->total(0) : 0; }

void gauge::add(std::int64_t n) const noexcept {
  if (series_ != nullptr) series_->own_word(0).fetch_add(static_cast<std::uint64_t>(n), std::memory_order_relaxed);
}
void gauge::set(double value) const noexcept {
  if (series_ == nullptr) return;
  const auto added = static_cast<double>(static_cast<std::int64_t>(series_->total(0)));
  series_->base.store(value - added, std::memory_order_relaxed);
}
double gauge::value() const noexcept {
  if (series_ == nullptr) return 0;
  return series_->base.load(std::memory_order_relaxed) +
         static_cast<double>(static_cast<std::int64_t>(series_->total(0)));
}

void histogram::record(double value) const noexcept {
  if (series_ == nullptr || value != value) return;
  const auto& bounds = series_->owner.buckets;
  const auto bucket = static_cast<std::size_t>(std::ranges::lower_bound(bounds, value) - bounds.begin());
  series_->own_word(1 + bucket).fetch_add(1, std::memory_order_relaxed);
  auto& sum = series_->own_word(0);
  auto before = sum.load(std::memory_order_relaxed);
  while (!sum.compare_exchange_weak(before, std::bit_cast<std::uint64_t>(std::bit_cast<double>(before) + value),
                                    std::memory_order_relaxed)) {
  }
}
std::uint64_t histogram::count() const noexcept {
  if (series_ == nullptr) return 0;
  std::uint64_t all = 0;
  for (std::size_t bucket = 0; bucket <= series_->owner.buckets.size(); ++bucket) all += series_->total(1 + bucket);
  return all;
}
double histogram::sum() const noexcept { return series_ != nullptr ? series_->sum_of_doubles(0) : 0; }

counter counter_family::with(label_values values) const {
  return counter{family_ != nullptr ? &family_->find_or_make(values) : nullptr};
}
gauge gauge_family::with(label_values values) const {
  return gauge{family_ != nullptr ? &family_->find_or_make(values) : nullptr};
}
histogram histogram_family::with(label_values values) const {
  return histogram{family_ != nullptr ? &family_->find_or_make(values) : nullptr};
}

}  // namespace weft::observe
