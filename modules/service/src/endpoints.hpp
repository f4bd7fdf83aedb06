#pragma once
// The host's own endpoints: /health, /health/live, /health/ready and /metrics. Health belongs to the first core; the
// others ask it.
#include "listeners.hpp"

#include <weft/runtime/from_callback.hpp>
#include <weft/runtime/task_group.hpp>

namespace weft::service {

class host_endpoints {
 public:
  // All of them outlive this; `first` is the loop of the health checks and the drain.
  host_endpoints(loop& first, health_checks& health, const drain_sequence& drain, const observe::registry& metrics)
      : first_{first}, health_{health}, drain_{drain}, metrics_{metrics}, asked_{first} {}

  [[nodiscard]] endpoints on(loop& l);

 private:
  task<health_report> ask(loop& asking);
  task<void> answer(callback_result<health_report> done);
  task<result<http::response>> show_health(loop& on);
  task<result<http::response>> show_readiness(loop& on);

  loop& first_;
  health_checks& health_;
  const drain_sequence& drain_;
  const observe::registry& metrics_;
  task_group asked_;
};

}  // namespace weft::service
