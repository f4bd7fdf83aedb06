#include "machine.hpp"

#include "core.hpp"
#include "simulated_stream.hpp"

#include <weft/runtime/guarded.hpp>
#include <weft/runtime/sleep.hpp>

#include <algorithm>
#include <utility>

namespace weft::testkit {

machine::machine(core& c, std::size_t id, std::string name)
    : core_{c},
      id_{id},
      name_{std::move(name)},
      random_{c.seed_for(2 * id + 100)},
      disk_{*this, c.seed_for(2 * id + 101), c.options.disk},
      tasks_{std::make_unique<task_group>(*this)},
      face_{*this} {}

machine::~machine() { stop(); }

steady_time machine::now() const noexcept { return steady_time{duration{core_.now}}; }

wall_time machine::wall_now() const noexcept {
  using namespace std::chrono;
  return sys_days{year{2026} / January / 1} +
         duration_cast<wall_time::duration>(nanoseconds{core_.now - start_of_time} + skew_);
}

address machine::address(std::uint16_t port) const {
  const auto n = id_ + 1;
  return weft::address::ip4(
      {10, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)}, port);
}

void machine::make_runnable() noexcept {
  if (queued_) return;
  queued_ = true;
  core_.runnable.push(*this);
}

void machine::arm(timer_node& node, steady_time due) {
  timers_.arm(node, due);
  set_alarm();
}

// Alarms cannot be taken back; those under way form a stack, so that an earlier one never adds to later ones twice.
void machine::set_alarm() {
  const auto next = timers_.next();
  if (!next) return;
  const auto at = std::max<std::int64_t>(next->time_since_epoch().count(), core_.now);
  if (!alarms_.empty() && alarms_.back() <= at) return;
  alarms_.push_back(at);
  core_.events.push(at, event_kind::wake, this, id_);
}

void machine::woken() {
  alarms_.pop_back();
  make_runnable();
}

void machine::post(callback work) {
  posted_.push_back(std::move(work));
  make_runnable();
}

void machine::run_posted() {
  auto batch = std::exchange(posted_, {});
  for (auto& work : batch) work();
}

// The work runs at once: it must not see what happens meanwhile, and on one thread nothing can.
void machine::offload(callback work, callback done) {
  static_cast<void>(guarded_call([&] { work(); }));
  core_.arrange_call(core_.options.offload, *this, std::move(done));
}

void machine::called(callback work, unsigned boot) {
  if (boot == boots_ && running_) post(std::move(work));
}

void machine::turn() {
  if (!running_ || paused_) return;
  in_turn_ = true;
  try {
    run_ready();
  } catch (...) {
    core_.fail(name_ + ": a callback ended with an exception: " + std::string{current_exception_error().message()});
  }
  in_turn_ = false;
  if (crash_pending_) {
    const auto kind = *std::exchange(crash_pending_, std::nullopt);
    if (running_) crash_now(kind);
    if (std::exchange(restart_pending_, false)) boot();
    return;
  }
  set_alarm();
}

void machine::run_ready() {
  while (auto* timer = timers_.pop_due(now())) timer->expire();
  while (!crash_pending_ && !core_.failed) {
    if (!posted_.empty()) run_posted();
    auto* node = ready_.pop();
    if (node == nullptr) break;
    if (++core_.steps_now > core_.options.steps_at_once) {
      core_.fail(name_ + ": livelock: " + std::to_string(core_.options.steps_at_once) +
                 " steps without time passing; some task yields instead of waiting");
      break;
    }
    node->run();
  }
}

void machine::set_program(std::function<task<void>(host&)> program) {
  program_ = std::move(program);
  if (running_) spawn(program_(face_));
}

void machine::spawn(task<void> work) {
  if (running_ && tasks_) tasks_->spawn(guarded(std::move(work)));
}

task<void> machine::guarded(task<void> work) {
  try {
    co_await std::move(work);
  } catch (const std::exception& e) {
    core_.fail(name_ + ": a task ended with an exception: " + e.what());
  } catch (...) {
    core_.fail(name_ + ": a task ended with an unknown exception");
  }
}

void machine::crash(crash_kind kind) {
  if (!running_) {
    if (kind == crash_kind::power && powered_) crash_now(kind);
    return;
  }
  if (in_turn_)
    crash_pending_ = crash_pending_ == crash_kind::power ? crash_kind::power : kind;
  else
    crash_now(kind);
}

void machine::crash_now(crash_kind kind) {
  if (core_.on(trace_level::faults)) core_.trace(name_, {kind == crash_kind::power ? "crash" : "crash of the process"});
  running_ = paused_ = false;
  if (kind == crash_kind::power) {
    powered_ = false;
    core_.net.lose_all(*this);
  }
  stop();
  if (kind == crash_kind::power) disk_.lose_power();
}

void machine::stop() noexcept {
  tasks_.reset();
  posted_.clear();
  ports_.clear();
  paths_.clear();
}

void machine::restart() {
  if (in_turn_) {
    crash(crash_kind::power);
    restart_pending_ = true;
    return;
  }
  if (running_) crash_now(crash_kind::power);
  boot();
}

void machine::boot() {
  if (core_.on(trace_level::faults)) core_.trace(name_, {"boot"});
  powered_ = running_ = true;
  ++boots_;
  tasks_ = std::make_unique<task_group>(*this);
  if (program_) spawn(program_(face_));
  make_runnable();
}

void machine::resume() {
  if (!std::exchange(paused_, false)) return;
  if (core_.on(trace_level::faults)) core_.trace(name_, {"resume"});
  make_runnable();
}

void machine::pause() {
  if (!running_ || std::exchange(paused_, true)) return;
  if (core_.on(trace_level::faults)) core_.trace(name_, {"pause"});
}

result<std::unique_ptr<watched_descriptor>> machine::watch(int) {
  return weft::fail(errc::unimplemented, "a simulated host has no descriptors");
}

}  // namespace weft::testkit
