#include <weft/observe/log.hpp>

#include <spdlog/async_logger.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/base_sink.h>

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace weft::observe {
namespace {

// The last step, on spdlog's thread: whole lines to the descriptor. A reader that has gone loses the line; one that
// hangs is waited for, but not when the program ends.
class descriptor_sink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  descriptor_sink(int descriptor, duration last_wait)
      : descriptor_{descriptor}, waits_left_{last_wait / std::chrono::milliseconds{wait_milliseconds}} {}

  // From any thread: what is left has `last_wait` to go.
  void hurry() noexcept { hurried_.store(true, std::memory_order_relaxed); }

 private:
  // A pipe that is ready takes this much without blocking, and in one piece.
  static constexpr std::size_t piece = 4096;
  static constexpr int wait_milliseconds = 10;

  void sink_it_(const spdlog::details::log_msg& line) override {
    std::string_view rest{line.payload.data(), line.payload.size()};
    while (!rest.empty() && ready()) {
      const auto written = ::write(descriptor_, rest.data(), std::min(rest.size(), piece));
      if (written >= 0)
        rest.remove_prefix(static_cast<std::size_t>(written));
      else if (errno != EAGAIN && errno != EINTR)
        return;
    }
  }
  bool ready() {
    for (;;) {
      pollfd wait{descriptor_, POLLOUT, 0};
      if (::poll(&wait, 1, wait_milliseconds) > 0) return true;
      if (hurried_.load(std::memory_order_relaxed) && --waits_left_ < 0) return false;
    }
  }
  void flush_() override {}

  int descriptor_;
  std::int64_t waits_left_;
  std::atomic<bool> hurried_{false};
};

bool set(const char* variable) {
  const char* value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): read at start-up
  return value != nullptr && *value != '\0';
}
bool is_dumb_terminal() {
  const char* value = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): read at start-up
  return value != nullptr && std::string_view{value} == "dumb";
}

// The program's signals are the loops' to handle; and a reader that has gone is EPIPE here, not the end of the process.
void block_signals() {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

class log_output final : public log_sink {
 public:
  explicit log_output(const log_output_options& o)
      : pretty_{o.format == log_format::automatic ? ::isatty(o.descriptor) == 1 : o.format == log_format::pretty},
        colours_{decide(o)},
        pool_{std::make_shared<spdlog::details::thread_pool>(o.queue, 1, block_signals)},
        descriptor_{std::make_shared<descriptor_sink>(o.descriptor, o.last_wait)},
        async_{std::make_shared<spdlog::async_logger>("weft", descriptor_, pool_,
                                                      spdlog::async_overflow_policy::overrun_oldest)} {
    async_->set_level(spdlog::level::trace);
    if (o.metrics == nullptr) return;
    dropped_ = o.metrics->add_callback(
        callback_kind::counter, "weft_log_dropped_total", "Log records that were lost, by reason.",
        [pool = pool_] { return static_cast<double>(pool->overrun_counter()); }, {{"reason", "queue"}});
  }
  ~log_output() override {
    dropped_ = {};
    descriptor_->hurry();
    async_.reset();
    pool_.reset();  // writes what waits, and joins
  }

  void write(const log_record& record) noexcept override {
    auto line = pretty_ ? format_pretty(record, colours_) : format_json(record);
    line += '\n';
    async_->log(spdlog::level::info, spdlog::string_view_t{line});
  }

 private:
  static colours decide(const log_output_options& o) {
    if (o.colour != log_colours::automatic) return o.colour == log_colours::on ? colours::on : colours::off;
    return ::isatty(o.descriptor) == 1 && !set("NO_COLOR") && !is_dumb_terminal() ? colours::on : colours::off;
  }

  bool pretty_;
  colours colours_;
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  std::shared_ptr<descriptor_sink> descriptor_;
  std::shared_ptr<spdlog::async_logger> async_;
  callback_metric dropped_;
};

}  // namespace

std::shared_ptr<log_sink> make_log_output(log_output_options options) {
  if (options.queue == 0) throw std::invalid_argument{"log_output_options.queue is 1 or more"};
  return std::make_shared<log_output>(options);
}

}  // namespace weft::observe
