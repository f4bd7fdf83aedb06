#pragma once
// The simulated network: links, connections, and what happens to segments.
#include "connection.hpp"
#include "event_queue.hpp"

#include <weft/runtime/rng.hpp>

#include <deque>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace weft::testkit {

class core;

class network {
 public:
  network(core& c, std::uint64_t seed, const network_options& options);
  ~network();

  void add_machine();  // the next id
  [[nodiscard]] link& between(std::size_t from, std::size_t to) { return links_[from][to]; }
  void configure(link& l, const link_options& options);
  void slow(link& l, const link_options& options);
  void cut(link& l) noexcept;
  void heal();  // cuts and slowed links

  // Makes a connection and sends its first segment.
  connection& open(machine& from, machine& to, address local, const address& target);

  // What streams do. `end` is the caller's.
  [[nodiscard]] io_status peek(const connection& c, int end) const noexcept;
  io_result read(connection& c, int end, std::span<char> into);
  io_result write(connection& c, int end, std::span<const const_buffer> buffers);
  void finish(connection& c, int end);
  void close(connection& c, int end);  // orderly, unless something was left unread
  void abort(connection& c, int end);  // by a reset
  [[nodiscard]] bool readable(const connection& c, int end) const noexcept;
  [[nodiscard]] bool writable(const connection& c, int end) const noexcept;
  void release(connection& c) noexcept;

  // Every connection of the machine vanishes, and nobody is told.
  void lose_all(const machine& m);
  void reset_between(const machine& a, const machine& b);
  [[nodiscard]] std::size_t open_connections() const noexcept;

  // Events.
  void deliver(connection& c, std::uint64_t data);
  void retransmit(connection& c, int i);
  void window(connection& c, int i);
  void reset_arrived(connection& c, int end);

  [[nodiscard]] const network_options& options() const noexcept { return options_; }

 private:
  connection& make();
  void grow(pipe& p, std::uint64_t needed);
  void send(connection& c, int i);
  void send_over_bad_link(connection& c, int i, link& l);
  void put_on_the_way(connection& c, int i, std::uint64_t end, std::int64_t arrival);
  [[nodiscard]] std::int64_t travel(const link& l) noexcept;
  void stall(connection& c, int i);
  void lost_on_the_way(connection& c, int i);
  void arrived_first(connection& c);
  void confirmed(connection& c);
  void reset_to(connection& c, int end);
  void send_window(connection& c, int i);
  void fail(connection& c, int end, errc code, const char* reason);
  void wake(connection_end& e, io_waiter*& slot) noexcept;
  void push(std::int64_t time, event_kind kind, connection& c, std::uint64_t data);
  [[nodiscard]] std::int64_t retry_after(const pipe& p) const noexcept;
  void trace(const connection& c, int end, std::string_view what, std::uint64_t bytes);

  core& core_;
  network_options options_;
  rng random_;
  std::vector<std::deque<link>> links_;  // a deque, so that pipes may point to links while hosts are added
  std::vector<std::unique_ptr<connection>> connections_;
  std::vector<connection*> unused_;
  std::vector<std::pair<std::uint32_t, char*>> rings_;  // unused, of the smallest size
  std::uint32_t next_number_ = 1;
};

}  // namespace weft::testkit
