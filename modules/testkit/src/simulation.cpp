#include <weft/testkit/simulation.hpp>

#include "core.hpp"

namespace weft::testkit {

namespace {
std::int64_t after(std::int64_t now, duration time) { return later_by(now, time.count()); }
}  // namespace

simulation::simulation(std::uint64_t seed, simulation_options options)
    : core_{std::make_unique<core>(*this, seed, std::move(options))} {}
simulation::~simulation() = default;

std::uint64_t simulation::seed() const noexcept { return core_->seed; }
rng& simulation::random() noexcept { return core_->random; }
steady_time simulation::now() const noexcept { return steady_time{duration{core_->now}}; }
duration simulation::elapsed() const noexcept { return duration{core_->now - start_of_time}; }

host& simulation::add_host(std::string name) { return core_->add(std::move(name)).face(); }

host& simulation::at(std::string_view name) {
  auto* m = core_->find(name);
  if (m == nullptr) throw std::invalid_argument{"no host is named " + std::string{name}};
  return m->face();
}

std::vector<std::string> simulation::hosts() const {
  std::vector<std::string> names;
  for (const auto& m : core_->machines) names.push_back(m->name());
  return names;
}

void simulation::run_for(duration time) {
  if (core_->run(after(core_->now, time), nullptr) == core::outcome::failed) end_failed();
}

bool simulation::run_until(const std::function<bool()>& condition, duration limit) {
  switch (core_->run(after(core_->now, limit), &condition)) {
    case core::outcome::failed:
      end_failed();
    case core::outcome::condition_holds:
      return true;
    default:
      return false;
  }
}

void simulation::run_to_end(host& on, task_group& group) {
  const std::function<bool()> done = [&group, &on] { return group.empty() || !on.running(); };
  const auto limit = core_->options.run_limit;
  const auto pending = core_->now;
  switch (core_->run(after(pending, limit), &done)) {
    case core::outcome::condition_holds:
      if (group.empty()) return;
      core_->fail(on.name() + " crashed while a task was run on it");
      break;
    case core::outcome::failed:
      break;
    default:
      core_->fail(on.name() + ": the task has not ended after " +
                  std::to_string(std::chrono::duration_cast<std::chrono::seconds>(limit).count()) +
                  " s of virtual time" +
                  (core_->events.empty() ? "; nothing is left to happen: it waits for what never comes" : ""));
  }
  end_failed();
}

// Programs go before the scenario's locals, which the exception is about to destroy.
void simulation::end_failed() {
  core_->stop_programs();
  throw simulation_failed{core_->failure};
}

void simulation::keep(std::shared_ptr<void> state) { core_->kept.push_back(std::move(state)); }

namespace {
machine& named(core& c, std::string_view name) {
  auto* m = c.find(name);
  if (m == nullptr) throw std::invalid_argument{"no host is named " + std::string{name}};
  return *m;
}
}  // namespace

void simulation::set_link_one_way(std::string_view from, std::string_view to, const link_options& link) {
  core_->net.configure(core_->net.between(named(*core_, from).id(), named(*core_, to).id()), link);
}

void simulation::set_link(std::string_view a, std::string_view b, const link_options& link) {
  set_link_one_way(a, b, link);
  set_link_one_way(b, a, link);
}

void simulation::slow_link(std::string_view a, std::string_view b, const link_options& link) {
  const auto x = named(*core_, a).id(), y = named(*core_, b).id();
  core_->net.slow(core_->net.between(x, y), link);
  core_->net.slow(core_->net.between(y, x), link);
}

void simulation::partition(const host_names& from, const host_names& to, partition_kind kind) {
  for (const auto& x : from)
    for (const auto& y : to) {
      const auto a = named(*core_, x).id(), b = named(*core_, y).id();
      core_->net.cut(core_->net.between(a, b));
      if (kind == partition_kind::both_ways) core_->net.cut(core_->net.between(b, a));
    }
}

void simulation::heal() { core_->net.heal(); }
void simulation::heal_everything() { core_->heal_everything(); }

void simulation::reset_connections(std::string_view a, std::string_view b) {
  core_->net.reset_between(named(*core_, a), named(*core_, b));
}

void simulation::set_dns(std::string name, std::vector<dns_record> records) {
  if (records.empty())
    core_->dns.erase(name);
  else
    core_->dns[std::move(name)] = std::move(records);
}
void simulation::set_dns_available(bool available) noexcept { core_->dns_available = available; }

void simulation::apply(const fault_plan& plan) { core_->apply(plan); }

bool simulation::check(bool condition, std::string_view message) {
  if (!condition) core_->fail(std::string{message});
  return condition;
}
void simulation::fail(std::string message) { core_->fail(std::move(message)); }
bool simulation::failed() const noexcept { return core_->failed; }
const std::string& simulation::failure() const noexcept { return core_->failure; }

void simulation::trace(std::string_view text) {
  if (core_->on(trace_level::faults)) core_->trace("", {text});
}
trace_log& simulation::log() noexcept { return core_->log; }
std::uint64_t simulation::fingerprint() const noexcept { return core_->fingerprint; }
std::uint64_t simulation::events() const noexcept { return core_->event_count; }
std::size_t simulation::open_connections() const noexcept { return core_->net.open_connections(); }

const std::string& host::name() const noexcept { return machine_.name(); }
address host::address(std::uint16_t port) const { return machine_.address(port); }
loop& host::loop() noexcept { return machine_; }
disk& host::disk() noexcept { return machine_.storage(); }
blocking_disk& host::blocking_disk() { return machine_.storage().blocking(); }
simulation& host::simulation() noexcept { return machine_.owner().face; }
void host::on_boot(std::function<task<void>(host&)> program) { machine_.set_program(std::move(program)); }
void host::spawn(task<void> work) { machine_.spawn(std::move(work)); }
bool host::running() const noexcept { return machine_.running(); }
unsigned host::boots() const noexcept { return machine_.boots(); }
void host::crash(crash_kind kind) { machine_.crash(kind); }
void host::restart() { machine_.restart(); }
void host::pause() { machine_.pause(); }
void host::resume() { machine_.resume(); }
void host::set_clock_skew(duration by) noexcept { machine_.set_skew(by); }
void host::set_disk_options(const disk_options& options) noexcept { machine_.storage().set_options(options); }
void host::trace(std::string_view text) {
  if (auto& c = machine_.owner(); c.on(trace_level::faults)) c.trace(machine_.name(), {text});
}

}  // namespace weft::testkit
