#include "shared_ports.hpp"

namespace weft::detail {

shared_ports& shared_ports::of_process() {
  static shared_ports all;
  return all;
}

result<address> shared_ports::open(const address& at, const std::function<result<address>(place)>& listen) {
  const std::lock_guard guard{mutex_};
  WEFT_TRY(auto got, listen(listeners_.contains(at.to_string()) ? place::joins : place::first));
  ++listeners_[got.to_string()];
  return got;
}

void shared_ports::leave(const address& at) {
  const std::lock_guard guard{mutex_};
  const auto found = listeners_.find(at.to_string());
  if (found != listeners_.end() && --found->second == 0) listeners_.erase(found);
}

}  // namespace weft::detail
