#include "core.hpp"

#include <algorithm>
#include <stdexcept>

namespace weft::testkit {

core::core(simulation& s, std::uint64_t seed_, simulation_options o)
    : face{s},
      seed{seed_},
      options{std::move(o)},
      log{options.trace, options.trace_lines},
      random{seed_for(1)},
      net{*this, seed_for(2), options.network} {}

core::~core() {
  stop_programs();
  while (!kept.empty()) kept.pop_back();
}

void core::stop_programs() {
  for (auto& m : machines) net.lose_all(*m);
  for (auto m = machines.rbegin(); m != machines.rend(); ++m) (*m)->stop();
  calls_.clear();
}

// Unrelated sequences for whoever draws, so that one more draw here shifts nothing there.
std::uint64_t core::seed_for(std::uint64_t purpose) const noexcept {
  rng mixer{seed ^ (purpose * 0xd1342543de82ef95ULL)};
  return mixer();
}

machine& core::add(std::string name) {
  if (find(name) != nullptr) throw std::invalid_argument{"two hosts are named " + name};
  net.add_machine();
  return *machines.emplace_back(std::make_unique<machine>(*this, machines.size(), std::move(name)));
}

machine* core::find(std::string_view name) noexcept {
  for (auto& m : machines)
    if (m->name() == name) return m.get();
  return nullptr;
}

machine* core::find(const address& a) noexcept {
  if (a.type() != address::kind::ip4 || a.bytes()[0] != 10) return nullptr;
  const auto number = std::size_t{a.bytes()[1]} << 16 | std::size_t{a.bytes()[2]} << 8 | a.bytes()[3];
  return number >= 1 && number <= machines.size() ? machines[number - 1].get() : nullptr;
}

void core::fail(std::string message) {
  if (failed) return;
  failed = true;
  failure = std::move(message);
  if (on(trace_level::faults)) trace("", {"FAILED: ", failure});
}

core::outcome core::run(std::int64_t until, const std::function<bool()>* condition) {
  WEFT_ASSERT(!running, "a simulation is run from inside itself");
  struct mark {
    explicit mark(bool& flag) : flag_{flag} { flag_ = true; }
    ~mark() { flag_ = false; }
    bool& flag_;
  } const in_progress{running};
  for (;;) {
    while (auto* m = runnable.pop()) {
      m->turn();
      if (failed) return outcome::failed;
    }
    if (failed) return outcome::failed;
    if (condition != nullptr && (*condition)()) return outcome::condition_holds;
    if (events.empty() || events.top().time > until) break;
    const auto e = events.pop();
    if (e.time != now) {
      now = e.time;
      steps_now = 0;
    }
    happen(e);
  }
  if (until != std::numeric_limits<std::int64_t>::max()) {
    now = until;
    return outcome::time_is_up;
  }
  return outcome::nothing_left;
}

void core::happen(const event& e) {
  ++event_count;
  auto mix = fingerprint ^ (static_cast<std::uint64_t>(e.time) + (e.data << 48) + (e.order & 0xff));
  switch (e.kind()) {
    case event_kind::wake:
      static_cast<machine*>(e.target)->woken();
      break;
    case event_kind::call: {
      auto& slot = calls_[e.data];
      auto work = std::move(slot.work);
      unused_calls_.push_back(static_cast<std::uint32_t>(e.data));
      slot.on->called(std::move(work), slot.boot);
      break;
    }
    case event_kind::fault: {
      const auto step = faults_[e.data];  // a copy: the action may apply a further plan
      if (on(trace_level::faults)) trace("", {step.what});
      step.action(face);
      break;
    }
    default: {
      auto& c = *static_cast<connection*>(e.target);
      mix += c.number * 0x2545f4914f6cdd1dULL + c.pipes[e.data & 1].departed;
      if (e.kind() == event_kind::deliver)
        net.deliver(c, e.data);
      else if (e.kind() == event_kind::retransmit)
        net.retransmit(c, static_cast<int>(e.data));
      else if (e.kind() == event_kind::window)
        net.window(c, static_cast<int>(e.data));
      else
        net.reset_arrived(c, static_cast<int>(e.data));
      net.release(c);
    }
  }
  mix *= 0x9e3779b97f4a7c15ULL;
  fingerprint = mix ^ mix >> 32;
}

void core::arrange_call(duration after, machine& on, callback work) {
  if (unused_calls_.empty()) {
    unused_calls_.push_back(static_cast<std::uint32_t>(calls_.size()));
    calls_.emplace_back();
  }
  const auto slot = unused_calls_.back();
  unused_calls_.pop_back();
  calls_[slot] = {std::move(work), &on, on.boots()};
  events.push(later_by(now, after.count()), event_kind::call, nullptr, slot);
}

void core::apply(const fault_plan& plan) {
  for (const auto& step : plan.steps()) {
    faults_.push_back(step);
    events.push(later_by(now, step.at.count()), event_kind::fault, nullptr, faults_.size() - 1);
  }
}

void core::heal_everything() {
  if (on(trace_level::faults)) trace("", {"heal everything"});
  net.heal();
  for (auto& m : machines) {
    m->storage().set_options(options.disk);
    m->resume();
    if (!m->running()) m->restart();
  }
}

}  // namespace weft::testkit
