#include "metric_store.hpp"

#include "exposition.hpp"

#include <weft/base/assert.hpp>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <thread>

namespace weft::observe {
namespace {

using detail::family;
using detail::metric_kind;

constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_identifier(std::string_view name) {
  return !name.empty() && is_letter(name.front()) &&
         std::ranges::all_of(name, [](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

[[noreturn]] void refuse(std::string_view metric, std::string_view why) {
  throw std::invalid_argument{"metric '" + std::string{metric} + "': " + std::string{why}};
}

void check_name(metric_kind kind, std::string_view name) {
  if (!is_identifier(name)) refuse(name, "a name has letters, digits and _, and no digit first");
  if (kind == metric_kind::counter && !name.ends_with("_total")) refuse(name, "a counter's name ends in _total");
  if (kind != metric_kind::counter && name.ends_with("_total")) refuse(name, "only a counter's name ends in _total");
  if (kind != metric_kind::histogram)
    for (const std::string_view reserved : {"_bucket", "_sum", "_count"})
      if (name.ends_with(reserved)) refuse(name, "a name that ends in _bucket, _sum or _count is a histogram's");
}

void check_labels(metric_kind kind, std::string_view name, const std::vector<std::string>& labels) {
  for (const auto& label : labels) {
    if (!is_identifier(label) || label.starts_with("__"))
      refuse(name, "label '" + label + "': letters, digits and _, no digit and no __ first");
    if (kind == metric_kind::histogram && label == "le") refuse(name, "the label le is the histogram's own");
    if (std::ranges::count(labels, label) > 1) refuse(name, "label '" + label + "' occurs twice");
  }
}

void check_buckets(std::string_view name, std::span<const double> buckets) {
  if (buckets.empty()) refuse(name, "a histogram needs buckets");
  if (!std::ranges::all_of(buckets, [](double b) { return std::isfinite(b); }))
    refuse(name, "bucket bounds are finite; +Inf is added");
  if (!std::ranges::is_sorted(buckets, std::less_equal<>{})) refuse(name, "bucket bounds rise");
}

std::size_t shards_of(const registry_options& options) {
  const std::size_t wanted = options.shards != 0 ? options.shards : std::thread::hardware_concurrency();
  return std::bit_ceil(std::clamp<std::size_t>(wanted, 1, 64));
}

}  // namespace

struct registry::impl {
  std::size_t shards, max_series;
  std::atomic<family*> first{nullptr};
  counter_family overflows;

  ~impl() {
    for (auto* each = first.load(); each != nullptr;) delete std::exchange(each, each->next);
  }

  family* find(std::string_view name) const {
    auto* each = first.load(std::memory_order_acquire);
    while (each != nullptr && each->name != name) each = each->next;
    return each;
  }

  family& add(metric_kind kind, std::string_view name, std::string_view help, std::vector<std::string> labels,
              std::span<const double> buckets = {}) {
    check_name(kind, name);
    check_labels(kind, name, labels);
    if (kind == metric_kind::histogram) check_buckets(name, buckets);
    std::unique_ptr<family> made;
    for (;;) {
      auto* const head = first.load(std::memory_order_acquire);
      if (auto* const there = find(name)) {
        if (!there->same_shape(kind, made ? made->labels : labels, buckets))
          refuse(name, "exists with another kind, labels or buckets");
        return *there;
      }
      if (!made) {
        made = std::make_unique<family>(kind, name, help, std::move(labels), buckets, shards, max_series);
        if (!made->labels.empty()) made->overflows = overflows.with({name});
      }
      made->next = head;
      auto* expected = head;
      if (first.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel)) return *made.release();
    }
  }
};

std::span<const double> latency_buckets() noexcept {
  static constexpr double bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
  return bounds;
}

registry::registry(registry_options options) : impl_{std::make_unique<impl>(shards_of(options), options.max_series)} {
  if (options.max_series == 0) throw std::invalid_argument{"registry_options.max_series is 1 or more"};
  impl_->overflows = counter_family{&impl_->add(metric_kind::counter, "weft_metrics_overflow_total",
                                                "Uses of label values beyond a metric's bound on series.", {"metric"})};
}
registry::~registry() = default;

counter registry::add_counter(std::string_view name, std::string_view help) {
  return add_counter(name, help, {}).with(label_values{});
}
counter_family registry::add_counter(std::string_view name, std::string_view help, std::vector<std::string> labels) {
  return counter_family{&impl_->add(metric_kind::counter, name, help, std::move(labels))};
}
gauge registry::add_gauge(std::string_view name, std::string_view help) {
  return add_gauge(name, help, {}).with(label_values{});
}
gauge_family registry::add_gauge(std::string_view name, std::string_view help, std::vector<std::string> labels) {
  return gauge_family{&impl_->add(metric_kind::gauge, name, help, std::move(labels))};
}
histogram registry::add_histogram(std::string_view name, std::string_view help, std::span<const double> buckets) {
  return add_histogram(name, help, std::vector<std::string>{}, buckets).with(label_values{});
}
histogram_family registry::add_histogram(std::string_view name, std::string_view help, std::vector<std::string> labels,
                                         std::span<const double> buckets) {
  return histogram_family{&impl_->add(metric_kind::histogram, name, help, std::move(labels), buckets)};
}

callback_metric registry::add_callback(callback_kind kind, std::string_view name, std::string_view help,
                                       std::function<double()> read,
                                       std::vector<std::pair<std::string, std::string>> labels) {
  auto made = std::make_shared<detail::callback_entry>();
  std::vector<std::string> names;
  for (auto& [label, value] : labels) {
    names.push_back(std::move(label));
    made->values.push_back(std::move(value));
  }
  made->read = std::move(read);
  made->owner = &impl_->add(kind == callback_kind::gauge ? metric_kind::gauge : metric_kind::counter, name, help,
                            std::move(names));
  // weft-style: allow thread: taken by the owners of callbacks and by whoever exposes, never where something is counted
  const std::lock_guard held{made->owner->callbacks_lock};
  for (const auto& other : made->owner->callbacks)
    if (other->values == made->values) refuse(name, "a callback with these label values exists");
  made->owner->callbacks.push_back(made);
  return callback_metric{std::move(made)};
}

callback_metric& callback_metric::operator=(callback_metric&& other) noexcept {
  if (this != &other) {
    remove();
    entry_ = std::move(other.entry_);
  }
  return *this;
}

void callback_metric::remove() noexcept {
  if (!entry_) return;
  // weft-style: allow thread: taken by the owners of callbacks and by whoever exposes, never where something is counted
  const std::lock_guard held{entry_->owner->callbacks_lock};
  std::erase(entry_->owner->callbacks, entry_);
}

std::string registry::expose() const {
  std::vector<const family*> families;
  for (auto* each = impl_->first.load(std::memory_order_acquire); each != nullptr; each = each->next)
    families.push_back(each);
  std::ranges::sort(families, {}, &family::name);
  std::string text;
  for (const auto* each : families) detail::expose(*each, text);
  return text;
}

}  // namespace weft::observe
