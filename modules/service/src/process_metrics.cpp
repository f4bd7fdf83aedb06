#include "process_metrics.hpp"

#include <sys/resource.h>
#include <unistd.h>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

namespace weft::service {

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

struct closer {
  void operator()(std::FILE* f) const { std::fclose(f); }
};

std::string text_of(const char* path) {
  const std::unique_ptr<std::FILE, closer> file{std::fopen(path, "re")};
  std::string text;
  char buffer[4096];
  while (file) {
    const auto got = std::fread(buffer, 1, sizeof buffer, file.get());
    if (got == 0) break;
    text.append(buffer, got);
  }
  return text;
}

// The nth word, from 0.
std::optional<double> word(std::string_view text, int n) {
  for (; n > 0; --n) {
    const auto space = text.find(' ');
    if (space == text.npos) return std::nullopt;
    text.remove_prefix(space + 1);
  }
  double value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) return std::nullopt;
  return value;
}

// Of proc(5), "3  state" being the field after the program's name, which may hold anything.
double stat_field(int number) {
  const auto text = text_of("/proc/self/stat");
  const auto name_end = text.rfind(") ");
  if (name_end == text.npos) return unknown;
  return word(std::string_view{text}.substr(name_end + 2), number - 3).value_or(unknown);
}

double cpu_seconds() {
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) != 0) return unknown;
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double resident_bytes() {
  const auto pages = word(text_of("/proc/self/statm"), 1);
  return pages ? *pages * static_cast<double>(::sysconf(_SC_PAGESIZE)) : unknown;
}

double open_descriptors() {
  std::error_code problem;
  double count = 0;
  for (std::filesystem::directory_iterator each{"/proc/self/fd", problem}, end; !problem && each != end;
       each.increment(problem))
    ++count;
  return problem ? unknown : count - 1;  // the one that looks
}

double max_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return unknown;
  return static_cast<double>(limit.rlim_cur);
}

// Since 1970.
double start_time() {
  const auto stat = text_of("/proc/stat");
  const auto at = stat.find("btime ");
  if (at == stat.npos) return unknown;
  const auto booted = word(std::string_view{stat}.substr(at), 1);
  return booted ? *booted + stat_field(22) / static_cast<double>(::sysconf(_SC_CLK_TCK)) : unknown;
}

}  // namespace

process_metrics::process_metrics(observe::registry& to, std::string_view program, std::string_view version) {
  using enum observe::callback_kind;
  const auto add = [&](observe::callback_kind kind, std::string_view name, std::string_view help, auto read) {
    all_.push_back(to.add_callback(kind, name, help, read));
  };
  add(counter, "process_cpu_seconds_total", "User and system time spent.", cpu_seconds);
  add(gauge, "process_resident_memory_bytes", "Resident memory.", resident_bytes);
  add(gauge, "process_virtual_memory_bytes", "Virtual memory.", [] { return stat_field(23); });
  add(gauge, "process_open_fds", "Open file descriptors.", open_descriptors);
  add(gauge, "process_max_fds", "Maximum number of open file descriptors.", max_descriptors);
  add(gauge, "process_threads", "Threads.", [] { return stat_field(20); });
  add(gauge, "process_start_time_seconds", "Start of the process since 1970, in seconds.",
      [started = start_time()] { return started; });
  all_.push_back(to.add_callback(gauge, "weft_build_info", "1, with the build as its labels.", [] { return 1.0; },
                                 {{"program", std::string{program}},
                                  {"version", std::string{version}},
                                  {"weft", WEFT_VERSION},
                                  {"compiler", __VERSION__}}));
}

}  // namespace weft::service
