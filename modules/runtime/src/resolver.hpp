#pragma once
// Names to addresses by c-ares, on the epoll loop: its sockets are registrations, its time-outs a timer.
#include <weft/runtime/epoll_loop.hpp>

#include <map>
#include <memory>

struct ares_channeldata;

namespace weft {

class resolver {
 public:
  resolver(epoll_loop& l, const epoll_loop_options& options);  // throws std::runtime_error on a wrong server list
  ~resolver();

  task<result<std::vector<address>>> resolve(context ctx, std::string host, std::uint16_t port);
  task<result<std::vector<dns_record>>> query(context ctx, std::string name, dns_type type);

 private:
  struct socket_watch;
  struct clock;
  void socket_changed(int descriptor, bool readable, bool writable);
  void process(int readable, int writable);
  void rearm();

  epoll_loop& loop_;
  ares_channeldata* channel_ = nullptr;
  std::map<int, std::unique_ptr<socket_watch>> sockets_;
  std::vector<std::unique_ptr<socket_watch>> closed_;  // kept until the call into c-ares that closed them returns
  std::unique_ptr<clock> clock_;
};

}  // namespace weft
