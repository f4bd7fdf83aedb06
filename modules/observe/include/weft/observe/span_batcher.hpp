#pragma once
// Spans on their way to a collector: gathered, and sent in batches, one at a time.
//
//     observe::span_batcher batches{loop, exporter, {.metrics = &metrics}};
//     observe::tracer tracer{loop, batches};
//     ...
//     co_await batches.stop(ctx);            // when draining: sends what is left
//
// Belongs to one loop. What arrives while the queue is full, or is in a batch that cannot be sent, is dropped and
// counted: tracing never holds up or breaks what is traced.
#include <weft/base/error.hpp>
#include <weft/observe/metrics.hpp>
#include <weft/observe/span.hpp>
#include <weft/runtime/loop.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/runtime/timer.hpp>

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

namespace weft::observe {

// Sends spans somewhere. One call at a time; it obeys the context's deadline and cancellation. An exception is a failure.
class span_exporter {
 public:
  virtual ~span_exporter() = default;
  virtual task<result<>> export_spans(context ctx, std::vector<span_data> batch) = 0;
};

struct span_batcher_options {
  std::size_t max_queue = 2048;              // spans that wait; more are dropped
  std::size_t max_batch = 512;               // spans in one call of the exporter; as many that wait start one at once
  duration every = std::chrono::seconds{5};  // the longest that a span waits for others
  duration timeout = std::chrono::seconds{10};  // of one call of the exporter
  // weft_spans_exported_total, weft_spans_dropped_total{reason="queue"|"export"}, weft_spans_queued; null: none.
  registry* metrics = nullptr;
};

class span_batcher final : public span_sink, timer_node {
 public:
  // The exporter outlives the batcher. Throws std::invalid_argument for a bound that is zero.
  span_batcher(loop& l, span_exporter& exporter, span_batcher_options options = {});
  ~span_batcher() override;

  void take(span_data&& ended) noexcept override;

  // Resolves when all that waits now has been tried; errc::deadline_exceeded or cancelled when `ctx` ends first. The
  // first error of the exporter, if there was one.
  [[nodiscard]] task<result<>> flush(context ctx);
  // Flushes, and drops all that comes later; a call that is under way when `ctx` ends is cancelled.
  [[nodiscard]] task<result<>> stop(context ctx);

  [[nodiscard]] std::size_t queued() const noexcept { return queue_.size(); }
  [[nodiscard]] std::uint64_t exported() const noexcept { return exported_; }
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }

 private:
  void expire() override { start(); }
  void start();
  task<void> send_all();
  void drop(std::size_t spans, const counter& reason) noexcept;

  loop& loop_;
  span_exporter& exporter_;
  span_batcher_options options_;
  std::deque<span_data> queue_;
  std::uint64_t exported_ = 0, dropped_ = 0;
  bool sending_ = false, stopped_ = false;
  result<> outcome_;  // the first failure since the last flush began
  event idle_;        // set while nothing waits and nothing is sent
  counter exported_total_, dropped_queue_, dropped_export_;
  gauge queued_gauge_;
  task_group exports_;
};

}  // namespace weft::observe
