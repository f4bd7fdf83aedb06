#include <weft/resilience/policy_set.hpp>

#include <weft/base/closest_name.hpp>
#include <weft/resilience/core/spin_lock.hpp>
#include <weft/resilience/metrics.hpp>
#include <weft/resilience/policy_names.hpp>

#include "policy_order.hpp"

#include <stdexcept>

namespace weft::resilience {

using detail::policy_kind;

std::vector<std::string_view> used_kinds(const policy& p) {
  std::vector<std::string_view> used;
  const auto add = [&](const auto& options, std::string_view name) {
    if (options) used.push_back(name);
  };
  add(p.cache, "cache");
  add(p.load_shed, "load_shed");
  add(p.timeout, "timeout");
  add(p.retry, "retry");
  add(p.hedge, "hedge");
  add(p.circuit_breaker, "circuit_breaker");
  add(p.rate_limit, "rate_limit");
  add(p.bulkhead, "bulkhead");
  add(p.adaptive_concurrency, "adaptive_concurrency");
  add(p.attempt_timeout, "attempt_timeout");
  return used;
}

std::vector<std::string_view> order_of(const policy& p) {
  if (p.order.empty()) return used_kinds(p);
  return {p.order.begin(), p.order.end()};
}

policy_kind kind_of(std::string_view name) {
  for (const auto kind : {policy_kind::cache, policy_kind::load_shed, policy_kind::retry, policy_kind::hedge,
                          policy_kind::circuit_breaker, policy_kind::rate_limit, policy_kind::bulkhead,
                          policy_kind::adaptive_concurrency})
    if (detail::to_string(kind) == name) return kind;
  return policy_kind::timeout;  // "timeout" and "attempt_timeout"
}

namespace {

std::string meaning(std::string_view name, std::string_view meant) {
  return "there is no policy \"" + std::string{name} + "\"; did you mean \"" + std::string{meant} + "\"?";
}

std::string missing_policy(std::string_view name, const std::vector<std::string>& there) {
  const std::vector<std::string_view> known{there.begin(), there.end()};
  if (const auto meant = closest_name(name, known); !meant.empty()) return meaning(name, meant);
  auto text = "there is no policy \"" + std::string{name} + "\"";
  text += there.empty() ? "; none is configured" : "; there are: ";
  for (std::size_t i = 0; i < there.size(); ++i) text += (i > 0 ? ", " : "") + there[i];
  return text;
}

}  // namespace

problems check_names(std::span<const std::string> asked, const policies& config) {
  std::vector<std::string> there;
  for (const auto& [name, p] : config.policies) there.push_back(name);
  const auto differences = compare_names(asked, there);
  problems found;
  for (const auto& [name, meant] : differences.misspelt)
    found.push_back({"$.policies." + name, meaning(name, meant), "name it under policies"});
  for (const auto& name : differences.missing)
    found.push_back({"$.policies." + name, missing_policy(name, there), "name it under policies"});
  const auto nobody_asks = [&](const std::string& name) {
    found.push_back({"$.policies." + name, "nothing in the program asks for it", "remove it, or correct its name",
                     severity::warning});
  };
  for (const auto& m : differences.misspelt) nobody_asks(m.configured);
  for (const auto& name : differences.unused) nobody_asks(name);
  return found;
}

class policy_set::entry final : public policy_source {
 public:
  using told = std::shared_ptr<std::function<void(const breaker_event&)>>;

  entry(std::string name, told t) : name_{std::move(name)}, told_{std::move(t)} {}

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::shared_ptr<policy_listener> listener() const override {
    const spin_lock::guard held{lock_};
    return metrics_;
  }
  void measure(std::shared_ptr<policy_listener> metrics) {
    std::shared_ptr<breaker_core> breaker;
    {
      const spin_lock::guard held{lock_};
      metrics_ = metrics;
      breaker = breaker_;
    }
    if (metrics && breaker) metrics->breaker_in_use(name_, *breaker, false);
  }
  [[nodiscard]] std::optional<cache_options> cache() const override {
    const spin_lock::guard held{lock_};
    return options_.cache;
  }
  [[nodiscard]] std::shared_ptr<breaker_core> breaker() const {
    const spin_lock::guard held{lock_};
    return breaker_;
  }
  [[nodiscard]] std::vector<detail::stage> stages() const override;
  void apply(const policy& p, steady_time now);

 private:
  [[nodiscard]] detail::stage stage_named(std::string_view name) const;
  void make_retry(const retry& o);
  void make_breaker(const circuit_breaker& o);
  void make_limiter(const rate_limit& o, steady_time now);
  template <class Core, class Options>
  static void make_or_configure(std::shared_ptr<Core>& core, const Options& o) {
    if (core)
      core->configure(o);
    else
      core = std::make_shared<Core>(o);
  }

  const std::string name_;
  const told told_;
  std::shared_ptr<policy_listener> metrics_;
  mutable spin_lock lock_;
  policy options_;
  std::shared_ptr<retry_core> retry_;
  std::shared_ptr<hedge_core> hedge_;
  std::shared_ptr<breaker_core> breaker_;
  std::shared_ptr<rate_limiter_core> limiter_;
  std::shared_ptr<bulkhead_core> bulkhead_;
  std::shared_ptr<adaptive_limit_core> adaptive_;
  std::shared_ptr<load_shedder_core> shedder_;
};

void policy_set::entry::make_retry(const retry& o) {
  auto budget = retry_ ? retry_->shared_budget() : nullptr;
  if (budget) budget->configure(o.budget);
  retry_ = std::make_shared<retry_core>(o, std::move(budget));
}

void policy_set::entry::make_breaker(const circuit_breaker& o) {
  if (breaker_) return breaker_->configure(o);
  breaker_ = std::make_shared<breaker_core>(o, name_);
  breaker_->on_change([t = told_](const breaker_event& e) {
    if (*t) (*t)(e);
  });
}

void policy_set::entry::make_limiter(const rate_limit& o, steady_time now) {
  if (limiter_ && limiter_->algorithm() == o.algorithm) return limiter_->configure(o, now);
  limiter_ = std::make_shared<rate_limiter_core>(o);
}

void policy_set::entry::apply(const policy& p, steady_time now) {
  {
    const spin_lock::guard held{lock_};
    if (p.retry) make_retry(*p.retry);
    if (p.hedge) hedge_ = std::make_shared<hedge_core>(*p.hedge);
    if (p.circuit_breaker) make_breaker(*p.circuit_breaker);
    if (p.rate_limit) make_limiter(*p.rate_limit, now);
    if (p.bulkhead) make_or_configure(bulkhead_, *p.bulkhead);
    if (p.adaptive_concurrency) make_or_configure(adaptive_, *p.adaptive_concurrency);
    if (p.load_shed) make_or_configure(shedder_, *p.load_shed);
    options_ = p;
  }
  if (metrics_) measure(metrics_);  // the breaker may be new
  changed();
}

detail::stage policy_set::entry::stage_named(std::string_view name) const {
  if (name == "timeout") return detail::make_stage(*options_.timeout);
  if (name == "attempt_timeout") return detail::make_stage(*options_.attempt_timeout);
  const auto with = [](auto core, policy_mode mode) {
    auto s = detail::make_stage(std::move(core));
    s.mode = mode;
    return s;
  };
  switch (kind_of(name)) {
    case policy_kind::retry:
      return with(retry_, options_.retry->mode);
    case policy_kind::hedge:
      return with(hedge_, options_.hedge->mode);
    case policy_kind::circuit_breaker:
      return with(breaker_, options_.circuit_breaker->mode);
    case policy_kind::rate_limit:
      return with(limiter_, options_.rate_limit->mode);
    case policy_kind::bulkhead:
      return with(bulkhead_, options_.bulkhead->mode);
    case policy_kind::adaptive_concurrency:
      return with(adaptive_, options_.adaptive_concurrency->mode);
    default:
      return with(shedder_, options_.load_shed->mode);
  }
}

std::vector<detail::stage> policy_set::entry::stages() const {
  const spin_lock::guard held{lock_};
  std::vector<detail::stage> all;
  for (const auto name : order_of(options_))
    if (name != "cache") all.push_back(stage_named(name));
  return all;
}

policy_set::policy_set(const policies& config) : told_{std::make_shared<std::function<void(const breaker_event&)>>()} {
  if (const auto applied = apply(config, {}); !applied)
    throw std::invalid_argument{std::string{applied.error().message()}};
}

policy_set::~policy_set() = default;

result<> policy_set::apply(const policies& config, steady_time now) {
  for (const auto& found : lint(config))
    if (found.severity == severity::error) return fail(errc::invalid_argument, found.describe());
  std::vector<std::pair<std::shared_ptr<entry>, policy>> changed;
  {
    const spin_lock::guard guard{lock_};
    for (const auto& [name, p] : config.policies)
      if (const auto in_vain = asked_.find(name); in_vain != asked_.end() && !in_vain->second)
        return fail(
            error{errc::failed_precondition,
                  "$.policies." + name + ": the program asked for it when there was none, and does not follow it"}
                .with_remedy("restart the program, or take it out again"));
    for (const auto& [name, p] : config.policies) {
      auto& e = entries_[name];
      if (!e) {
        e = std::make_shared<entry>(name, told_);
        e->measure(metrics_);
      }
      changed.emplace_back(e, p);
    }
    for (const auto& [name, e] : entries_)
      if (!config.policies.contains(name)) changed.emplace_back(e, policy{});
  }
  for (const auto& [e, p] : changed) e->apply(p, now);
  return {};
}

std::shared_ptr<policy_source> policy_set::find(std::string_view name) const {
  const spin_lock::guard guard{lock_};
  const auto at = entries_.find(name);
  const bool there = at != entries_.end();
  asked_.try_emplace(std::string{name}, there);
  return there ? at->second : nullptr;
}

std::shared_ptr<policy_source> policy_set::at(std::string_view name) const {
  {
    const spin_lock::guard guard{lock_};
    if (const auto at = entries_.find(name); at != entries_.end()) {
      asked_.try_emplace(std::string{name}, true);
      return at->second;
    }
  }
  throw std::invalid_argument{missing_policy(name, names())};
}

std::vector<std::string> policy_set::asked() const {
  const spin_lock::guard guard{lock_};
  std::vector<std::string> all;
  for (const auto& [name, there] : asked_) all.push_back(name);
  return all;
}

void policy_set::measure(observe::registry& metrics) {
  auto counted = std::make_shared<policy_metrics>(metrics);
  std::vector<std::shared_ptr<entry>> all;
  {
    const spin_lock::guard guard{lock_};
    metrics_ = counted;
    for (const auto& [name, e] : entries_) all.push_back(e);
  }
  for (const auto& e : all) e->measure(counted);
}

namespace detail {
const policy_source& required(const std::shared_ptr<policy_source>& source) {
  if (!source)
    throw std::invalid_argument{"pipeline: no policy was given; policy_set::at() says which name is not configured"};
  return *source;
}
}  // namespace detail

std::vector<std::string> policy_set::names() const {
  const spin_lock::guard guard{lock_};
  std::vector<std::string> all;
  for (const auto& [name, e] : entries_) all.push_back(name);
  return all;
}

std::shared_ptr<breaker_core> policy_set::breaker(std::string_view name) const {
  const spin_lock::guard guard{lock_};
  const auto at = entries_.find(name);
  return at == entries_.end() ? nullptr : at->second->breaker();
}

void policy_set::on_breaker_change(std::function<void(const breaker_event&)> told) { *told_ = std::move(told); }

}  // namespace weft::resilience
