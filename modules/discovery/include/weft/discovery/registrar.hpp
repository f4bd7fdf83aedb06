#pragma once
// Keeps an instance registered for as long as it runs.
//
//     registrar self{loop, *registry, {.self = me, .ttl = 15s}};
//     self.start();                       // registers, again and again until it is heard
//     ...
//     co_await self.leave(ctx);           // the first step of a drain: no new callers from here on
//
// It sends heartbeats at a third of the ttl, and registers anew when the registry has forgotten the instance (it was
// restarted, or lost us in a partition). While the registry cannot be reached it tries on, with pauses that grow from
// 0.5 s to 15 s, spread at random so that a fleet does not come back at once. One loop; the registry outlives it.
#include <weft/discovery/registry.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <functional>
#include <optional>

namespace weft::discovery {

class registrar {
 public:
  enum class standing : std::uint8_t { not_started, registering, registered, left };

  // `changed` is told of every change of standing, of every trouble, also when a heartbeat was not heard, and of its
  // end: for logs and health checks. What it throws is dropped.
  registrar(loop& l, registry& where, registration what,
            std::function<void(standing, const std::optional<error>&)> changed = {});
  registrar(const registrar&) = delete;
  registrar& operator=(const registrar&) = delete;

  void start();
  // Stops and takes the instance out. A registration that is under way is waited for first, so that it cannot arrive
  // after its removal; when how it ended cannot be known, the registry is asked whether the instance has come back, and
  // told again. An error says that the registry was not told; it will learn by the ttl, unless leave() is called again
  // and succeeds. Bounded by `ctx`.
  task<result<>> leave(context ctx);

  [[nodiscard]] standing state() const noexcept { return state_; }
  [[nodiscard]] const registration& what() const noexcept { return what_; }

 private:
  task<void> keep(context ctx);
  task<result<>> add_once();
  task<result<>> take_out(context ctx);
  void become(standing s, const std::optional<error>& trouble);

  loop& loop_;
  registry& where_;
  registration what_;
  std::function<void(standing, const std::optional<error>&)> changed_;
  standing state_ = standing::not_started;
  bool troubled_ = false;      // when it was told last
  bool may_be_there_ = false;  // the registry was told to add it, and not yet that it is gone
  bool in_doubt_ = false;      // the last registration has no answer: it may still arrive
  event quiet_;                // no registration is under way
  task_group tasks_;
};

}  // namespace weft::discovery
