#include <weft/runtime/guarded.hpp>
#include <weft/runtime/loop.hpp>

namespace weft {

turn_observer::turn_observer(loop& l, duration at_least) noexcept : loop_{l}, at_least_{at_least} {
  auto** end = &l.observers_;
  while (*end != nullptr) end = &(*end)->next_;
  *end = this;
}

turn_observer::~turn_observer() {
  auto** place = &loop_.observers_;
  while (*place != this) place = &(*place)->next_;
  *place = next_;
}

void loop::report_turn(duration took) {
  slow_turn turn{.took = took};
  for (auto* o = observers_; o != nullptr; o = o->next_)
    if (took >= o->at_least_) static_cast<void>(guarded_call([&] { o->observe(turn); }));
}

}  // namespace weft
