#include <weft/base/saturating.hpp>
#include <weft/discovery/host_set.hpp>
#include <weft/runtime/guarded.hpp>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace weft::discovery {

std::string_view to_string(pick_reason r) noexcept {
  switch (r) {
    case pick_reason::balanced:
      return "balanced";
    case pick_reason::zone_local:
      return "zone_local";
    case pick_reason::zone_spill:
      return "zone_spill";
    case pick_reason::subset_fallback:
      return "subset_fallback";
    case pick_reason::panic:
      return "panic";
    case pick_reason::standby:
      return "standby";
    case pick_reason::last_resort:
      return "last_resort";
    case pick_reason::all_tried:
      return "all_tried";
  }
  return "unknown";
}

std::string_view to_string(host_event::kind k) noexcept {
  using kind = host_event::kind;
  switch (k) {
    case kind::joined:
      return "joined";
    case kind::left:
      return "left";
    case kind::ejected:
      return "ejected";
    case kind::returned:
      return "returned";
    case kind::check_failed:
      return "check_failed";
    case kind::check_passed:
      return "check_passed";
  }
  return "unknown";
}

result<> host_set_options::validate() const {
  const auto wrong = [](std::string_view what) { return fail(errc::invalid_argument, what); };
  if (auto good = balance.validate(); !good) return fail(good.error().with_operation("balance"));
  if (outlier)
    if (auto good = outlier->validate(); !good) return fail(good.error().with_operation("outlier"));
  if (!(panic_threshold_percent >= 0 && panic_threshold_percent <= 100))
    return wrong("panic_threshold_percent must be from 0 to 100");
  if (!(zone_overprovisioning >= 1)) return wrong("zone_overprovisioning must be at least 1");
  const auto count = [&](std::string_view name) { return std::ranges::count(subsets, name, &subset::name); };
  for (const auto& s : subsets)
    if (s.name.empty() || count(s.name) != 1) return wrong("subsets: '" + s.name + "' is empty or there twice");
  if (fallback == subset_fallback::default_subset && count(default_subset) != 1)
    return wrong("default_subset: there is no subset '" + default_subset + "'");
  return {};
}

// --- picked ---

picked::picked(host_ptr h, boost::intrusive_ptr<link> l, pick_reason r) noexcept
    : host_{std::move(h)}, link_{std::move(l)}, reason_{r} {
  ++host_->active;
}

picked& picked::operator=(picked&& other) noexcept {
  if (this != &other) {
    release();
    host_ = std::move(other.host_);
    link_ = std::move(other.link_);
    reason_ = other.reason_;
  }
  return *this;
}

// The host stays known after the end, so that a retry can avoid it; the link says that the call still counts.
void picked::release() noexcept {
  if (link_ == nullptr) return;
  --host_->active;
  link_ = nullptr;
}

void picked::end(const resilience::outcome_view& outcome, steady_time now, duration latency) {
  if (link_ == nullptr) return;
  const auto link = link_;
  release();
  if (link->set != nullptr) link->set->ended(*host_, classify(outcome), latency, now);
}

// --- host_set ---

// The hosts of one priority, split by zone where that matters.
struct host_set::tier {
  std::uint16_t priority = 0;
  std::unique_ptr<balancer> near, far;  // far: all of them when zones do not matter, or in panic
  double near_share = 0;
  std::size_t healthy = 0;
  bool zoned = false, panic = false;
};

// The hosts of a subset, by priority.
struct host_set::group {
  const subset* which = nullptr;  // null: all hosts
  std::uint64_t version = 0;
  std::vector<std::unique_ptr<tier>> tiers;  // the lowest priority first
  std::size_t members = 0, healthy = 0;

  [[nodiscard]] bool has(const host& h) const {
    return which == nullptr || std::ranges::all_of(which->labels, [&](const auto& label) {
             const auto at = h.info.labels.find(label.first);
             return at != h.info.labels.end() && at->second == label.second;
           });
  }
};

namespace {

void require_valid(const result<>& good, std::string_view service) {
  if (!good) throw std::invalid_argument{std::string{service} + ": " + good.error().describe()};
}

}  // namespace

host_set::host_set(std::string service, host_set_options options, rng& random)
    : service_{std::move(service)},
      options_{std::move(options)},
      random_{random},
      outliers_{options_.outlier.value_or(outlier_options{})},
      link_{new picked::link} {
  require_valid(options_.validate(), service_);
  link_->set = this;
  groups_.push_back(std::make_unique<group>());
  for (const auto& s : options_.subsets) {
    groups_.push_back(std::make_unique<group>());
    groups_.back()->which = &s;
  }
}

host_set::~host_set() { link_->set = nullptr; }

void host_set::tell(host_event::kind what, const host& h, std::string_view why, std::optional<ejection_cause> cause) {
  ++version_;
  // Code of others, called within calls and checks that cannot do anything about what it throws.
  if (on_event) static_cast<void>(guarded_call([&] { on_event({what, h, why, cause}); }));
}

void host_set::update(const snapshot& now_there, steady_time now) {
  std::vector<host_ptr> before = std::move(hosts_);
  hosts_.clear();
  ++version_;
  auto old = before.begin();
  const auto drop = [&](host_ptr& gone) {
    gone->listed = false;
    outliers_.forget(gone->outlier);
    tell(host_event::kind::left, *gone);
  };
  for (const auto& i : now_there.instances) {  // both are sorted by id
    while (old != before.end() && (*old)->info.id < i.id) drop(*old++);
    if (old != before.end() && (*old)->info.id == i.id) {
      if ((*old)->info.where == i.where) {
        (*old)->info = i;
        hosts_.push_back(std::move(*old++));
        continue;
      }
      drop(*old++);
    }
    // Who was there before us is not new.
    hosts_.push_back(new host{i, first_update_ ? later(now, -options_.balance.warm_up.window) : now});
    tell(host_event::kind::joined, *hosts_.back());
  }
  while (old != before.end()) drop(*old++);
  outliers_.set_hosts(hosts_.size());
  first_update_ = false;
}

void host_set::check_passed(host& h, steady_time now) {
  if (!h.check_failed) return;
  h.check_failed = false;
  h.warm_from = now;
  tell(host_event::kind::check_passed, h);
}

void host_set::check_failed(host& h, std::string_view why) {
  if (h.check_failed) return;
  h.check_failed = true;
  tell(host_event::kind::check_failed, h, why);
}

void host_set::ended(host& h, call_result outcome, duration latency, steady_time now) {
  if (outcome == call_result::ignored) return;
  const bool failed = outcome != call_result::success;
  // A failure after a pause is judged without those before it, as it would be had they never been.
  if (failed && forgotten(h, now)) h.failing = {};
  h.failing.record(failed);
  (outcome == call_result::success ? last_good_ : h.last_failed) = now;
  if (options_.balance.kind == algorithm::peak_ewma) {
    h.latency.record(failed ? std::max(latency, options_.balance.failure_penalty) : latency,
                     options_.balance.ewma_decay, now);
  }
  // A host that has left may still have calls; its record is no longer the detector's.
  if (!options_.outlier || !h.listed) return;
  if (const auto cause = outliers_.report(h.outlier, outcome, now)) {
    tell(host_event::kind::ejected, h, h.outlier.why, cause);
  } else if (outcome == call_result::success && outliers_.restore(h.outlier)) {
    returned(h, now);
  }
}

void host_set::sweep(steady_time now) {
  if (!options_.outlier) return;
  std::vector<outlier_record*> records;
  for (const auto& h : hosts_) records.push_back(&h->outlier);
  for (const auto& change : outliers_.sweep(records, now)) {
    const auto at = std::ranges::find_if(hosts_, [&](const host_ptr& h) { return &h->outlier == change.record; });
    if (change.what == outlier_change::kind::ejected) {
      tell(host_event::kind::ejected, **at, (*at)->outlier.why, change.cause);
    } else {
      returned(**at, now);
    }
  }
}

// As one that is new: what was known about it is from before.
void host_set::returned(host& h, steady_time now) {
  h.warm_from = now;
  h.failing = {};
  tell(host_event::kind::returned, h);
}

// Failures of a while ago are, those that led to an ejection, too. But not when nobody has answered since: then all of
// them may be gone.
bool host_set::forgotten(const host& h, steady_time now) const {
  constexpr auto for_a_while = std::chrono::seconds{1}, lately = std::chrono::seconds{10};
  return time_between(last_good_, now) < lately && time_between(h.last_failed, now) >= for_a_while;
}

bool host_set::others_answer(const host& failed, std::string_view subset, steady_time now) const {
  const group* within = nullptr;
  for (const auto& g : groups_)
    if (g->which != nullptr && g->which->name == subset) within = g.get();
  std::size_t others = 0, called = 0;
  double failing = 0;
  for (const auto& h : hosts_) {
    const bool takes_calls = usable(h->info.state) && !h->check_failed && h->info.weight > 0;
    if (h.get() == &failed || !takes_calls || (within != nullptr && !within->has(*h))) continue;
    ++others;
    const auto share = h->failing.share();
    if (!h->failing.known() || (share > 0.5 && forgotten(*h, now))) continue;
    ++called;
    failing += share;
  }
  return others > 0 && failing * 2 <= static_cast<double>(called);
}

host_set::group* host_set::find_group(std::string_view name) {
  if (name.empty()) return groups_.front().get();
  for (const auto& g : groups_)
    if (g->which != nullptr && g->which->name == name) return g.get();
  return nullptr;
}

// Priorities beyond these share the last tier: each costs balancers, and DNS may name any number.
constexpr std::size_t most_tiers = 8;

// A balancer keeps what it knows while its priority is there.
void host_set::sort_into_tiers(group& g) {
  std::vector<std::uint16_t> priorities;
  g.members = g.healthy = 0;
  for (const auto& h : hosts_) {
    if (h->draining() || !g.has(*h)) continue;
    ++g.members;
    g.healthy += h->healthy();
    if (std::ranges::find(priorities, h->info.priority) == priorities.end()) priorities.push_back(h->info.priority);
  }
  std::ranges::sort(priorities);
  if (priorities.size() > most_tiers) priorities.resize(most_tiers);
  auto before = std::exchange(g.tiers, {});
  for (const auto priority : priorities) {
    const auto old = std::ranges::find_if(before, [&](const auto& t) { return t && t->priority == priority; });
    if (old != before.end()) {
      g.tiers.push_back(std::move(*old));
      continue;
    }
    auto t = std::make_unique<tier>();
    t->priority = priority;
    t->near = make_balancer(options_.balance, random_);
    t->far = make_balancer(options_.balance, random_);
    g.tiers.push_back(std::move(t));
  }
}

void host_set::fill(tier& t, bool healthy_elsewhere, const std::vector<host_ptr>& members, steady_time now) {
  std::vector<host_ptr> near, far;
  double near_weight = 0, near_healthy = 0;
  for (const auto& h : members) {
    const auto is_near = !options_.local_zone.empty() && h->info.zone == options_.local_zone;
    if (is_near) near_weight += h->info.weight;
    if (!h->healthy()) continue;
    if (is_near) near_healthy += h->info.weight;
    (is_near ? near : far).push_back(h);
  }
  t.healthy = near.size() + far.size();
  t.panic = !healthy_elsewhere && static_cast<double>(t.healthy) * 100 <
                                      options_.panic_threshold_percent * static_cast<double>(members.size());
  t.zoned = !t.panic && near_healthy > 0;
  t.near_share = !t.zoned      ? 0
                 : far.empty() ? 1
                               : std::min(1.0, options_.zone_overprovisioning * near_healthy / near_weight);
  t.near->assign(t.zoned ? near : std::vector<host_ptr>{}, now);
  t.far->assign(t.panic ? members : far, now);
}

void host_set::rebuild(group& g, steady_time now) {
  sort_into_tiers(g);
  for (std::size_t i = 0; i < g.tiers.size(); ++i) {
    auto& t = *g.tiers[i];
    const bool last = i + 1 == g.tiers.size();
    std::vector<host_ptr> members;
    std::size_t healthy = 0;
    for (const auto& h : hosts_) {
      if (h->draining() || !g.has(*h)) continue;
      if (last ? h->info.priority < t.priority : h->info.priority != t.priority) continue;
      members.push_back(h);
      healthy += h->healthy();
    }
    fill(t, healthy < g.healthy, members, now);
  }
  g.version = version_;
}

picked host_set::make_picked(host* h, pick_reason reason) { return picked{host_ptr{h}, link_, reason}; }

result<picked> host_set::pick(const pick_request& request, steady_time now) {
  auto* g = find_group(request.subset);
  if (g == nullptr)
    return fail(error{errc::invalid_argument, service_ + " has no subset '" + std::string{request.subset} + "'"}
                    .as_unprocessed());
  if (g->version != version_) rebuild(*g, now);
  auto reason = pick_reason::balanced;
  if (g->members == 0 && g->which != nullptr && options_.fallback != subset_fallback::none) {
    g = find_group(options_.fallback == subset_fallback::any ? std::string_view{} : options_.default_subset);
    if (g->version != version_) rebuild(*g, now);
    reason = pick_reason::subset_fallback;
  }
  const bool fell_back = reason == pick_reason::subset_fallback;
  if (auto chosen = pick_of(*g, request, now)) {
    if (fell_back && chosen->reason_ == pick_reason::balanced) chosen->reason_ = reason;
    return *std::move(chosen);
  }
  if (request.tried.empty()) return nothing_to_pick(*g);
  if (auto chosen = pick_ejected(*g, request)) return *std::move(chosen);
  auto again = request;
  again.tried = {};
  if (auto chosen = pick_of(*g, again, now)) {
    chosen->reason_ = pick_reason::all_tried;
    return *std::move(chosen);
  }
  return nothing_to_pick(*g);
}

// The one whose ejection has lasted longest.
std::optional<picked> host_set::pick_ejected(const group& g, const pick_request& request) {
  host* best = nullptr;
  for (const auto& h : hosts_) {
    if (!h->outlier.ejected || !usable(h->info.state) || h->check_failed || h->info.weight == 0 || !g.has(*h)) continue;
    if (std::ranges::find(request.tried, h) != request.tried.end()) continue;
    if (best == nullptr || h->outlier.ejected_at < best->outlier.ejected_at) best = h.get();
  }
  if (best == nullptr) return std::nullopt;
  return make_picked(best, pick_reason::last_resort);
}

std::optional<picked> host_set::pick_of(const group& g, const pick_request& request, steady_time now) {
  const pick_context context{.now = now, .key = request.key, .tried = request.tried};
  for (const auto& t : g.tiers) {
    if (t->healthy == 0 && g.healthy > 0) continue;
    auto chosen = pick_in(*t, context, request);
    if (!chosen) continue;
    if (t != g.tiers.front()) chosen->reason_ = pick_reason::standby;
    return chosen;
  }
  return std::nullopt;
}

std::optional<picked> host_set::pick_in(const tier& t, const pick_context& context, const pick_request& request) {
  if (!t.zoned) {
    if (auto* h = t.far->pick(context)) return make_picked(h, t.panic ? pick_reason::panic : pick_reason::balanced);
    return std::nullopt;
  }
  // The same key goes the same way.
  const auto toss = request.key ? static_cast<double>(mix(~*request.key) >> 11) * 0x1p-53 : random_.uniform();
  const auto stay = toss < t.near_share;
  if (auto* h = (stay ? t.near : t.far)->pick(context))
    return make_picked(h, stay ? pick_reason::zone_local : pick_reason::zone_spill);
  if (auto* h = (stay ? t.far : t.near)->pick(context))
    return make_picked(h, stay ? pick_reason::zone_spill : pick_reason::zone_local);
  return std::nullopt;
}

host_counts host_set::count() const noexcept {
  host_counts c;
  for (const auto& h : hosts_) {
    ++c.known;
    if (h->draining())
      ++c.draining;
    else if (!usable(h->info.state))
      ++c.critical;
    c.check_failed += h->check_failed;
    c.ejected += h->outlier.ejected;
    c.healthy += h->healthy();
  }
  return c;
}

std::string host_set::describe() const {
  if (hosts_.empty()) return "no instance is known";
  const auto c = count();
  auto text = std::to_string(c.known) + (c.known == 1 ? " instance, " : " instances, ") + std::to_string(c.healthy) +
              " healthy";
  constexpr std::size_t named_at_most = 3;
  std::size_t named = 0;
  for (const auto& h : hosts_) {
    const auto trouble = h->trouble();
    if (trouble.empty()) continue;
    if (named++ == named_at_most) return text + "; ...";
    text.append("; ").append(h->info.id).append(": ").append(trouble);
  }
  return text;
}

std::unexpected<error> host_set::nothing_to_pick(const group& g) const {
  auto what = service_ + ": ";
  if (g.which != nullptr) what += "subset " + g.which->name + " has no instance to call; of the service, ";
  return fail(error{errc::unavailable, what + describe()}.as_unprocessed());
}

}  // namespace weft::discovery
