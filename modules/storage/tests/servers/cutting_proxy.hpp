#pragma once
// A proxy on the way to a server that loses a connection where a test wants it to: when the client has sent a certain
// text, and the server has begun to answer. Or that swallows everything.
// weft-style: allow thread in this file: the peer under test goes on while the loop is held up
// weft-style: allow socket in this file: it stands for a network that misbehaves
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace weft::storage {

class cutting_proxy {
 public:
  explicit cutting_proxy(std::uint16_t server_port) : server_port_{server_port} {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto at = loopback(0);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at);
    ::listen(listener_, 128);
    socklen_t size = sizeof at;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    acceptor_ = std::thread{[this] { accept_all(); }};
  }
  cutting_proxy(const cutting_proxy&) = delete;
  cutting_proxy& operator=(const cutting_proxy&) = delete;
  ~cutting_proxy() {
    ended_ = true;
    acceptor_.join();
    for (auto& each : pairs_) each.join();
    ::close(listener_);
  }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] unsigned connections() const noexcept { return connections_; }
  [[nodiscard]] unsigned cuts() const noexcept { return cuts_; }
  // Once the client has sent this the server's answer is lost, and then the connection. Each time.
  void cut_after(std::string text) {
    const std::lock_guard lock{mutex_};
    cut_after_ = std::move(text);
  }
  // From now on nothing passes in either direction, and new connections stay without an answer.
  void swallow() noexcept { swallows_ = true; }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(port);
    return at;
  }
  void accept_all() {
    while (!ended_) {
      pollfd ready{.fd = listener_, .events = POLLIN, .revents = 0};
      if (::poll(&ready, 1, 20) <= 0) continue;
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      ++connections_;
      pairs_.emplace_back([this, client] { carry(client); });
    }
  }
  [[nodiscard]] bool met(std::string_view sent) {
    const std::lock_guard lock{mutex_};
    return !cut_after_.empty() && sent.contains(cut_after_);
  }
  void carry(int client) {
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto at = loopback(server_port_);
    ::connect(server, reinterpret_cast<sockaddr*>(&at), sizeof at);
    std::string sent;
    bool cut = false, lost_some = false;
    std::array<char, 65536> room{};
    while (!ended_) {
      std::array<pollfd, 2> ready{
          {{.fd = client, .events = POLLIN, .revents = 0}, {.fd = server, .events = POLLIN, .revents = 0}}};
      if (::poll(ready.data(), ready.size(), 20) <= 0) {
        if (!lost_some) continue;
        ++cuts_;  // the server has said what it had to
        break;
      }
      if (swallows_) {
        std::this_thread::yield();
        continue;
      }
      if (ready[0].revents != 0) {
        const auto got = ::recv(client, room.data(), room.size(), 0);
        if (got <= 0) break;
        sent.append(room.data(), static_cast<std::size_t>(got));
        cut = cut || met(sent);
        if (sent.size() > 4096) sent.erase(0, sent.size() - 1024);
        ::send(server, room.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
      }
      if (ready[1].revents != 0) {
        const auto got = ::recv(server, room.data(), room.size(), 0);
        if (got <= 0) break;
        lost_some = lost_some || cut;
        if (!cut) ::send(client, room.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
      }
    }
    ::close(client);
    ::close(server);
  }

  std::uint16_t server_port_, port_ = 0;
  int listener_ = -1;
  std::atomic<bool> ended_ = false, swallows_ = false;
  std::atomic<unsigned> connections_ = 0, cuts_ = 0;
  std::mutex mutex_;
  std::string cut_after_;
  std::thread acceptor_;
  std::vector<std::thread> pairs_;
};

}  // namespace weft::storage
