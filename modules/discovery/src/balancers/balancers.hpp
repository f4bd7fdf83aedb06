#pragma once
// How make_balancer() makes each kind, and what several of them share.
#include <weft/discovery/balancer.hpp>

#include <algorithm>
#include <memory>
#include <vector>

namespace weft::discovery {

std::unique_ptr<balancer> make_round_robin(const balancing& options, rng& random);
std::unique_ptr<balancer> make_random(const balancing& options, rng& random);
std::unique_ptr<balancer> make_least_request(const balancing& options, rng& random);
std::unique_ptr<balancer> make_peak_ewma(const balancing& options, rng& random);
std::unique_ptr<balancer> make_ring_hash(const balancing& options, rng& random);
std::unique_ptr<balancer> make_maglev(const balancing& options, rng& random);

[[nodiscard]] inline bool was_tried(const host* h, std::span<const host_ptr> tried) noexcept {
  return std::ranges::any_of(tried, [h](const host_ptr& t) { return t.get() == h; });
}

// The hosts that can be picked at all, in the order of their ids.
[[nodiscard]] std::vector<host_ptr> in_order(std::span<const host_ptr> hosts);

// Draws hosts by their effective weight, in constant time.
class weighted_draw {
 public:
  weighted_draw(slow_start warm_up, rng& random) : warm_up_{warm_up}, random_{random} {}

  void assign(std::span<const host_ptr> hosts, steady_time now);
  [[nodiscard]] host* one(const pick_context& context);
  // Two that differ, where there are two; null for those there are not.
  [[nodiscard]] std::pair<host*, host*> two(const pick_context& context);
  [[nodiscard]] double weight(const host& h, steady_time now) const noexcept {
    return uniform_ ? 1.0 : effective_weight(h, warm_up_, now);
  }

 private:
  void weigh(steady_time now);
  void share_places(double sum);
  [[nodiscard]] std::size_t draw() noexcept;
  [[nodiscard]] std::pair<host*, host*> two_untried(const pick_context& context);

  slow_start warm_up_;
  rng& random_;
  std::vector<host_ptr> hosts_;
  bool uniform_ = true;
  // Walker's alias method: each place holds a part of its own host, and the rest of another. Unless uniform_.
  struct place {
    double own;
    std::size_t other;
  };
  std::vector<place> places_;
  steady_time weigh_at_ = steady_time::max();  // while a host warms up
};

}  // namespace weft::discovery
