#include <weft/base/saturating.hpp>

#include <cmath>

#include "balancers.hpp"

namespace weft::discovery {
namespace {

bool is_prime(std::uint32_t n) noexcept {
  if (n < 2) return false;
  for (std::uint64_t d = 2; d * d <= n; ++d)
    if (n % d == 0) return false;
  return true;
}

}  // namespace

std::string_view to_string(algorithm a) noexcept {
  switch (a) {
    case algorithm::round_robin:
      return "round_robin";
    case algorithm::random:
      return "random";
    case algorithm::least_request:
      return "least_request";
    case algorithm::peak_ewma:
      return "peak_ewma";
    case algorithm::ring_hash:
      return "ring_hash";
    case algorithm::maglev:
      return "maglev";
  }
  return "unknown";
}

result<> balancing::validate() const {
  const auto wrong = [](std::string_view field, std::string_view must) {
    return fail(errc::invalid_argument, std::string{field} + " must be " + std::string{must});
  };
  if (warm_up.window < duration::zero()) return wrong("warm_up.window", "0 or more");
  if (!(warm_up.aggression > 0)) return wrong("warm_up.aggression", "more than 0");
  if (!(warm_up.least > 0 && warm_up.least <= 1)) return wrong("warm_up.least", "above 0, at most 1");
  if (ewma_decay <= duration::zero()) return wrong("ewma_decay", "more than 0");
  if (failure_penalty < duration::zero()) return wrong("failure_penalty", "0 or more");
  if (ring_points < 1 || ring_points > 100'000) return wrong("ring_points", "from 1 to 100000");
  if (ring_max_points < 1 || ring_max_points > 8u << 20) return wrong("ring_max_points", "from 1 to 8388608");
  if (maglev_table > 5'000'011 || !is_prime(maglev_table)) return wrong("maglev_table", "a prime of at most 5000011");
  if (load_bound != 0 && !(load_bound > 1)) return wrong("load_bound", "0, or above 1");
  return {};
}

double effective_weight(const host& h, const slow_start& warm_up, steady_time now) noexcept {
  const auto weight = static_cast<double>(h.info.weight);
  const auto age = time_between(h.warm_from, now);
  if (age >= warm_up.window) return weight;
  auto factor = static_cast<double>(age.count()) / static_cast<double>(warm_up.window.count());
  if (warm_up.aggression != 1) factor = std::pow(std::max(factor, 0.0), 1 / warm_up.aggression);
  return weight * std::max(factor, warm_up.least);
}

std::vector<host_ptr> in_order(std::span<const host_ptr> hosts) {
  std::vector<host_ptr> usable;
  usable.reserve(hosts.size());
  for (const auto& h : hosts)
    if (h->info.weight > 0) usable.push_back(h);
  std::ranges::sort(usable, {}, [](const host_ptr& h) -> const std::string& { return h->info.id; });
  return usable;
}

std::unique_ptr<balancer> make_balancer(const balancing& options, rng& random) {
  switch (options.kind) {
    case algorithm::round_robin:
      return make_round_robin(options, random);
    case algorithm::random:
      return make_random(options, random);
    case algorithm::least_request:
      return make_least_request(options, random);
    case algorithm::peak_ewma:
      return make_peak_ewma(options, random);
    case algorithm::ring_hash:
      return make_ring_hash(options, random);
    case algorithm::maglev:
      return make_maglev(options, random);
  }
  return make_least_request(options, random);
}

}  // namespace weft::discovery
