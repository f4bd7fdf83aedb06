#include <weft/base/saturating.hpp>
#include <weft/discovery/host.hpp>

#include <cmath>

namespace weft::discovery {

void peak_latency::record(duration latency, duration decay, steady_time now) noexcept {
  const auto measured = std::chrono::duration<double>(latency).count();
  const auto before = seconds(decay, now);
  if (!known_ || measured > before) {
    value_ = measured;
  } else {
    const auto keep = std::exp(-std::chrono::duration<double>(time_between(at_, now)).count() /
                               std::chrono::duration<double>(decay).count());
    value_ = value_ * keep + measured * (1 - keep);
  }
  known_ = true;
  at_ = now;
}

double peak_latency::seconds(duration decay, steady_time now) const noexcept {
  if (now <= at_ || value_ == 0) return value_;
  return value_ * std::exp(-std::chrono::duration<double>(time_between(at_, now)).count() /
                           std::chrono::duration<double>(decay).count());
}

host::host(instance what, steady_time now) : info{std::move(what)}, hash{stable_hash(info.id)}, warm_from{now} {}

std::string_view host::trouble() const noexcept {
  if (draining()) return "draining";
  if (!usable(info.state)) return "critical in the registry";
  if (check_failed) return "failing its health check";
  if (outlier.ejected) return outlier.why;
  return {};
}

std::uint64_t stable_hash(std::string_view text) noexcept {
  std::uint64_t h = 0xcbf29ce484222325ULL;
  for (const auto c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return mix(h);
}

}  // namespace weft::discovery
