#pragma once
// An instance as one loop sees it: what the registry says, how calls to it go, and whether it may be picked. Balancers
// choose among hosts; whoever calls one keeps it alive by a host_ptr, so that it may leave the registry meanwhile.
#include <weft/discovery/instance.hpp>
#include <weft/discovery/outlier.hpp>
#include <weft/runtime/timer.hpp>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <string_view>

namespace weft::discovery {

// A peak-sensitive moving average of latency (Finagle's): rises at once, falls exponentially with time.
class peak_latency {
 public:
  void record(duration latency, duration decay, steady_time now) noexcept;
  // In seconds, decayed until `now`.
  [[nodiscard]] double seconds(duration decay, steady_time now) const noexcept;
  [[nodiscard]] bool known() const noexcept { return known_; }

 private:
  double value_ = 0;
  steady_time at_{};
  bool known_ = false;
};

// The part of the last calls that failed: each counts a quarter of what is still open. It starts at none, so that a single
// failure, such as that of a connection from before a restart, condemns nobody.
class failing_share {
 public:
  void record(bool failed) noexcept {
    share_ += ((failed ? 1 : 0) - share_) / 4;
    known_ = true;
  }
  [[nodiscard]] bool known() const noexcept { return known_; }
  [[nodiscard]] double share() const noexcept { return share_; }

 private:
  double share_ = 0;
  bool known_ = false;
};

class host final : public boost::intrusive_ref_counter<host, boost::thread_unsafe_counter> {
 public:
  host(instance what, steady_time now);

  instance info;
  std::uint64_t hash;        // of the id: the same in every process
  std::uint32_t active = 0;  // calls under way from this loop
  steady_time warm_from;     // when it came, or came back: slow start counts from here
  peak_latency latency;
  outlier_record outlier;
  failing_share failing;
  steady_time last_failed{};
  bool check_failed = false;  // by our own active check
  bool listed = true;         // still in its host_set

  [[nodiscard]] bool draining() const noexcept { return info.state == health_state::draining; }
  [[nodiscard]] bool healthy() const noexcept { return usable(info.state) && !check_failed && !outlier.ejected; }
  // Why it is not healthy, for people; empty when it is.
  [[nodiscard]] std::string_view trouble() const noexcept;
};
using host_ptr = boost::intrusive_ptr<host>;

// What keys and ids are hashed with, the same on every machine and in every version: FNV-1a, then splitmix64's mixing.
[[nodiscard]] std::uint64_t stable_hash(std::string_view text) noexcept;
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace weft::discovery
