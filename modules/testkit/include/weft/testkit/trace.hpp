#pragma once
// What happened in a simulation, as lines of text: virtual time since the start, host, event. The same seed gives the
// same lines, byte for byte.
//
//     0.000412345 b        accept c1 from 10.0.0.1:40000
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>

namespace weft::testkit {

enum class trace_level : std::uint8_t {
  off,
  faults,       // crashes, boots, partitions, failures, and what hosts trace themselves
  connections,  // and connections opened, closed, reset
  all,          // and every segment, disk operation and timer turn
};

class trace_log {
 public:
  trace_log(trace_level level, std::size_t lines_kept) : level_{level}, kept_{lines_kept} {}

  [[nodiscard]] bool on(trace_level level) const noexcept { return level <= level_; }
  void add(std::int64_t nanoseconds, std::string_view host, std::initializer_list<std::string_view> parts);
  void copy_to(std::FILE* file) noexcept { file_ = file; }  // each line as it comes; null: no longer

  // The last lines, at most as many as are kept.
  [[nodiscard]] std::string tail(std::size_t lines) const;
  // Of every line since the start (FNV-1a).
  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }
  [[nodiscard]] std::uint64_t lines() const noexcept { return count_; }

 private:
  trace_level level_;
  std::size_t kept_;
  std::deque<std::string> last_;
  std::uint64_t hash_ = 0xcbf29ce484222325ULL, count_ = 0;
  std::FILE* file_ = nullptr;
};

}  // namespace weft::testkit
