#include <weft/base/saturating.hpp>
#include <weft/observe/span_batcher.hpp>

#include <weft/runtime/guarded.hpp>

#include <algorithm>
#include <iterator>
#include <stdexcept>

namespace weft::observe {

span_batcher::span_batcher(loop& l, span_exporter& exporter, span_batcher_options options)
    : loop_{l}, exporter_{exporter}, options_{options}, idle_{l}, exports_{l} {
  if (options_.max_queue == 0 || options_.max_batch == 0)
    throw std::invalid_argument{"span_batcher_options: max_queue and max_batch are 1 or more"};
  if (options_.every <= duration::zero() || options_.timeout <= duration::zero())
    throw std::invalid_argument{"span_batcher_options: every and timeout are more than zero"};
  idle_.set();
  if (options_.metrics == nullptr) return;
  auto& metrics = *options_.metrics;
  exported_total_ = metrics.add_counter("weft_spans_exported_total", "Spans that the exporter took.");
  auto dropped = metrics.add_counter("weft_spans_dropped_total", "Spans that were lost, by reason.", {"reason"});
  dropped_queue_ = dropped.with({"queue"});
  dropped_export_ = dropped.with({"export"});
  queued_gauge_ = metrics.add_gauge("weft_spans_queued", "Spans that wait for the exporter.");
}

span_batcher::~span_batcher() { queued_gauge_.subtract(static_cast<std::int64_t>(queue_.size())); }

void span_batcher::take(span_data&& ended) noexcept {
  if (stopped_ || queue_.size() >= options_.max_queue) return drop(1, dropped_queue_);
  queue_.push_back(std::move(ended));
  queued_gauge_.add();
  idle_.reset();
  if (queue_.size() >= std::min(options_.max_batch, options_.max_queue))
    start();
  else if (!sending_ && !armed())
    loop_.arm(*this, later(loop_.now(), options_.every));
}

void span_batcher::drop(std::size_t spans, const counter& reason) noexcept {
  dropped_ += spans;
  reason.add(spans);
}

void span_batcher::start() {
  disarm();
  if (sending_ || queue_.empty()) return;
  sending_ = true;
  exports_.spawn(send_all());
}

task<void> span_batcher::send_all() {
  while (!queue_.empty()) {
    const auto size = std::min(queue_.size(), options_.max_batch);
    const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(size);
    std::vector<span_data> batch{std::make_move_iterator(queue_.begin()), std::make_move_iterator(end)};
    queue_.erase(queue_.begin(), end);
    queued_gauge_.subtract(static_cast<std::int64_t>(size));
    const auto ctx = exports_.derive(context{}).with_timeout(loop_, options_.timeout);
    const auto exporting = [this](context c, std::vector<span_data> spans) {
      return exporter_.export_spans(std::move(c), std::move(spans));
    };
    auto sent = co_await guarded_await(exporting, ctx, std::move(batch));
    if (sent) {
      exported_ += size;
      exported_total_.add(size);
    } else {
      drop(size, dropped_export_);
      if (outcome_) outcome_ = std::move(sent);
    }
  }
  sending_ = false;
  idle_.set();
}

task<result<>> span_batcher::flush(context ctx) {
  outcome_ = {};
  start();
  WEFT_CO_TRY_VOID(co_await idle_.wait(ctx));
  co_return outcome_;
}

task<result<>> span_batcher::stop(context ctx) {
  stopped_ = true;
  auto flushed = co_await flush(ctx);
  if (!flushed) {
    drop(queue_.size(), dropped_queue_);
    queued_gauge_.subtract(static_cast<std::int64_t>(queue_.size()));
    queue_.clear();
    co_await exports_.stop();
  }
  co_return flushed;
}

}  // namespace weft::observe
