#include "certificates.hpp"

#include <weft/base/saturating.hpp>
#include <weft/runtime/blocking.hpp>
#include <weft/runtime/sleep.hpp>

#include <sys/stat.h>

namespace weft::service {

namespace {

using namespace std::chrono_literals;

// How often the end is looked at where files are not, and how often it is mentioned.
constexpr duration look_every = 1h, warn_every = 24h;

std::string shown_days(wall_time::duration left) {
  return std::to_string(std::chrono::floor<std::chrono::days>(left).count());
}

// Changes whenever a file is written, replaced or linked anew.
std::string state_of(const std::vector<std::string>& files) {
  std::string state;
  for (const auto& file : files) {
    struct stat s{};
    if (file.empty()) continue;
    if (::stat(file.c_str(), &s) == 0)
      state += std::to_string(s.st_dev) + ":" + std::to_string(s.st_ino) + ":" + std::to_string(s.st_size) + ":" +
               std::to_string(s.st_mtim.tv_sec) + "." + std::to_string(s.st_mtim.tv_nsec) + ";";
    else
      state += "none;";
  }
  return state;
}

}  // namespace

certificates::certificates(loop& l, const observe::logger& log, observe::registry& metrics)
    : loop_{l},
      log_{log},
      ends_{metrics.add_gauge("weft_service_certificate_end_seconds",
                              "End of the listener's certificate since 1970, in seconds.", {"listener"})},
      tasks_{l} {}

void certificates::add(std::string listener, const tls_settings& files, net::tls_context tls) {
  auto ends = ends_.with({listener});
  entries_.push_back(
      std::make_unique<entry>(entry{.listener = std::move(listener),
                                    .files = files,
                                    .tls = std::move(tls),
                                    .ends = ends,
                                    .seen = state_of({files.certificate, files.key, files.client_authorities}),
                                    .problem = {}}));
}

void certificates::start() {
  for (const auto& e : entries_) tasks_.spawn(watch(*e, tasks_.derive(context::background())));
}

task<std::string> certificates::state_of_files(const entry& e) {
  co_return co_await blocking(loop_, [files = std::vector{e.files.certificate, e.files.key,
                                                          e.files.client_authorities}] { return state_of(files); });
}

task<void> certificates::watch(entry& e, context ctx) {
  const bool watched = e.files.reload_interval > e.files.reload_interval.zero();
  const auto interval = watched ? saturating_cast<duration>(e.files.reload_interval) : look_every;
  for (;;) {
    look_at_end(e);
    if (!co_await weft::sleep(loop_, ctx, interval)) co_return;
    if (watched && co_await state_of_files(e) != e.seen) co_await renew(e);
  }
}

task<void> certificates::renew_all() {
  for (const auto& e : entries_) co_await renew(*e);
}

// What does not load is tried again at the next look: certificate and key may be written one after the other.
task<void> certificates::renew(entry& e) {
  auto state = co_await state_of_files(e);
  const auto done = co_await blocking(loop_, [tls = e.tls]() mutable { return tls.reload(); });
  if (!done) {
    auto problem = done.error().describe();
    if (problem != e.problem)
      log_.error("the certificate was not renewed",
                 {{"listener", e.listener}, {"problem", problem}, {"in_use", "the one before"}});
    e.problem = std::move(problem);
    co_return;
  }
  e.seen = std::move(state);
  e.problem.clear();
  e.warned = steady_time::min();
  log_.info("certificate read", {{"listener", e.listener},
                                 {"file", e.files.certificate},
                                 {"ends", format_rfc3339(std::chrono::floor<std::chrono::seconds>(e.tls.expires()))}});
  look_at_end(e);
}

void certificates::look_at_end(entry& e) {
  const auto end = e.tls.expires();
  e.ends.set(std::chrono::duration<double>(end.time_since_epoch()).count());
  const auto left = time_between(loop_.wall_now(), end);
  if (left > e.files.warn_before || loop_.now() < later(e.warned, warn_every)) return;
  e.warned = loop_.now();
  const auto at = format_rfc3339(std::chrono::floor<std::chrono::seconds>(end));
  const char* remedy = "write a new one to its files; they are read again at SIGHUP and by http.tls.reload_interval";
  if (left <= left.zero())
    log_.error("the certificate has ended", {{"listener", e.listener}, {"ended", at}, {"remedy", remedy}});
  else
    log_.warning("the certificate ends soon",
                 {{"listener", e.listener}, {"ends", at}, {"days", shown_days(left)}, {"remedy", remedy}});
}

}  // namespace weft::service
