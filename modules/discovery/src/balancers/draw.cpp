// By chance: random, least request, peak EWMA.
#include <weft/base/saturating.hpp>

#include "balancers.hpp"

namespace weft::discovery {

void weighted_draw::assign(std::span<const host_ptr> hosts, steady_time now) {
  hosts_ = in_order(hosts);
  weigh(now);
}

void weighted_draw::weigh(steady_time now) {
  places_.clear();
  weigh_at_ = steady_time::max();
  uniform_ = true;
  double sum = 0;
  for (const auto& h : hosts_) {
    const auto w = effective_weight(*h, warm_up_, now);
    places_.push_back({w, places_.size()});
    sum += w;
    if (w != places_.front().own) uniform_ = false;
    // A weight that still grows is looked up again after a 64th of its way.
    if (time_between(h->warm_from, now) < warm_up_.window)
      weigh_at_ = later(now, std::max(warm_up_.window / 64, duration{1}));
  }
  if (!uniform_) share_places(sum);
}

// A place that its own host does not fill is filled up by one whose weight is more than a place (Vose).
void weighted_draw::share_places(double sum) {
  std::vector<std::size_t> less, more;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    places_[i].own *= static_cast<double>(places_.size()) / sum;
    (places_[i].own < 1 ? less : more).push_back(i);
  }
  while (!less.empty() && !more.empty()) {
    const auto giver = more.back();
    auto& taker = places_[less.back()];
    less.pop_back();
    taker.other = giver;
    places_[giver].own -= 1 - taker.own;
    if (places_[giver].own < 1) {
      more.pop_back();
      less.push_back(giver);
    }
  }
  // What rounding leaves over is full.
  for (const auto i : less) places_[i].own = 1;
}

std::size_t weighted_draw::draw() noexcept {
  const auto at = random_.below(hosts_.size());
  if (uniform_) return at;
  return random_.uniform() < places_[at].own ? at : places_[at].other;
}

host* weighted_draw::one(const pick_context& context) {
  if (hosts_.empty()) return nullptr;
  if (context.now >= weigh_at_) weigh(context.now);
  if (!context.tried.empty()) return two_untried(context).first;
  return hosts_[draw()].get();
}

std::pair<host*, host*> weighted_draw::two(const pick_context& context) {
  if (hosts_.empty()) return {};
  if (context.now >= weigh_at_) weigh(context.now);
  if (!context.tried.empty()) return two_untried(context);
  const auto count = hosts_.size();
  if (count == 1) return {hosts_.front().get(), nullptr};
  const auto first = draw();
  if (uniform_) {
    const auto other = random_.below(count - 1);
    return {hosts_[first].get(), hosts_[other + (other >= first)].get()};
  }
  for (int attempt = 0; attempt < 4; ++attempt)
    if (const auto second = draw(); second != first) return {hosts_[first].get(), hosts_[second].get()};
  // One host has nearly all the weight: any other will do for the comparison.
  return {hosts_[first].get(), hosts_[(first + 1 + random_.below(count - 1)) % count].get()};
}

// Retries only, so linear in the number of hosts: reservoir sampling by weight, without keeping the candidates.
std::pair<host*, host*> weighted_draw::two_untried(const pick_context& context) {
  const auto sample = [&](const host* except) {
    host* chosen = nullptr;
    double sum = 0;
    for (const auto& h : hosts_) {
      if (h.get() == except || was_tried(h.get(), context.tried)) continue;
      const auto w = weight(*h, context.now);
      sum += w;
      if (random_.uniform() * sum < w) chosen = h.get();
    }
    return chosen;
  };
  auto* first = sample(nullptr);
  return {first, first == nullptr ? nullptr : sample(first)};
}

namespace {

class random_balancer final : public balancer {
 public:
  random_balancer(const balancing& options, rng& random) : draw_{options.warm_up, random} {}
  void assign(std::span<const host_ptr> hosts, steady_time now) override { draw_.assign(hosts, now); }
  host* pick(const pick_context& context) override { return draw_.one(context); }

 private:
  weighted_draw draw_;
};

class least_request_balancer final : public balancer {
 public:
  least_request_balancer(const balancing& options, rng& random) : draw_{options.warm_up, random} {}
  void assign(std::span<const host_ptr> hosts, steady_time now) override { draw_.assign(hosts, now); }

  host* pick(const pick_context& context) override {
    const auto [a, b] = draw_.two(context);
    if (b == nullptr) return a;
    // Both were drawn by weight, so an idle fleet is shared by weight: the first of two idle hosts takes the call.
    return b->active * draw_.weight(*a, context.now) < a->active * draw_.weight(*b, context.now) ? b : a;
  }

 private:
  weighted_draw draw_;
};

class peak_ewma_balancer final : public balancer {
 public:
  peak_ewma_balancer(const balancing& options, rng& random)
      : draw_{options.warm_up, random}, decay_{options.ewma_decay} {}
  void assign(std::span<const host_ptr> hosts, steady_time now) override { draw_.assign(hosts, now); }

  host* pick(const pick_context& context) override {
    const auto [a, b] = draw_.two(context);
    if (b == nullptr) return a;
    return cost(*b, context.now) < cost(*a, context.now) ? b : a;
  }

 private:
  // A host that has not answered yet gets one call, and no more until its latency is known.
  static constexpr double unknown_penalty = 1e6;

  [[nodiscard]] double cost(const host& h, steady_time now) const noexcept {
    const auto waiting = static_cast<double>(h.active);
    if (!h.latency.known()) return h.active == 0 ? 0 : unknown_penalty + waiting;
    return h.latency.seconds(decay_, now) * (waiting + 1);
  }

  weighted_draw draw_;
  duration decay_;
};

}  // namespace

std::unique_ptr<balancer> make_random(const balancing& options, rng& random) {
  return std::make_unique<random_balancer>(options, random);
}
std::unique_ptr<balancer> make_least_request(const balancing& options, rng& random) {
  return std::make_unique<least_request_balancer>(options, random);
}
std::unique_ptr<balancer> make_peak_ewma(const balancing& options, rng& random) {
  return std::make_unique<peak_ewma_balancer>(options, random);
}

}  // namespace weft::discovery
