#pragma once
// One loop for each core: a program that uses the whole machine without sharing anything between its loops.
//
//     cores all{{.count = 4}};
//     all.run([&](loop& l, unsigned core) { return serve(l, all.stopping(core)); });  // until every task has ended
//
// Each task lives on its own thread and loop; core 0 is the thread that calls run(), so that signals are handled there
// (all.at(0).on_signal(SIGTERM, [&](int) { all.stop(); }) before run()). To listen on one port from every core, use
// listen_options::share_port. What crosses cores goes by all.at(core).post().
#include <weft/runtime/epoll_loop.hpp>

#include <functional>
#include <memory>

namespace weft {

enum class pinning : std::uint8_t {
  none,      // the kernel moves threads as it likes
  one_each,  // each loop stays on one of the processors that this process may use
};

struct cores_options {
  unsigned count = 0;  // 0: one for each processor that this process may use
  pinning pin = pinning::none;
  epoll_loop_options loop;  // of each; with a seed, core n is seeded with seed + n
};

class cores {
 public:
  explicit cores(cores_options options = {});  // throws std::system_error when the kernel refuses
  ~cores();
  cores(const cores&) = delete;
  cores& operator=(const cores&) = delete;

  [[nodiscard]] unsigned size() const noexcept;
  [[nodiscard]] epoll_loop& at(unsigned core) noexcept;

  // Calls `work` once on each core's thread and returns when every task has ended. The exception of the first that
  // fails stops the others, and is thrown here. Once only.
  void run(const std::function<task<void>(loop&, unsigned core)>& work);

  // The context of a core's work: cancelled by stop(). For that core's thread.
  [[nodiscard]] context stopping(unsigned core) const;
  // From any thread. stop() asks: it cancels the contexts, and tasks end as they see fit. stop_now() leaves every loop
  // at the end of its turn and destroys the tasks.
  void stop();
  void stop_now() noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace weft
