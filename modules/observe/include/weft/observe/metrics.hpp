#pragma once
// Counters, gauges and histograms, exposed as Prometheus' text format 0.0.4.
//
//     observe::registry metrics;
//     auto requests = metrics.add_counter("shop_orders_total", "Orders taken.", {"method", "status"});
//     auto seconds = metrics.add_histogram("shop_order_duration_seconds", "Time to take one.");
//     const auto ok = requests.with({"GET", "200"});          // resolve once, keep
//     ok.add();  seconds.record(elapsed);                     // a relaxed increment on this thread's own cache line
//     const std::string text = metrics.expose();              // content type: registry::content_type
//
// Every call may be made from any thread, without locks but for callbacks; start-up code of several cores may add the
// same metric, and gets the same one. Handles are plain values that stay good as long as the registry; one that is
// default-constructed counts nothing. Adding a metric whose name or labels Prometheus would refuse, or that exists in
// another shape, throws std::invalid_argument: that is wrong start-up code.
//
// The number of series of a metric is bounded: label values beyond it are counted together in one series whose label
// values are "overflow", and weft_metrics_overflow_total{metric} counts how often that happened.
#include <weft/runtime/timer.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::observe {

namespace detail {
struct series;
struct family;
struct callback_entry;
}  // namespace detail

class counter {
 public:
  counter() = default;
  void add(std::uint64_t n = 1) const noexcept;
  [[nodiscard]] std::uint64_t value() const noexcept;

 private:
  friend class counter_family;
  explicit counter(detail::series* s) : series_{s} {}
  detail::series* series_ = nullptr;
};

// add() and subtract() are as cheap as a counter's. set() is for values that one place alone decides.
class gauge {
 public:
  gauge() = default;
  void add(std::int64_t n = 1) const noexcept;
  void subtract(std::int64_t n = 1) const noexcept { add(-n); }
  void set(double value) const noexcept;
  [[nodiscard]] double value() const noexcept;

 private:
  friend class gauge_family;
  explicit gauge(detail::series* s) : series_{s} {}
  detail::series* series_ = nullptr;
};

class histogram {
 public:
  histogram() = default;
  void record(double value) const noexcept;  // NaN is ignored
  void record(duration elapsed) const noexcept { record(std::chrono::duration<double>(elapsed).count()); }
  [[nodiscard]] std::uint64_t count() const noexcept;
  [[nodiscard]] double sum() const noexcept;

 private:
  friend class histogram_family;
  explicit histogram(detail::series* s) : series_{s} {}
  detail::series* series_ = nullptr;
};

using label_values = std::span<const std::string_view>;

// A metric with labels. with() finds or makes the series of these label values, in the order of the label names; as
// many values as names, else it is a bug. Beyond 128 bytes a value is cut.
class counter_family {
 public:
  counter_family() = default;
  [[nodiscard]] counter with(label_values values) const;
  [[nodiscard]] counter with(std::initializer_list<std::string_view> values) const {
    return with(label_values{values.begin(), values.size()});
  }

 private:
  friend class registry;
  explicit counter_family(detail::family* f) : family_{f} {}
  detail::family* family_ = nullptr;
};

class gauge_family {
 public:
  gauge_family() = default;
  [[nodiscard]] gauge with(label_values values) const;
  [[nodiscard]] gauge with(std::initializer_list<std::string_view> values) const {
    return with(label_values{values.begin(), values.size()});
  }

 private:
  friend class registry;
  explicit gauge_family(detail::family* f) : family_{f} {}
  detail::family* family_ = nullptr;
};

class histogram_family {
 public:
  histogram_family() = default;
  [[nodiscard]] histogram with(label_values values) const;
  [[nodiscard]] histogram with(std::initializer_list<std::string_view> values) const {
    return with(label_values{values.begin(), values.size()});
  }

 private:
  friend class registry;
  explicit histogram_family(detail::family* f) : family_{f} {}
  detail::family* family_ = nullptr;
};

// Upper bounds in seconds, from 1 ms to 10 s.
[[nodiscard]] std::span<const double> latency_buckets() noexcept;

// Ends the callback when it is destroyed: after that it is not called, and its series is gone. The registry outlives
// it.
class [[nodiscard]] callback_metric {
 public:
  callback_metric() = default;
  callback_metric(callback_metric&&) noexcept = default;
  callback_metric& operator=(callback_metric&& other) noexcept;
  ~callback_metric() { remove(); }

 private:
  friend class registry;
  void remove() noexcept;
  explicit callback_metric(std::shared_ptr<detail::callback_entry> e) : entry_{std::move(e)} {}
  std::shared_ptr<detail::callback_entry> entry_;
};

struct registry_options {
  // Cache lines for each series; threads are spread over them. 0: the number of processors, 64 at most. Rounded up to a
  // power of two. More cost memory and time to expose, fewer cost contention.
  std::size_t shards = 0;
  // Series of one metric, callbacks aside; further label values go to the series "overflow". At least 1.
  std::size_t max_series = 500;
};

enum class callback_kind { gauge, counter };

class registry {
 public:
  static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

  explicit registry(registry_options options = {});
  registry(const registry&) = delete;
  registry& operator=(const registry&) = delete;
  ~registry();

  // Names: letters, digits and _ ; a counter's ends in _total. docs/metrics.md lists weft's own.
  counter add_counter(std::string_view name, std::string_view help);
  counter_family add_counter(std::string_view name, std::string_view help, std::vector<std::string> labels);
  gauge add_gauge(std::string_view name, std::string_view help);
  gauge_family add_gauge(std::string_view name, std::string_view help, std::vector<std::string> labels);
  // Buckets are upper bounds, rising and finite; the one for everything is added.
  histogram add_histogram(std::string_view name, std::string_view help,
                          std::span<const double> buckets = latency_buckets());
  histogram_family add_histogram(std::string_view name, std::string_view help, std::vector<std::string> labels,
                                 std::span<const double> buckets = latency_buckets());

  // A value that is asked for when it is exposed, on the thread that exposes: read only what is safe there. Several
  // callbacks may share a name with different label values (then with the same label names).
  callback_metric add_callback(callback_kind kind, std::string_view name, std::string_view help,
                               std::function<double()> read,
                               std::vector<std::pair<std::string, std::string>> labels = {});

  // Sorted by name, then by label values: the same state gives the same text.
  [[nodiscard]] std::string expose() const;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace weft::observe
