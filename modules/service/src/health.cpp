#include <weft/service/health.hpp>

#include <weft/base/saturating.hpp>
#include <weft/json/writer.hpp>
#include <weft/runtime/guarded.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <unistd.h>
#include <cstdio>
#include <optional>
#include <stdexcept>

namespace weft::service {

namespace {

void write_value(json::writer& w, const observe::attribute_value& value) {
  struct visitor {
    json::writer& out;
    void operator()(bool v) const { out.boolean(v); }
    void operator()(std::int64_t v) const { out.number(v); }
    void operator()(double v) const { out.real(v); }
    void operator()(const std::string& v) const { out.string(v); }
  };
  std::visit(visitor{w}, static_cast<const observe::attribute_value::base&>(value));
}

void write_line(json::writer& w, const health_report::line& line) {
  w.begin_object();
  w.member("status");
  w.string(line.healthy ? "healthy" : "unhealthy");
  if (!line.healthy) {
    w.member("error");
    w.string(line.problem);
  }
  if (line.weight == health_weight::advisory) {
    w.member("critical");
    w.boolean(false);
  }
  for (const auto& detail : line.details) {
    w.member(detail.key);
    write_value(w, detail.value);
  }
  w.end_object();
}

}  // namespace

std::string health_report::to_json(wall_time at) const {
  json::writer w;
  w.begin_object();
  w.member("status");
  w.string(healthy ? "healthy" : "unhealthy");
  w.member("checks");
  w.begin_object();
  for (const auto& line : lines) {
    w.member(line.name);
    write_line(w, line);
  }
  w.end_object();
  w.member("timestamp");
  w.string(format_rfc3339(std::chrono::floor<std::chrono::milliseconds>(at)));
  w.end_object();
  return std::move(w).take();
}

struct health_checks::impl {
  struct entry {
    entry(loop& l, std::string n, health_check c, health_options o)
        : name{std::move(n)}, check{std::move(c)}, options{o}, ended{l} {
      ended.set();
    }
    std::string name;
    health_check check;
    health_options options;
    event ended;  // not set while a run is on
    steady_time started{};
    std::optional<steady_time> answered;
    result<health_details> answer = health_details{};
    std::string thrown;  // by the last run
  };

  impl(loop& l, health_observer o) : clock{l}, observer{std::move(o)}, runs{l} {}

  task<void> run_one(entry& e) {
    const auto ctx = context::background().with_deadline(later(e.started, e.options.timeout));
    std::string thrown;
    try {
      e.answer = co_await e.check(ctx);
    } catch (...) {
      thrown = current_exception_error().message();
      if (thrown.empty()) thrown = "an exception without a text";
      e.answer = fail(errc::internal, "the check threw an exception; the log has its text");
    }
    // Whoever asks for /health may be anyone, and what exceptions say was not written for them.
    if (!thrown.empty() && thrown != e.thrown && observer) observer(e.name, thrown);
    e.thrown = std::move(thrown);
    e.answered = clock.now();
    e.ended.set();
  }

  void start(entry& e) {
    if (!e.ended.is_set()) return;
    if (e.answered && clock.now() < later(*e.answered, e.options.keep)) return;
    e.started = clock.now();
    e.ended.reset();
    runs.spawn(run_one(e));
  }

  task<health_report::line> finish(entry& e, context ctx) {
    health_report::line line{.name = e.name, .weight = e.options.weight};
    const auto waited = co_await e.ended.wait(ctx.with_deadline(later(e.started, e.options.timeout)));
    if (!waited && !e.ended.is_set()) {
      const auto since = std::chrono::floor<std::chrono::milliseconds>(time_between(e.started, clock.now())).count();
      line.problem = "no answer after " + std::to_string(since) + " ms";
    } else if (!e.answer) {
      line.problem =
          e.answer.error().message().empty() ? to_string(e.answer.error().code()) : e.answer.error().message();
    } else {
      line.healthy = true;
      line.details = *e.answer;
    }
    co_return line;
  }

  loop& clock;
  health_observer observer;
  std::vector<std::unique_ptr<entry>> entries;
  task_group runs;  // after what they use
};

health_checks::health_checks(loop& l, health_observer observer)
    : impl_{std::make_unique<impl>(l, std::move(observer))} {}
health_checks::~health_checks() = default;

void health_checks::add(std::string name, health_check check, health_options options) {
  for (const auto& e : impl_->entries)
    if (e->name == name) throw std::invalid_argument{"there is a health check \"" + name + "\" already"};
  impl_->entries.push_back(std::make_unique<impl::entry>(impl_->clock, std::move(name), std::move(check), options));
}

task<health_report> health_checks::run(context ctx) {
  for (const auto& e : impl_->entries) impl_->start(*e);
  health_report report;
  for (const auto& e : impl_->entries) {
    report.lines.push_back(co_await impl_->finish(*e, ctx));
    const auto& line = report.lines.back();
    report.healthy = report.healthy && (line.healthy || line.weight == health_weight::advisory);
  }
  co_return report;
}

namespace {

std::optional<std::uint64_t> resident_bytes() {
  struct closer {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  const std::unique_ptr<std::FILE, closer> file{std::fopen("/proc/self/statm", "re")};
  unsigned long long size = 0, resident = 0;
  if (!file || std::fscanf(file.get(), "%llu %llu", &size, &resident) != 2) return std::nullopt;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

task<result<health_details>> check_memory(std::uint64_t limit_bytes) {
  const auto resident = resident_bytes();
  if (!resident) co_return fail(errc::unavailable, "the size of the process cannot be read");
  if (limit_bytes != 0 && *resident > limit_bytes)
    co_return fail(errc::resource_exhausted,
                   "the process has " + std::to_string(*resident) + " bytes, more than " + std::to_string(limit_bytes));
  health_details details{{"rss_bytes", *resident}};
  if (limit_bytes != 0) details.push_back({"limit_bytes", limit_bytes});
  co_return details;
}

}  // namespace

health_check memory_check(std::uint64_t limit_bytes) {
  return [limit_bytes](const context&) { return check_memory(limit_bytes); };
}

}  // namespace weft::service
