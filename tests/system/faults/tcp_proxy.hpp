#pragma once
// A TCP proxy that misbehaves when it is told to: what stands between a client and a server in the tests of faults.
//
//     system_tests::tcp_proxy proxy{loop, broker_address};
//     EXPECT_TRUE(proxy.listen());
//     ... connect to proxy.local() ...
//     proxy.cut();                                    // resets every connection there is
//     co_await proxy.stop();
//
// Bytes pass in order and unchanged, later by the delay. Of each direction of a connection at most 64 pieces of 64 KiB
// are held; then the sender is no longer read. It belongs to its loop's thread and runs in the simulator too. The
// program tcp_proxy (main.cpp) takes the same commands over a control port.
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace weft::system_tests {

enum class admission : std::uint8_t {
  open,
  refused,  // a connection is reset as soon as it is there
};
enum class traffic : std::uint8_t {
  flowing,
  stalled,  // nothing passes and nothing is lost, as over a network that went silent
};

class tcp_proxy {
 public:
  struct figures {
    std::uint64_t accepted = 0, refused = 0, cut = 0;  // connections
    std::uint64_t bytes = 0;                           // passed on, both ways
  };

  tcp_proxy(loop& l, address to) : loop_{l}, to_{std::move(to)}, flowing_{l}, connections_{l} { flowing_.set(); }
  tcp_proxy(const tcp_proxy&) = delete;
  tcp_proxy& operator=(const tcp_proxy&) = delete;

  result<> listen(const address& at = address::loopback(0));
  [[nodiscard]] const address& local() const { return listener_->local(); }

  // Resets every connection, towards both ends; new ones may come. How many there were.
  std::size_t cut();
  void admit(admission how) noexcept { admission_ = how; }
  void set_traffic(traffic how) noexcept;
  // Of bytes that are read from now on, in each direction.
  void set_delay(duration by) noexcept { delay_ = by; }

  [[nodiscard]] std::size_t open_connections() const noexcept { return links_.size(); }
  [[nodiscard]] const figures& counted() const noexcept { return figures_; }

  // Takes no more connections and cuts those there are.
  task<void> stop();

 private:
  struct link;
  struct piece {
    enum class kind : std::uint8_t { bytes, end, failure };  // end: the sender will send no more
    steady_time due;
    kind what = kind::bytes;
    std::string bytes;
  };
  using queue = channel<piece>;

  static task<void> accept_all(tcp_proxy& self, context ctx);
  static task<void> serve(tcp_proxy& self, context ctx, std::unique_ptr<stream> client);
  static task<void> read_all(tcp_proxy& self, context ctx, stream& from, queue& into);
  static task<void> write_all(tcp_proxy& self, context ctx, link& of, queue& from, stream& to);

  loop& loop_;
  address to_;
  admission admission_ = admission::open;
  duration delay_{};
  event flowing_;
  figures figures_;
  std::unique_ptr<listener> listener_;
  std::vector<link*> links_;
  task_group connections_;  // last: its tasks use the rest
};

}  // namespace weft::system_tests
