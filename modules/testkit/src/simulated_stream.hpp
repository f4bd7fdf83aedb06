#pragma once
// The stream and the listener that programs see of the simulated network.
#include "connection.hpp"

#include <deque>
#include <memory>

namespace weft::testkit {

class core;
class machine;
class network;

class simulated_stream final : public stream {
 public:
  simulated_stream(machine& m, connection& c, int end);  // takes over one reference
  ~simulated_stream() override;

  io_result try_read(std::span<char> into) override;
  [[nodiscard]] io_status peek() override;
  io_result try_write(std::span<const const_buffer> buffers) override;
  void wait(io_direction direction, io_waiter& waiter) override;
  void cancel(io_direction direction, errc reason) override;
  void shutdown_write() override;
  void reset() override;
  [[nodiscard]] error failure() const override;
  [[nodiscard]] const stream_info& info() const override { return info_; }
  [[nodiscard]] bool failed() const noexcept { return connection_.ends[end_].state != end_state::open; }

 private:
  machine& machine_;
  network& net_;
  connection& connection_;
  int end_;
  stream_info info_;
};

class simulated_listener final : public listener {
 public:
  simulated_listener(machine& m, address local, const listen_options& options);
  ~simulated_listener() override;

  task<result<std::unique_ptr<stream>>> accept() override;
  void close() override;
  [[nodiscard]] const address& local() const override { return local_; }

  [[nodiscard]] bool full() const noexcept { return waiting_.size() >= backlog_; }
  [[nodiscard]] bool shares_port() const noexcept { return shares_; }
  void add(connection& c);  // one that is established, with a reference

 private:
  machine& machine_;
  address local_;
  std::size_t backlog_;
  bool shares_, closed_ = false;
  std::deque<connection*> waiting_;
  io_waiter* acceptor_ = nullptr;
};

}  // namespace weft::testkit
