#include <weft/resilience/metrics.hpp>

namespace weft::resilience {

policy_metrics::policy_metrics(observe::registry& metrics)
    : decisions_{metrics.add_counter("weft_policy_decisions_total", "What policies decided about calls, by reason.",
                                     {"pipeline", "reason", "mode"})},
      transitions_{metrics.add_counter("weft_breaker_transitions_total", "Changes of circuit breakers, by new state.",
                                       {"pipeline", "to"})},
      state_{metrics.add_gauge("weft_breaker_state", "Circuit breakers: 0 closed, 1 open, 2 half-open, 3 isolated.",
                               {"pipeline"})},
      registry_{&metrics} {}

void policy_metrics::decided(const context&, std::string_view pipeline, const decision& d) {
  decisions_.with({pipeline, to_string(d.why), d.shadow ? "shadow" : "enforce"}).add();
}

void policy_metrics::breaker_changed(std::string_view pipeline, const breaker_event& e) {
  transitions_.with({pipeline, to_string(e.to)}).add();
  state_.with({pipeline}).set(static_cast<double>(e.to));
}

// The series is there before anything happens. A shared one is watched once for these metrics, by whatever pipeline
// comes first.
void policy_metrics::breaker_in_use(std::string_view pipeline, breaker_core& breaker, bool own) {
  const auto name = own ? std::string{pipeline} : breaker.name();
  state_.with({name}).set(static_cast<double>(breaker.state()));
  if (own) return;
  breaker.watch(registry_, [transitions = transitions_, state = state_](const breaker_event& e) {
    transitions.with({e.name, to_string(e.to)}).add();
    state.with({e.name}).set(static_cast<double>(e.to));
  });
}

}  // namespace weft::resilience
