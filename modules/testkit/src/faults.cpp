#include <weft/testkit/faults.hpp>
#include <weft/testkit/simulation.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace weft::testkit {

namespace {

std::string seconds(duration d) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
  const auto fraction = std::to_string(ms % 1000);
  return std::to_string(ms / 1000) + "." + std::string(3 - fraction.size(), '0') + fraction + " s";
}

std::string joined(const host_names& names) {
  std::string text = "{";
  for (const auto& name : names) text += (text.size() > 1 ? ", " : "") + name;
  return text + "}";
}

}  // namespace

fault_plan& fault_plan::add(std::string what, std::function<void(simulation&)> action) {
  steps_.push_back({now_, std::move(what), std::move(action)});
  return *this;
}

fault_plan& fault_plan::crash(std::string host, crash_kind kind) {
  auto what = (kind == crash_kind::power ? "power off " : "kill the process on ") + host;
  return add(std::move(what), [host = std::move(host), kind](simulation& s) { s.at(host).crash(kind); });
}
fault_plan& fault_plan::restart(std::string host) {
  auto what = "restart " + host;
  return add(std::move(what), [host = std::move(host)](simulation& s) { s.at(host).restart(); });
}
fault_plan& fault_plan::pause(std::string host) {
  auto what = "pause " + host;
  return add(std::move(what), [host = std::move(host)](simulation& s) { s.at(host).pause(); });
}
fault_plan& fault_plan::resume(std::string host) {
  auto what = "resume " + host;
  return add(std::move(what), [host = std::move(host)](simulation& s) { s.at(host).resume(); });
}
fault_plan& fault_plan::partition(host_names from, host_names to, partition_kind kind) {
  auto what = "partition " + joined(from) + (kind == partition_kind::both_ways ? " | " : " -> ") + joined(to);
  return add(std::move(what),
             [from = std::move(from), to = std::move(to), kind](simulation& s) { s.partition(from, to, kind); });
}
fault_plan& fault_plan::heal() {
  return add("heal the network", [](simulation& s) { s.heal(); });
}
fault_plan& fault_plan::slow(std::string a, std::string b, link_options link) {
  auto what = "slow " + a + " - " + b;
  return add(std::move(what), [a = std::move(a), b = std::move(b), link](simulation& s) { s.slow_link(a, b, link); });
}
fault_plan& fault_plan::reset(std::string a, std::string b) {
  auto what = "reset connections " + a + " - " + b;
  return add(std::move(what), [a = std::move(a), b = std::move(b)](simulation& s) { s.reset_connections(a, b); });
}
fault_plan& fault_plan::skew(std::string host, duration by) {
  auto what =
      "clock of " + host + " off by " + (by < duration::zero() ? "-" : "") + seconds(by < duration::zero() ? -by : by);
  return add(std::move(what), [host = std::move(host), by](simulation& s) { s.at(host).set_clock_skew(by); });
}
fault_plan& fault_plan::disk(std::string host, disk_options options) {
  auto what = "change the disk of " + host;
  return add(std::move(what),
             [host = std::move(host), options](simulation& s) { s.at(host).set_disk_options(options); });
}
fault_plan& fault_plan::heal_everything() {
  return add("faults are over", [](simulation& s) { s.heal_everything(); });
}
fault_plan& fault_plan::run(std::function<void(simulation&)> action) { return add("action", std::move(action)); }

std::string fault_plan::describe() const {
  std::vector<std::pair<duration, std::size_t>> order;
  for (const auto& s : steps_) order.emplace_back(s.at, order.size());
  std::ranges::sort(order);
  std::string text;
  for (const auto& [at, which] : order) text += seconds(at) + "  " + steps_[which].what + "\n";
  return text;
}

namespace {

class random_plan {
 public:
  random_plan(rng& random, const random_faults& options) : random_{random}, o_{options}, hosts_busy_(o_.hosts.size()) {}

  fault_plan make() {
    if (o_.skew_most > duration::zero())
      for (const auto& host : o_.hosts)
        plan_.at({}).skew(host, duration{random_.between(-o_.skew_most.count(), o_.skew_most.count())});
    if (!o_.hosts.empty()) {
      every(o_.crash_every, [this](duration at) { crash(at); });
      every(o_.pause_every, [this](duration at) { pause(at); });
    }
    if (o_.hosts.size() >= 2) {
      every(o_.partition_every, [this](duration at) { partition(at); });
      every(o_.slow_every, [this](duration at) { slow(at); });
      every(o_.reset_every, [this](duration at) {
        const auto [a, b] = pair();
        plan_.at(at).reset(o_.hosts[a], o_.hosts[b]);
      });
    }
    plan_.at(o_.until).heal_everything();
    return std::move(plan_);
  }

 private:
  struct span {
    duration from, to;
  };
  static bool overlaps(const std::vector<span>& busy, span when) {
    return std::ranges::any_of(busy, [when](span other) { return when.from <= other.to && other.from <= when.to; });
  }

  duration up_to(duration most) { return between({}, most); }
  duration between(duration least, duration most) {
    return duration{random_.between(least.count(), std::max(least, most).count())};
  }

  template <class Action>
  void every(duration mean, const Action& action) {
    if (mean <= duration::zero()) return;
    for (auto at = up_to(2 * mean); at < o_.until; at += up_to(2 * mean) + duration{1}) action(at);
  }

  // A host that is whole during that time, as long as not too many others are down in it; otherwise none.
  std::optional<std::size_t> victim(span when) {
    const auto chosen = static_cast<std::size_t>(random_.below(o_.hosts.size()));
    std::size_t down = 0;
    for (std::size_t i = 0; i < o_.hosts.size(); ++i) {
      if (!overlaps(hosts_busy_[i], when)) continue;
      if (i == chosen) return std::nullopt;
      ++down;
    }
    if (down >= o_.down_at_once) return std::nullopt;
    hosts_busy_[chosen].push_back(when);
    return chosen;
  }

  void crash(duration at) {
    const auto back = at + between(o_.down_least, o_.down_most);
    const auto kind = random_.chance(o_.process_crash) ? crash_kind::process : crash_kind::power;
    const auto who = victim({at, back});
    if (!who) return;
    plan_.at(at).crash(o_.hosts[*who], kind);
    if (back < o_.until) plan_.at(back).restart(o_.hosts[*who]);
  }

  void pause(duration at) {
    const auto back = at + up_to(o_.pause_most);
    const auto who = victim({at, back});
    if (!who) return;
    plan_.at(at).pause(o_.hosts[*who]);
    if (back < o_.until) plan_.at(back).resume(o_.hosts[*who]);
  }

  void partition(duration at) {
    const span when{at, at + up_to(o_.partition_most)};
    if (!take_network(when)) return;
    host_names left, right;
    const auto alone = static_cast<std::size_t>(random_.below(o_.hosts.size()));
    for (std::size_t i = 0; i < o_.hosts.size(); ++i)
      (i == alone || random_.chance(0.3) ? left : right).push_back(o_.hosts[i]);
    if (right.empty()) {
      right.push_back(left.back());
      left.pop_back();
    }
    const auto one_way = random_.chance(o_.one_way);
    if (random_.chance(0.5)) std::swap(left, right);
    plan_.at(at).partition(left, right, one_way ? partition_kind::one_way : partition_kind::both_ways);
    if (when.to < o_.until) plan_.at(when.to).heal();
  }

  void slow(duration at) {
    const span when{at, at + up_to(o_.slow_most)};
    if (!take_network(when)) return;
    const auto [a, b] = pair();
    link_options link;
    link.latency = up_to(std::chrono::milliseconds{200});
    link.jitter = up_to(std::chrono::milliseconds{200});
    link.loss = random_.uniform() * 0.2;
    link.reorder = random_.uniform() * 0.5;
    link.split = random_.uniform() * 0.5;
    link.reset = random_.chance(0.3) ? 0.01 : 0;
    if (random_.chance(0.5)) link.bytes_per_second = 2'000 + random_.below(200'000);
    plan_.at(at).slow(o_.hosts[a], o_.hosts[b], link);
    if (when.to < o_.until) plan_.at(when.to).heal();
  }

  // Healing is for the whole network, so one such fault lasts at a time.
  bool take_network(span when) {
    if (overlaps(network_busy_, when)) return false;
    network_busy_.push_back(when);
    return true;
  }

  std::pair<std::size_t, std::size_t> pair() {
    const auto a = static_cast<std::size_t>(random_.below(o_.hosts.size()));
    const auto b = static_cast<std::size_t>(random_.below(o_.hosts.size() - 1));
    return {a, b < a ? b : b + 1};
  }

  rng& random_;
  const random_faults& o_;
  std::vector<std::vector<span>> hosts_busy_;
  std::vector<span> network_busy_;
  fault_plan plan_;
};

}  // namespace

fault_plan fault_plan::random(rng& random, const random_faults& options) { return random_plan{random, options}.make(); }

}  // namespace weft::testkit
