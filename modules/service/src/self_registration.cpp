#include "self_registration.hpp"

#include <weft/base/saturating.hpp>
#include <weft/runtime/task_group.hpp>

#include <unistd.h>
#include <array>
#include <stdexcept>

namespace weft::service {

using discovery::registrar;

namespace {
// A registry that is away is mentioned again after this time.
constexpr auto repeat_after = std::chrono::minutes{1};

std::string name_of_machine() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

bool listens_everywhere(const address& at) {
  return at == address::any(at.port()) || at == address::parse_host("::", at.port());
}
}  // namespace

self_registration::self_registration(loop& l, discovery::registry& where, const discovery_settings& settings,
                                     const observe::logger& log)
    : loop_{l}, where_{where}, settings_{settings}, log_{log} {}

std::string self_registration::host_for(const bound_listener& listener) const {
  if (!settings_.advertise.empty()) return settings_.advertise;
  if (!listens_everywhere(listener.at)) return listener.at.host();
  return settings_.registry.scheme() == "memory" ? "127.0.0.1" : name_of_machine();
}

void self_registration::add(const bound_listener& listener, endpoint_choice endpoints) {
  if (settings_.registration == registration_mode::off || !where_.accepts_registrations()) return;
  if (listener.at.type() == address::kind::unix_path) return;  // nobody elsewhere could use it
  discovery::registration what{.self = {.id = {},
                                        .service = listener.name,
                                        .where = {.scheme = listener.encrypted ? "https" : "http",
                                                  .host = host_for(listener),
                                                  .port = listener.at.port()},
                                        .zone = settings_.zone,
                                        .labels = {settings_.labels.begin(), settings_.labels.end()},
                                        // It listens by now. Consul would wait for the first heartbeat or check.
                                        .state = discovery::health_state::passing},
                               .ttl = saturating_cast<duration>(settings_.ttl),
                               .remove_critical_after = saturating_cast<duration>(settings_.remove_critical_after)};
  // The same after a restart, so that it takes the place of what a crash left behind.
  what.self.id = listener.name + "-" + what.self.where.authority();
  if (settings_.http_check > settings_.http_check.zero() && endpoints == endpoint_choice::served)
    what.http_check = {.url = what.self.where.to_string() + "/health",
                       .interval = saturating_cast<duration>(settings_.http_check)};
  auto& e = *entries_.emplace_back(std::make_unique<entry>());
  e.keeper = std::make_unique<registrar>(
      loop_, where_, std::move(what),
      [this, &e](registrar::standing now, const std::optional<error>& trouble) { tell(e, now, trouble); });
}

void self_registration::start() {
  for (const auto& e : entries_) e->keeper->start();
}

void self_registration::tell(entry& e, registrar::standing now, const std::optional<error>& trouble) {
  const auto& self = e.keeper->what().self;
  if (trouble) {
    const auto what = trouble->describe();
    if (what == e.trouble && time_between(e.told_at, loop_.now()) < repeat_after) return;
    e.trouble = what;
    e.told_at = loop_.now();
    log_.warning("the registry has a problem", {{"id", self.id}, {"problem", what}});
  } else if (now == registrar::standing::registered) {
    e.trouble.clear();
    log_.info("registered", {{"id", self.id}, {"url", self.where.to_string()}});
  }
}

task<void> self_registration::take_out(entry& e, context ctx, std::string& problems) {
  const auto left = co_await e.keeper->leave(std::move(ctx));
  e.out = left.has_value();
  if (left)
    log_.info("deregistered", {{"id", e.keeper->what().self.id}});
  else
    problems.append(problems.empty() ? "" : "; ").append(left.error().describe());
}

// All together: a registry that is slow for one must not take the time of the others.
task<void> self_registration::leave(context ctx) {
  std::string problems;
  task_group leaving{loop_};
  for (const auto& e : entries_)
    if (!e->out) leaving.spawn(take_out(*e, ctx, problems));
  co_await leaving.join();
  if (!problems.empty()) throw std::runtime_error{problems};
}

task<result<health_details>> self_registration::check() const {
  health_details details;
  std::string problems;
  for (const auto& e : entries_) {
    const auto& self = e->keeper->what().self;
    const bool well = e->keeper->state() == registrar::standing::registered && e->trouble.empty();
    details.push_back({self.id, well ? "registered" : "not registered"});
    if (!well) problems.append(problems.empty() ? "" : "; ").append(self.id + ": " + e->trouble);
  }
  if (!problems.empty()) co_return fail(errc::unavailable, problems);
  co_return details;
}

void self_registration::show_in(health_checks& health) {
  health.add("registration", [this](context) { return check(); }, {.weight = health_weight::advisory});
}

}  // namespace weft::service
