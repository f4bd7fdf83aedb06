#pragma once
// A host from the inside: its loop, its ports, its disk, its program.
#include "connection.hpp"
#include "simulated_disk.hpp"

#include <weft/runtime/loop.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/testkit/host.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::testkit {

class core;

class machine final : public loop {
 public:
  machine(core& c, std::size_t id, std::string name);
  ~machine() override;

  [[nodiscard]] steady_time now() const noexcept override;
  [[nodiscard]] wall_time wall_now() const noexcept override;
  [[nodiscard]] rng& random() noexcept override { return random_; }
  void schedule(ready_node& node) noexcept override {
    ready_.push(node);
    if (!queued_ && !in_turn_) make_runnable();
  }
  void arm(timer_node& node, steady_time due) override;
  void post(callback work) override;
  void offload(callback work, callback done) override;
  result<std::unique_ptr<listener>> listen(const weft::address& at, listen_options options = {}) override;
  task<result<std::unique_ptr<stream>>> connect(context ctx, weft::address to, connect_options options = {}) override;
  task<result<std::vector<weft::address>>> resolve(context ctx, std::string host, std::uint16_t port) override;
  task<result<std::vector<dns_record>>> query_dns(context ctx, std::string name, dns_type type) override;
  result<std::unique_ptr<watched_descriptor>> watch(int descriptor) override;

  void turn();                                // everything that is ready now
  void woken();                               // an alarm went off
  void called(callback work, unsigned boot);  // arranged in that boot

  void set_program(std::function<task<void>(host&)> program);
  void spawn(task<void> work);
  void crash(crash_kind kind);
  void restart();
  void pause();
  void resume();
  void stop() noexcept;  // for good: the simulation ends

  [[nodiscard]] std::size_t id() const noexcept { return id_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] weft::address address(std::uint16_t port) const;
  [[nodiscard]] bool up() const noexcept { return powered_; }       // its kernel answers
  [[nodiscard]] bool running() const noexcept { return running_; }  // its program too
  [[nodiscard]] bool paused() const noexcept { return paused_; }
  [[nodiscard]] unsigned boots() const noexcept { return boots_; }
  [[nodiscard]] host& face() noexcept { return face_; }
  [[nodiscard]] simulated_disk& storage() noexcept { return disk_; }
  [[nodiscard]] core& owner() noexcept { return core_; }
  void set_skew(duration by) noexcept { skew_ = by; }

  // The listener that a connection to `at` reaches; null: refused.
  [[nodiscard]] simulated_listener* listening_at(const weft::address& at);
  void forget(simulated_listener& l);

 private:
  friend class runnable_queue;
  void make_runnable() noexcept;
  void boot();
  void crash_now(crash_kind kind);
  void set_alarm();
  void run_ready();
  void run_posted();
  [[nodiscard]] bool owns(const weft::address& a) const;
  [[nodiscard]] std::uint16_t free_port();
  task<void> guarded(task<void> work);

  core& core_;
  std::size_t id_;
  std::string name_;
  rng random_;
  ready_queue ready_;
  timer_queue timers_;
  std::vector<std::int64_t> alarms_;  // wake events under way, the next one last; each earlier than those before it
  std::vector<callback> posted_;
  machine* next_runnable_ = nullptr;
  bool queued_ = false, in_turn_ = false, powered_ = true, running_ = true, paused_ = false;
  bool restart_pending_ = false;
  std::optional<crash_kind> crash_pending_;
  unsigned boots_ = 1;
  duration skew_{};
  static constexpr std::uint16_t first_free_port = 40'000;
  std::uint16_t next_port_ = first_free_port;
  std::map<std::uint16_t, std::vector<simulated_listener*>> ports_;
  std::map<std::string, simulated_listener*> paths_;
  std::size_t round_robin_ = 0;  // over listeners that share a port
  simulated_disk disk_;
  std::function<task<void>(host&)> program_;
  std::unique_ptr<task_group> tasks_;
  host face_;
};

// Machines that have something to run now, first come first served.
class runnable_queue {
 public:
  void push(machine& m) noexcept {
    m.next_runnable_ = nullptr;
    (last_ != nullptr ? last_->next_runnable_ : first_) = &m;
    last_ = &m;
  }
  machine* pop() noexcept {
    auto* m = first_;
    if (m == nullptr) return nullptr;
    first_ = m->next_runnable_;
    if (first_ == nullptr) last_ = nullptr;
    m->queued_ = false;
    return m;
  }

 private:
  machine *first_ = nullptr, *last_ = nullptr;
};

}  // namespace weft::testkit
