#pragma once
// One simulated machine: a name, an address (10.0.0.1, 10.0.0.2, ...), a loop, a disk, and a program that starts at
// each boot.
//
//     auto& a = sim.add_host("a");
//     a.on_boot([&](host& h) { return serve(h.loop(), h.disk()); });
//     a.crash();                       // every frame of the program is destroyed; peers hear nothing
//     a.restart();                     // the program starts again, on what the disk kept
#include <weft/runtime/blocking_disk.hpp>
#include <weft/runtime/disk.hpp>
#include <weft/runtime/loop.hpp>
#include <weft/testkit/faults.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace weft::testkit {

class machine;
class simulation;

class host {
 public:
  explicit host(machine& m) noexcept : machine_{m} {}
  host(const host&) = delete;
  host& operator=(const host&) = delete;

  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] weft::address address(std::uint16_t port = 0) const;
  // The same object through every restart. post() only from the simulation's own thread.
  [[nodiscard]] weft::loop& loop() noexcept;
  [[nodiscard]] weft::disk& disk() noexcept;
  // The same files for what blocks, such as SQLite. Its calls are done at once. Each boot has one of its own: once the
  // host has crashed it fails with errc::unavailable and changes nothing any more.
  [[nodiscard]] weft::blocking_disk& blocking_disk();
  [[nodiscard]] testkit::simulation& simulation() noexcept;

  // Runs now, and after each restart. The function is kept as long as the host; what it returns is destroyed by a
  // crash.
  void on_boot(std::function<task<void>(host&)> program);
  // A task of the program: destroyed by a crash. An exception that leaves it fails the simulation.
  void spawn(task<void> work);

  [[nodiscard]] bool running() const noexcept;  // not crashed
  [[nodiscard]] unsigned boots() const noexcept;
  // Inside one of its own tasks, a host crashes as soon as that task suspends.
  void crash(crash_kind kind = crash_kind::power);
  void restart();
  void pause();
  void resume();
  void set_clock_skew(duration by) noexcept;  // of loop().wall_now()
  void set_disk_options(const disk_options& options) noexcept;

  // A line in the simulation's trace; costs nothing when the trace is off.
  void trace(std::string_view text);

 private:
  machine& machine_;
};

}  // namespace weft::testkit
