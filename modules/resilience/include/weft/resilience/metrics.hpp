#pragma once
// What policies decide, as metrics.
//
//     resilience::policy_metrics counted{registry};
//     guard.listen(counted);
//
// weft_policy_decisions_total{pipeline,reason,mode} counts each decision (reason.hpp) by whether it was carried out
// ("enforce") or only counted ("shadow"); weft_breaker_state{pipeline} is 0 closed, 1 open, 2 half-open, 3 isolated,
// and weft_breaker_transitions_total{pipeline,to} counts its changes. A breaker that several pipelines share has the
// series of its own name, once. One object may listen to any number of pipelines, of any loop; it and the registry
// outlive them.
#include <weft/observe/metrics.hpp>
#include <weft/resilience/core/breaker.hpp>
#include <weft/resilience/decision_record.hpp>

namespace weft::resilience {

class policy_metrics final : public policy_listener {
 public:
  explicit policy_metrics(observe::registry& metrics);
  void decided(const context& ctx, std::string_view pipeline, const decision& d) override;
  void breaker_changed(std::string_view pipeline, const breaker_event& e) override;
  void breaker_in_use(std::string_view pipeline, breaker_core& breaker, bool own) override;

 private:
  observe::counter_family decisions_, transitions_;
  observe::gauge_family state_;
  observe::registry* registry_;
};

}  // namespace weft::resilience
