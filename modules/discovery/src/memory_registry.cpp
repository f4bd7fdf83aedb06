#include <weft/base/saturating.hpp>
#include <weft/discovery/memory_hub.hpp>
#include <weft/runtime/sync.hpp>

#include <algorithm>

#include "registry_url.hpp"

namespace weft::discovery {

using guard = resilience::spin_lock::guard;

memory_hub::service* memory_hub::find(std::string_view space, std::string_view name) {
  const auto at = services_.find(key{space, name});
  return at == services_.end() ? nullptr : &at->second;
}

// Under the lock, so that no subscriber's loop ends in between: who ends it unsubscribes before.
void memory_hub::tell(service& s) {
  for (const auto& each : s.subscribers)
    each.home->post([call = std::weak_ptr{each.changed}] {
      if (const auto f = call.lock()) (*f)();
    });
}

void memory_hub::forget_if_unused(std::string_view space, std::string_view name) {
  const auto at = services_.find(key{space, name});
  if (at != services_.end() && at->second.entries.empty() && at->second.subscribers.empty()) services_.erase(at);
}

void memory_hub::add(std::string_view space, registration r, steady_time now) {
  const guard locked{lock_};
  auto& s = services_[key{space, r.self.service}];
  auto id = r.self.id;
  auto reported = r.self.state == health_state::unknown ? health_state::passing : r.self.state;
  // As in Consul: who promises heartbeats counts as critical until the first.
  if (r.ttl > duration::zero() && r.self.state == health_state::unknown) reported = health_state::critical;
  s.entries.insert_or_assign(std::move(id), entry{std::move(r), reported, now});
  tell(s);
}

void memory_hub::remove(std::string_view space, std::string_view service, std::string_view id) {
  const guard locked{lock_};
  auto* s = find(space, service);
  if (s == nullptr) return;
  if (const auto at = s->entries.find(id); at != s->entries.end()) {
    s->entries.erase(at);
    tell(*s);
  }
  forget_if_unused(space, service);
}

bool memory_hub::heartbeat(std::string_view space, std::string_view service, std::string_view id, health_state state,
                           steady_time now) {
  const guard locked{lock_};
  auto* s = find(space, service);
  if (s == nullptr) return false;
  const auto at = s->entries.find(id);
  if (at == s->entries.end()) return false;
  auto& e = at->second;
  const auto expired = e.what.ttl > duration::zero() && time_between(e.last_heartbeat, now) >= e.what.ttl;
  const auto changes = e.reported != state || expired;
  e.reported = state;
  e.last_heartbeat = now;
  if (changes) tell(*s);
  return true;
}

memory_hub::view memory_hub::look(std::string_view space, std::string_view service, steady_time now) {
  const guard locked{lock_};
  view v;
  auto* s = find(space, service);
  if (s == nullptr) return v;
  const auto wake_at = [&](steady_time at) { v.changes_at = v.changes_at ? std::min(*v.changes_at, at) : at; };
  for (auto at = s->entries.begin(); at != s->entries.end();) {
    auto& e = at->second;
    auto state = e.reported;
    if (e.what.ttl > duration::zero()) {
      const auto ends = later(e.last_heartbeat, e.what.ttl);
      if (now >= ends)
        state = health_state::critical;
      else
        wake_at(ends);
      if (const auto grace = e.what.remove_critical_after; grace > duration::zero() && now >= ends) {
        if (now >= later(ends, grace)) {
          at = s->entries.erase(at);
          continue;
        }
        wake_at(later(ends, grace));
      }
    }
    v.now.instances.push_back(e.what.self);
    v.now.instances.back().state = state;
    ++at;
  }
  forget_if_unused(space, service);
  return v;
}

memory_hub::subscription memory_hub::subscribe(std::string_view space, std::string_view service, loop& home,
                                               std::function<void()> changed) {
  const guard locked{lock_};
  const auto id = next_subscription_++;
  services_[key{space, service}].subscribers.push_back(
      {id, &home, std::make_shared<std::function<void()>>(std::move(changed))});
  return id;
}

void memory_hub::unsubscribe(std::string_view space, std::string_view service, subscription which) {
  std::shared_ptr<std::function<void()>> last;  // destroyed outside the lock
  const guard locked{lock_};
  auto* s = find(space, service);
  if (s == nullptr) return;
  const auto at = std::ranges::find(s->subscribers, which, &subscriber::id);
  if (at != s->subscribers.end()) {
    last = std::move(at->changed);
    s->subscribers.erase(at);
  }
  forget_if_unused(space, service);
}

std::shared_ptr<memory_hub> memory_hub::of_process() {
  static const auto hub = std::make_shared<memory_hub>();
  return hub;
}

namespace {

class memory_watch final : public watch {
 public:
  memory_watch(loop& l, std::shared_ptr<memory_hub> hub, std::string space, std::string service)
      : loop_{l}, hub_{std::move(hub)}, space_{std::move(space)}, service_{std::move(service)}, changed_{l} {
    subscription_ = hub_->subscribe(space_, service_, l, [this] { changed_.set(); });
  }
  ~memory_watch() override { hub_->unsubscribe(space_, service_, subscription_); }

  task<result<snapshot>> next(context ctx) override {
    for (;;) {
      changed_.reset();
      auto seen = hub_->look(space_, service_, loop_.now());
      if (!last_ || *last_ != seen.now) {
        last_ = seen.now;
        co_return std::move(seen.now);
      }
      const auto until = seen.changes_at ? ctx.with_deadline(*seen.changes_at) : ctx;
      if (auto waited = co_await changed_.wait(until); !waited) WEFT_CO_TRY_VOID(ctx.check(loop_.now()));
    }
  }

 private:
  loop& loop_;
  std::shared_ptr<memory_hub> hub_;
  std::string space_, service_;
  memory_hub::subscription subscription_;
  event changed_;
  std::optional<snapshot> last_;
};

class memory_registry final : public registry {
 public:
  memory_registry(loop& l, std::shared_ptr<memory_hub> hub, std::string space)
      : loop_{l}, hub_{std::move(hub)}, space_{std::move(space)} {}

  bool accepts_registrations() const noexcept override { return true; }
  task<result<>> add(context, registration r) override {
    if (r.self.id.empty() || r.self.service.empty())
      co_return fail(errc::invalid_argument, "a registration needs a service and an id");
    hub_->add(space_, std::move(r), loop_.now());
    co_return result<>{};
  }
  task<result<>> remove(context, std::string service, std::string id) override {
    hub_->remove(space_, service, id);
    co_return result<>{};
  }
  task<result<>> heartbeat(context, std::string service, std::string id, health_state state, std::string) override {
    if (!hub_->heartbeat(space_, service, id, state, loop_.now()))
      co_return fail(errc::not_found, "no registration " + id + " of " + service);
    co_return result<>{};
  }
  std::unique_ptr<discovery::watch> watch(std::string service) override {
    return std::make_unique<memory_watch>(loop_, hub_, space_, std::move(service));
  }
  task<result<snapshot>> resolve(context, std::string service) override {
    co_return hub_->look(space_, service, loop_.now()).now;
  }

 private:
  loop& loop_;
  std::shared_ptr<memory_hub> hub_;
  std::string space_;
};

}  // namespace

result<std::unique_ptr<registry>> make_memory_registry(loop& l, std::string_view url, const registry_wiring& wiring) {
  const auto space = url.substr(url.find(':') + 1);
  if (space.find_first_of("/?#") != std::string_view::npos)
    return fail(errc::invalid_argument, "a memory registry is memory: or memory:name");
  return std::make_unique<memory_registry>(l, wiring.memory ? wiring.memory : memory_hub::of_process(),
                                           std::string{space});
}

}  // namespace weft::discovery
