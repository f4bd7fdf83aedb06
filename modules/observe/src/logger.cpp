#include "text.hpp"

#include <weft/observe/log.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <stdexcept>

namespace weft::observe {
namespace {

constexpr std::array<std::string_view, 7> level_names{"trace", "debug", "info", "warning", "error", "critical", "off"};

// Lets `per_second` pass on average and `burst` at once (the generic cell rate algorithm), from any thread.
class rate_limit {
 public:
  rate_limit(std::uint32_t per_second, std::uint32_t burst)
      : interval_{per_second == 0 ? 0 : 1'000'000'000 / per_second}, tolerance_{interval_ * (burst - 1)} {}

  bool pass(steady_time at) noexcept {
    if (interval_ == 0) return true;
    const std::int64_t now = std::chrono::nanoseconds{at.time_since_epoch()}.count();
    auto expected = next_.load(std::memory_order_relaxed);
    do {
      if (expected - now > tolerance_) return false;
    } while (!next_.compare_exchange_weak(expected, std::max(expected, now) + interval_, std::memory_order_relaxed));
    return true;
  }

 private:
  std::int64_t interval_, tolerance_;
  std::atomic<std::int64_t> next_{INT64_MIN / 2};  // when the next record is due, were they evenly spaced
};

}  // namespace

std::string_view to_string(log_level level) noexcept { return level_names[static_cast<std::size_t>(level)]; }

result<log_level> parse_log_level(std::string_view name) {
  std::string lower{name};
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (lower == "warn") return log_level::warning;
  const auto found = std::ranges::find(level_names, std::string_view{lower});
  if (found != level_names.end()) return static_cast<log_level>(found - level_names.begin());
  return fail(weft::error{errc::invalid_argument, "no such log level"}.with_remedy(
      "trace, debug, info, warning, error, critical or off"));
}

struct logger::shared {
  shared(std::shared_ptr<log_sink> s, logger_options o)
      : sink{std::move(s)}, options{std::move(o)}, level{options.level}, limit{options.max_per_second, options.burst} {}

  std::shared_ptr<log_sink> sink;
  logger_options options;
  std::atomic<log_level> level;
  rate_limit limit;
  std::atomic<std::uint64_t> unreported{0};  // dropped since the last report
  std::array<counter, 6> records;
  counter dropped;
};

// A list that owns its texts; the deque keeps them in place.
struct logger::fixed_fields {
  std::deque<std::string> texts;
  std::vector<field> fields;

  void add(const field& f) {
    auto value = f.value;
    if (const auto* text = std::get_if<std::string_view>(&value)) value = std::string_view{texts.emplace_back(*text)};
    fields.push_back({texts.emplace_back(f.name), value});
  }
};

logger::logger(const loop& clock, std::shared_ptr<log_sink> sink, logger_options options) : clock_{&clock} {
  if (!sink) throw std::invalid_argument{"a logger needs a sink"};
  if (options.max_per_second != 0 && options.burst == 0)
    throw std::invalid_argument{"logger_options.burst is 1 or more where there is a limit"};
  shared_ = std::make_shared<shared>(std::move(sink), std::move(options));
  if (auto* const metrics = shared_->options.metrics; metrics != nullptr) {
    auto records =
        metrics->add_counter("weft_log_records_total", "Log records that were written, by level.", {"level"});
    for (std::size_t i = 0; i < shared_->records.size(); ++i) shared_->records[i] = records.with({level_names[i]});
    shared_->dropped =
        metrics->add_counter("weft_log_dropped_total", "Log records that were lost, by reason.", {"reason"})
            .with({"rate"});
  }
}

logger logger::on(const loop& clock) const {
  auto other = *this;
  other.clock_ = &clock;
  return other;
}

logger logger::with(std::initializer_list<field> fields) const {
  auto all = std::make_shared<fixed_fields>();
  if (fixed_)
    for (const auto& each : fixed_->fields) all->add(each);
  for (const auto& each : fields) all->add(each);
  auto other = *this;
  other.fixed_ = std::move(all);
  return other;
}

void logger::set_level(log_level level) const noexcept { shared_->level.store(level, std::memory_order_relaxed); }
log_level logger::level() const noexcept { return shared_->level.load(std::memory_order_relaxed); }

void logger::write(log_level level, const context& ctx, std::string_view message, std::span<const field> given) const {
  if (!enabled(level)) return;
  auto& s = *shared_;
  if (!s.limit.pass(clock_->now())) {
    s.unreported.fetch_add(1, std::memory_order_relaxed);
    return s.dropped.add();
  }
  const auto& o = s.options;
  std::vector<field> fields;
  fields.reserve(given.size() + (fixed_ ? fixed_->fields.size() : 0));
  const auto keep = [&](const field& each) {
    if (fields.size() >= o.max_fields) return;
    auto value = each.value;
    if (o.secrets.covers(each.name))
      value = redacted;
    else if (const auto* text = std::get_if<std::string_view>(&value))
      value = text::cut(*text, o.max_text_size);
    fields.push_back({text::cut(each.name, 128), value});
  };
  if (fixed_) std::ranges::for_each(fixed_->fields, keep);
  std::ranges::for_each(given, keep);

  const auto at = clock_->wall_now();
  if (const auto lost = s.unreported.exchange(0, std::memory_order_relaxed); lost != 0) {
    static const trace_position none;
    const field count{"count", lost};
    s.sink->write({at, log_level::warning, o.service, "log records dropped", {}, &none, {&count, 1}});
  }
  s.sink->write(
      {at, level, o.service, text::cut(message, o.max_text_size), ctx.correlation_id(), &ctx.trace(), fields});
  s.records[static_cast<std::size_t>(level)].add();
}

}  // namespace weft::observe
