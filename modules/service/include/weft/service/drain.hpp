#pragma once
// The end of a service, in the order in which no caller notices:
//   1. readiness fails, so that balancers look for others, and from now on responses say `Connection: close`;
//   2. the service leaves its registries (on_deregister, in the order they were added);
//   3. requests are still taken for the propagation delay, since callers learn of it late;
//   4. nothing new is accepted, and requests in flight end, or are cut off at the request timeout;
//   5. pools and brokers close (on_close, the last added first), since requests in flight used them.
//
//     drain_sequence ending{loop, settings};
//     ending.on_close("orders client", [&](context) -> task<void> { ... });
//     ending.add(server);
//     co_await ending.run();
//
// A hook that fails or takes longer than the hook timeout is reported and left behind; the sequence goes on. Only the
// loop's clock is used. Belongs to one loop; ready() and phase() may be read on any thread.
#include <weft/http/server.hpp>
#include <weft/service/settings.hpp>

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::service {

enum class drain_phase : std::uint8_t { serving, deregistering, propagating, finishing, closing, ended };
[[nodiscard]] std::string_view to_string(drain_phase phase) noexcept;

// Throwing is failing, whatever is thrown.
using drain_hook = std::function<task<void>(context)>;

// What requests come in by: a server, or the servers of another core.
struct drain_listener {
  std::function<void()> start_draining;
  std::function<task<void>(duration)> drain;
};

// Told of each phase as it begins ("finishing", "") and of hooks that went wrong ("closing", "orders client: ...").
using drain_observer = std::function<void(drain_phase, std::string_view problem)>;

class drain_sequence {
 public:
  drain_sequence(loop& l, drain_settings settings, drain_observer observer = {});

  void on_deregister(std::string name, drain_hook hook);
  void on_close(std::string name, drain_hook hook);
  void add(http::server& server);  // which outlives run()
  void add(drain_listener listener);

  [[nodiscard]] drain_phase phase() const noexcept { return phase_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool ready() const noexcept { return phase() == drain_phase::serving; }

  // Once.
  [[nodiscard]] task<void> run();
  // The last step alone, for a service that did not come up.
  [[nodiscard]] task<void> close();

 private:
  struct named_hook {
    std::string name;
    drain_hook hook;
  };
  void enter(drain_phase next);
  task<void> call(const named_hook& h);
  task<void> finish_requests();

  loop& loop_;
  drain_settings settings_;
  drain_observer observer_;
  std::vector<named_hook> deregister_, close_;
  std::vector<drain_listener> listeners_;
  std::atomic<drain_phase> phase_ = drain_phase::serving;
};

}  // namespace weft::service
