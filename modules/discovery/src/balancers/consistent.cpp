// By key: the ring and Maglev's table, both with bounded load.
#include <cmath>

#include "balancers.hpp"

namespace weft::discovery {
namespace {

// How many calls a host may have when one more comes: its fair share times the bound.
class load_limit {
 public:
  load_limit(double bound, const std::vector<host_ptr>& hosts) : bound_{bound}, hosts_{hosts} {}
  void assign() {
    weights_ = 0;
    for (const auto& h : hosts_) weights_ += static_cast<double>(h->info.weight);
  }
  // An idle host always takes one; so nothing is added up before calls pile up.
  [[nodiscard]] bool admits(const host& h) const noexcept {
    if (bound_ == 0 || h.active == 0) return true;
    double calls = 1;
    for (const auto& each : hosts_) calls += each->active;
    return h.active + 1 <= std::ceil(bound_ * calls * static_cast<double>(h.info.weight) / weights_);
  }

 private:
  double bound_;
  const std::vector<host_ptr>& hosts_;
  double weights_ = 0;
};

// The least loaded, when the bound and what was tried leave no place in order.
host* least_loaded(const std::vector<host_ptr>& hosts, std::span<const host_ptr> tried) {
  host* best = nullptr;
  for (const auto& h : hosts) {
    if (was_tried(h.get(), tried)) continue;
    if (best == nullptr ||
        static_cast<double>(h->active) * best->info.weight < static_cast<double>(best->active) * h->info.weight)
      best = h.get();
  }
  return best;
}

class ring_balancer final : public balancer {
 public:
  ring_balancer(const balancing& options, rng& random)
      : options_{options}, random_{random}, limit_{options.load_bound, hosts_} {}

  void assign(std::span<const host_ptr> hosts, steady_time) override {
    hosts_ = in_order(hosts);
    limit_.assign();
    points_.clear();
    double wanted = 0;
    for (const auto& h : hosts_) wanted += static_cast<double>(h->info.weight) * options_.ring_points;
    const auto scale = std::min(1.0, options_.ring_max_points / std::max(wanted, 1.0));
    for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
      const auto& h = *hosts_[i];
      // A host's points depend on nothing but the host, unless the ring is full: so only its own keys ever move.
      const auto count =
          std::max<std::uint64_t>(1, static_cast<std::uint64_t>(scale * h.info.weight * options_.ring_points));
      for (std::uint64_t k = 0; k < count; ++k) points_.push_back({mix(h.hash ^ mix(k)), i});
    }
    std::ranges::sort(points_,
                      [](const point& a, const point& b) { return a.at != b.at ? a.at < b.at : a.host < b.host; });
  }

  host* pick(const pick_context& context) override {
    if (points_.empty()) return nullptr;
    const auto key = mix(context.key ? *context.key : random_());
    auto at = std::ranges::lower_bound(points_, key, {}, &point::at) - points_.begin();
    const host* refused = nullptr;
    // Far beyond what a ring of many hosts needs to meet each of them.
    for (std::size_t step = 0; step < points_.size() && step < max_steps; ++step, ++at) {
      if (static_cast<std::size_t>(at) >= points_.size()) at = 0;
      auto* h = hosts_[points_[static_cast<std::size_t>(at)].host].get();
      if (h == refused || was_tried(h, context.tried)) continue;
      if (limit_.admits(*h)) return h;
      refused = h;
    }
    return least_loaded(hosts_, context.tried);
  }

 private:
  static constexpr std::size_t max_steps = 4096;
  struct point {
    std::uint64_t at;
    std::uint32_t host;
  };

  balancing options_;
  rng& random_;
  std::vector<host_ptr> hosts_;
  load_limit limit_;
  std::vector<point> points_;
};

class maglev_balancer final : public balancer {
 public:
  maglev_balancer(const balancing& options, rng& random)
      : options_{options}, random_{random}, limit_{options.load_bound, hosts_} {}

  void assign(std::span<const host_ptr> hosts, steady_time) override {
    hosts_ = in_order(hosts);
    limit_.assign();
    table_.clear();
    if (!hosts_.empty()) fill();
  }

  host* pick(const pick_context& context) override {
    if (table_.empty()) return nullptr;
    auto key = mix(context.key ? *context.key : random_());
    const auto attempts = std::min<std::size_t>(hosts_.size() * 2, 64);
    for (std::size_t attempt = 0; attempt < attempts; ++attempt, key = mix(key)) {
      auto* h = hosts_[table_[key % table_.size()]].get();
      if (!was_tried(h, context.tried) && limit_.admits(*h)) return h;
    }
    return least_loaded(hosts_, context.tried);
  }

 private:
  static constexpr std::uint32_t free_place = ~0u;

  // Each host goes through the places in an order of its own and takes the first that is free, the heavier ones more
  // often (section 3.4 of the paper; by weight as Envoy does it).
  void fill() {
    const std::uint64_t size = options_.maglev_table;
    struct walk {
      std::uint64_t place, skip;
      double share, taken = 0;
    };
    std::vector<walk> walks;
    double heaviest = 0;
    for (const auto& h : hosts_) heaviest = std::max(heaviest, static_cast<double>(h->info.weight));
    for (const auto& h : hosts_)
      walks.push_back({h->hash % size, mix(h->hash) % (size - 1) + 1, static_cast<double>(h->info.weight) / heaviest});
    table_.assign(size, free_place);
    std::uint64_t filled = 0;
    for (double round = 1; filled < size; ++round) {
      for (std::uint32_t i = 0; i < walks.size() && filled < size; ++i) {
        auto& w = walks[i];
        if (round * w.share < w.taken + 1) continue;
        ++w.taken;
        while (table_[w.place] != free_place)
          if ((w.place += w.skip) >= size) w.place -= size;
        table_[w.place] = i;
        ++filled;
      }
    }
  }

  balancing options_;
  rng& random_;
  std::vector<host_ptr> hosts_;
  load_limit limit_;
  std::vector<std::uint32_t> table_;
};

}  // namespace

std::unique_ptr<balancer> make_ring_hash(const balancing& options, rng& random) {
  return std::make_unique<ring_balancer>(options, random);
}
std::unique_ptr<balancer> make_maglev(const balancing& options, rng& random) {
  return std::make_unique<maglev_balancer>(options, random);
}

}  // namespace weft::discovery
