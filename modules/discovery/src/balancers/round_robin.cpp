// In turn. With equal weights a cursor that goes round from a random start. Otherwise each host has a deadline, the
// earliest takes the call and moves on by 1 / weight, which spreads a host's calls evenly; deadlines start at a random
// phase, so that neither all loops nor all hosts of one weight move in step.
#include <algorithm>

#include "balancers.hpp"

namespace weft::discovery {
namespace {

class round_robin_balancer final : public balancer {
 public:
  round_robin_balancer(const balancing& options, rng& random) : warm_up_{options.warm_up}, random_{random} {}

  void assign(std::span<const host_ptr> hosts, steady_time now) override {
    hosts_ = in_order(hosts);
    turns_.clear();
    time_ = 0;
    warm_at_ = steady_time::min();
    if (hosts_.empty()) return;
    cursor_ = random_.below(hosts_.size());
    bool equal = true;
    for (const auto& h : hosts_) {
      warm_at_ = std::max(warm_at_, h->warm_from + warm_up_.window);
      if (effective_weight(*h, warm_up_, now) != effective_weight(*hosts_.front(), warm_up_, now)) equal = false;
    }
    equal_weights_ =
        std::ranges::all_of(hosts_, [&](const host_ptr& h) { return h->info.weight == hosts_.front()->info.weight; });
    if (equal) return;
    for (std::size_t i = 0; i < hosts_.size(); ++i)
      turns_.push_back({random_.uniform() / effective_weight(*hosts_[i], warm_up_, now), i});
    std::ranges::make_heap(turns_, later);
  }

  host* pick(const pick_context& context) override {
    if (hosts_.empty()) return nullptr;
    // All are warm and weigh the same: the cursor is cheaper.
    if (!turns_.empty() && equal_weights_ && context.now >= warm_at_) turns_.clear();
    return turns_.empty() ? next_in_turn(context) : next_by_deadline(context);
  }

 private:
  struct turn {
    double deadline;
    std::size_t index;
  };
  static bool later(const turn& a, const turn& b) noexcept {
    return a.deadline != b.deadline ? a.deadline > b.deadline : a.index > b.index;
  }

  host* next_in_turn(const pick_context& context) {
    for (std::size_t seen = 0; seen < hosts_.size(); ++seen) {
      auto* h = hosts_[cursor_].get();
      if (++cursor_ == hosts_.size()) cursor_ = 0;
      if (!was_tried(h, context.tried)) return h;
    }
    return nullptr;
  }

  host* next_by_deadline(const pick_context& context) {
    host* chosen = nullptr;
    skipped_.clear();
    while (!turns_.empty()) {
      std::ranges::pop_heap(turns_, later);
      auto& t = turns_.back();
      auto* h = hosts_[t.index].get();
      if (was_tried(h, context.tried)) {
        skipped_.push_back(t);
        turns_.pop_back();
        continue;
      }
      chosen = h;
      time_ = std::max(time_, t.deadline);
      t.deadline = time_ + 1 / effective_weight(*h, warm_up_, context.now);
      std::ranges::push_heap(turns_, later);
      break;
    }
    for (const auto& t : skipped_) {
      turns_.push_back(t);
      std::ranges::push_heap(turns_, later);
    }
    return chosen;
  }

  slow_start warm_up_;
  rng& random_;
  std::vector<host_ptr> hosts_;
  std::size_t cursor_ = 0;
  std::vector<turn> turns_, skipped_;
  double time_ = 0;
  bool equal_weights_ = true;
  steady_time warm_at_{};  // when the last host is warm
};

}  // namespace

std::unique_ptr<balancer> make_round_robin(const balancing& options, rng& random) {
  return std::make_unique<round_robin_balancer>(options, random);
}

}  // namespace weft::discovery
