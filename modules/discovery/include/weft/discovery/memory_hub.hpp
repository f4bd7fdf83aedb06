#pragma once
// Where `memory:` registries keep their registrations: for services that share a process, and for tests.
//
//     auto hub = std::make_shared<memory_hub>();
//     auto on_this_core = make_registry(loop, "memory:", {.memory = hub});
//
// Any thread. Watchers are told by a message to their loop. A registration with a ttl turns critical, and is removed
// later if it asked for that, by the clock of whoever looks: nothing runs in between.
#include <weft/discovery/registry.hpp>
#include <weft/resilience/core/spin_lock.hpp>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft::discovery {

class memory_hub {
 public:
  memory_hub() = default;
  memory_hub(const memory_hub&) = delete;
  memory_hub& operator=(const memory_hub&) = delete;

  // `space`: the name in "memory:name"; spaces do not see each other.
  void add(std::string_view space, registration r, steady_time now);
  void remove(std::string_view space, std::string_view service, std::string_view id);
  // False when the registration is gone.
  [[nodiscard]] bool heartbeat(std::string_view space, std::string_view service, std::string_view id,
                               health_state state, steady_time now);

  struct view {
    snapshot now;
    std::optional<steady_time> changes_at;  // when a ttl ends next
  };
  [[nodiscard]] view look(std::string_view space, std::string_view service, steady_time now);

  // Calls `changed`, on `home`'s thread, some time after each change of the service; unsubscribe on that thread too.
  using subscription = std::uint64_t;
  subscription subscribe(std::string_view space, std::string_view service, loop& home, std::function<void()> changed);
  void unsubscribe(std::string_view space, std::string_view service, subscription which);

  // The one that `memory:` uses unless it is told otherwise.
  [[nodiscard]] static std::shared_ptr<memory_hub> of_process();

 private:
  struct entry {
    registration what;
    health_state reported = health_state::passing;
    steady_time last_heartbeat;
  };
  struct subscriber {
    subscription id;
    loop* home;
    std::shared_ptr<std::function<void()>> changed;
  };
  struct service {
    std::map<std::string, entry, std::less<>> entries;
    std::vector<subscriber> subscribers;
  };
  using key = std::pair<std::string, std::string>;  // space, service

  [[nodiscard]] service* find(std::string_view space, std::string_view name);
  void tell(service& s);
  void forget_if_unused(std::string_view space, std::string_view name);

  resilience::spin_lock lock_;
  std::map<key, service, std::less<>> services_;
  subscription next_subscription_ = 1;
};

}  // namespace weft::discovery
