// TCP and Unix sockets on the epoll loop.
#include "epoll_impl.hpp"
#include "shared_ports.hpp"

#include <weft/base/saturating.hpp>
#include <weft/runtime/sleep.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <system_error>

namespace weft {

errc code_of_errno(int number) noexcept {
  switch (number) {
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENOENT:
    case ENETDOWN:
      return errc::unavailable;
    case ETIMEDOUT:
      return errc::deadline_exceeded;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EAGAIN:
      return errc::resource_exhausted;
    case EADDRINUSE:
      return errc::already_exists;
    case EACCES:
    case EPERM:
      return errc::permission_denied;
    case EADDRNOTAVAIL:
    case EINVAL:
    case EAFNOSUPPORT:
      return errc::invalid_argument;
    default:
      return errc::unknown;
  }
}

std::unexpected<error> system_failure(int number, std::string_view operation) {
  return fail(error{code_of_errno(number), std::generic_category().message(number)}.with_operation(operation));
}

namespace {

struct socket_address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
};

constexpr std::size_t longest_unix_path = sizeof(sockaddr_un::sun_path) - 1;

// A path that the kernel would cut short, or an address of no kind.
result<> check_address(const address& a) {
  if (a.type() == address::kind::none) return fail(errc::invalid_argument, "no address is given");
  if (a.type() == address::kind::unix_path && (a.path().empty() || a.path().size() > longest_unix_path))
    return fail(errc::invalid_argument, "the path of a Unix socket has 1 to 107 bytes, not '" + a.path() + "'");
  return {};
}

socket_address to_socket_address(const address& a) {
  socket_address s;
  switch (a.type()) {
    case address::kind::ip4: {
      auto& in = reinterpret_cast<sockaddr_in&>(s.storage);
      in.sin_family = AF_INET;
      in.sin_port = htons(a.port());
      std::memcpy(&in.sin_addr, a.bytes().data(), 4);
      s.size = sizeof in;
      break;
    }
    case address::kind::ip6: {
      auto& in = reinterpret_cast<sockaddr_in6&>(s.storage);
      in.sin6_family = AF_INET6;
      in.sin6_port = htons(a.port());
      std::memcpy(&in.sin6_addr, a.bytes().data(), 16);
      s.size = sizeof in;
      break;
    }
    case address::kind::unix_path: {
      auto& un = reinterpret_cast<sockaddr_un&>(s.storage);
      un.sun_family = AF_UNIX;
      const auto length = std::min(a.path().size(), longest_unix_path);
      std::memcpy(un.sun_path, a.path().data(), length);
      s.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length + 1);
      break;
    }
    case address::kind::none:
      break;
  }
  return s;
}

address to_address(const socket_address& s) {
  switch (s.storage.ss_family) {
    case AF_INET: {
      const auto& in = reinterpret_cast<const sockaddr_in&>(s.storage);
      std::array<std::uint8_t, 4> bytes;
      std::memcpy(bytes.data(), &in.sin_addr, 4);
      return address::ip4(bytes, ntohs(in.sin_port));
    }
    case AF_INET6: {
      const auto& in = reinterpret_cast<const sockaddr_in6&>(s.storage);
      std::array<std::uint8_t, 16> bytes;
      std::memcpy(bytes.data(), &in.sin6_addr, 16);
      return address::ip6(bytes, ntohs(in.sin6_port));
    }
    case AF_UNIX: {
      const auto& un = reinterpret_cast<const sockaddr_un&>(s.storage);
      return address::unix_path(s.size > offsetof(sockaddr_un, sun_path) ? un.sun_path : "");
    }
    default:
      return {};
  }
}

address local_address(int descriptor) {
  socket_address s;
  s.size = sizeof s.storage;
  if (::getsockname(descriptor, s.get(), &s.size) != 0) return {};
  return to_address(s);
}

void send_at_once(int descriptor) {
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

class socket_stream final : public stream {
 public:
  socket_stream(epoll_loop& l, unique_descriptor socket, address local, address peer)
      : socket_{std::move(socket)}, registration_{l, socket_.get()} {
    info_.local = std::move(local);
    info_.peer = std::move(peer);
  }
  result<> add() { return registration_.add(); }

  io_result try_read(std::span<char> into) override {
    if (failed_ != 0 && !write_failed_) return {io_status::failed};
    if (!registration_.readable) return {io_status::blocked};
    const auto count = ::recv(socket_.get(), into.data(), into.size(), 0);
    if (count > 0) {
      // A short read has emptied the socket, and the next byte brings an edge; that saves the read that would block.
      if (static_cast<std::size_t>(count) < into.size() && !registration_.hung_up) registration_.readable = false;
      return {io_status::ok, static_cast<std::size_t>(count)};
    }
    if (count == 0 && write_failed_) return {io_status::failed};
    if (count == 0) return {into.empty() ? io_status::ok : io_status::end};
    if (errno == EINTR || errno == EAGAIN) {
      registration_.readable = errno == EINTR;
      return {io_status::blocked};
    }
    return failed(errno);
  }

  io_status peek() override {
    if (failed_ != 0 && !write_failed_) return io_status::failed;
    char byte = 0;
    for (;;) {
      const auto count = ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return io_status::blocked;
      registration_.readable = true;  // whatever the last turn's events said
      if (count > 0) return io_status::ok;
      if (count == 0) return write_failed_ ? io_status::failed : io_status::end;
      return failed(errno).status;
    }
  }

  io_result try_write(std::span<const const_buffer> buffers) override {
    if (failed_ != 0) return {io_status::failed};
    if (!registration_.writable) return {io_status::blocked};
    static_assert(sizeof(iovec) == sizeof(const_buffer) && offsetof(iovec, iov_len) == offsetof(const_buffer, size));
    ssize_t count = 0;
    if (buffers.size() == 1) {
      count = ::send(socket_.get(), buffers[0].data, buffers[0].size, MSG_NOSIGNAL);
    } else {
      msghdr message{};
      message.msg_iov = reinterpret_cast<iovec*>(const_cast<const_buffer*>(buffers.data()));
      message.msg_iovlen = std::min<std::size_t>(buffers.size(), 64);
      count = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    }
    if (count >= 0) return {io_status::ok, static_cast<std::size_t>(count)};
    if (errno == EINTR || errno == EAGAIN) {
      registration_.writable = errno == EINTR;
      return {io_status::blocked};
    }
    write_failed_ = true;  // and what the peer said before it left can still be read
    return failed(errno);
  }

  void wait(io_direction direction, io_waiter& waiter) override { registration_.wait(direction, waiter); }
  void cancel(io_direction direction, errc reason) override { registration_.cancel(direction, reason); }
  void shutdown_write() override { ::shutdown(socket_.get(), SHUT_WR); }
  void reset() override {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    write_failed_ = false;
    if (failed_ == 0) failed_ = ECONNABORTED;
    registration_.remove();
    socket_ = unique_descriptor{};
    registration_.happened(EPOLLHUP);
  }

  error failure() const override {
    return error{code_of_errno(failed_), std::generic_category().message(failed_)}.with_peer(info_.peer.to_string());
  }
  const stream_info& info() const override { return info_; }

 private:
  io_result failed(int number) noexcept {
    if (failed_ == 0) failed_ = number;
    return {io_status::failed};
  }

  unique_descriptor socket_;
  epoll_registration registration_;
  stream_info info_;
  int failed_ = 0;
  bool write_failed_ = false;
};

// A connect or an accept: the waiting is the same as for a read or a write.
class socket_readiness final : public io_waiter {
 public:
  socket_readiness(epoll_registration& r, io_direction direction) noexcept : registration_{r}, direction_{direction} {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> frame) noexcept {
    frame_ = frame;
    registration_.wait(direction_, *this);
  }
  result<> await_resume() const {
    if (interrupted()) return fail(reason(), "the wait was interrupted");
    return {};
  }
  void run() override { frame_.resume(); }

 private:
  epoll_registration& registration_;
  io_direction direction_;
  std::coroutine_handle<> frame_;
};

// accept() also reports what went wrong with the one connection that it would have returned; the next may be well.
bool connection_failed(int number) noexcept {
  switch (number) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

class socket_listener final : public listener {
 public:
  socket_listener(epoll_loop& l, unique_descriptor socket, address local, bool shared)
      : loop_{l},
        socket_{std::move(socket)},
        registration_{l, socket_.get()},
        local_{std::move(local)},
        shared_{shared} {}
  ~socket_listener() override { leave(); }
  result<> add() { return registration_.add(); }

  task<result<std::unique_ptr<stream>>> accept() override {
    for (;;) {
      if (closed_ && left_.empty()) co_return fail(errc::cancelled, "the listener was closed");
      auto accepted = closed_ ? take_left() : take();
      if (accepted.descriptor.get() >= 0) {
        const bool tcp = local_.type() != address::kind::unix_path;
        if (tcp) send_at_once(accepted.descriptor.get());
        auto local = tcp ? local_address(accepted.descriptor.get()) : local_;
        auto connection = std::make_unique<socket_stream>(loop_, std::move(accepted.descriptor), std::move(local),
                                                          to_address(accepted.from));
        WEFT_CO_TRY_VOID(connection->add());
        co_return connection;
      }
      if (errno == EAGAIN) {
        registration_.readable = false;
        const auto ready = co_await socket_readiness(registration_, io_direction::read);
        if (!ready && left_.empty()) co_return fail(ready.error());
      } else if (!connection_failed(errno)) {
        co_return system_failure(errno, "accepting a connection");
      }
    }
  }
  void close() override {
    if (std::exchange(closed_, true)) return;
    // The kernel would reset those that nobody has accepted.
    for (;;) {
      auto accepted = take();
      if (accepted.descriptor.get() >= 0)
        left_.push_back(std::move(accepted));
      else if (!connection_failed(errno))
        break;
    }
    registration_.cancel(io_direction::read, errc::cancelled);
    registration_.remove();
    leave();
  }
  const address& local() const override { return local_; }

 private:
  struct arrival {
    unique_descriptor descriptor;
    socket_address from;
  };
  // A negative descriptor and errno when there is none.
  arrival take() {
    arrival a;
    a.from.size = sizeof a.from.storage;
    a.descriptor =
        unique_descriptor{::accept4(socket_.get(), a.from.get(), &a.from.size, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    return a;
  }
  arrival take_left() {
    auto first = std::move(left_.front());
    left_.pop_front();
    return first;
  }
  void leave() {
    if (socket_.get() < 0) return;
    if (local_.type() == address::kind::unix_path) ::unlink(local_.path().c_str());
    socket_ = unique_descriptor{};
    if (shared_) detail::shared_ports::of_process().leave(local_);
  }

  epoll_loop& loop_;
  unique_descriptor socket_;
  epoll_registration registration_;
  address local_;
  bool shared_;
  std::deque<arrival> left_;  // connections that were waiting when it was closed
  bool closed_ = false;
};

int family_of(const address& a) {
  switch (a.type()) {
    case address::kind::ip6:
      return AF_INET6;
    case address::kind::unix_path:
      return AF_UNIX;
    default:
      return AF_INET;
  }
}

// A socket's file that no server answers on is left from a crash; one that answers is somebody's.
bool nobody_listens(socket_address where) {
  struct stat file{};
  const auto& un = reinterpret_cast<const sockaddr_un&>(where.storage);
  if (::stat(un.sun_path, &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
  const unique_descriptor probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  return ::connect(probe.get(), where.get(), where.size) != 0 && errno == ECONNREFUSED;
}

bool is_other_file(const address& at) {
  struct stat file{};
  return at.type() == address::kind::unix_path && ::stat(at.path().c_str(), &file) == 0 && !S_ISSOCK(file.st_mode);
}

std::unexpected<error> bind_failure(int number, const address& at) {
  auto problem = system_failure(number, "listening on " + at.to_string());
  if (number != EADDRINUSE) return problem;
  return fail(problem.error().with_remedy(is_other_file(at)
                                              ? "a file that is no socket is in the way: choose another path"
                                              : "another process listens there: stop it, or choose another address"));
}

// Binds and listens; gives the address that it got.
result<address> bind_and_listen(int socket, const address& at, const listen_options& options) {
  auto where = to_socket_address(at);
  if (::bind(socket, where.get(), where.size) != 0) return bind_failure(errno, at);
  const bool file = at.type() == address::kind::unix_path;
  if (file && ::chmod(at.path().c_str(), options.unix_mode) != 0)
    return system_failure(errno, "listening on " + at.to_string());
  if (::listen(socket, options.backlog) != 0) return bind_failure(errno, at);
  return file ? at : local_address(socket);
}

result<address> bind_shared(int socket, const address& at, const listen_options& options) {
  using detail::shared_ports;
  return shared_ports::of_process().open(at, [&](shared_ports::place place) -> result<address> {
    const int on = 1;
    const auto let_in = [&] { return ::setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0; };
    if (place == shared_ports::place::joins && !let_in()) return bind_failure(errno, at);
    WEFT_TRY(auto got, bind_and_listen(socket, at, options));
    // From here on others may join: those of this process do, and those of others bind alone and fail.
    if (place == shared_ports::place::first && !let_in()) return bind_failure(errno, at);
    return got;
  });
}

}  // namespace

result<std::unique_ptr<listener>> epoll_loop::listen(const address& at, listen_options options) {
  if (auto usable = check_address(at); !usable) return fail(usable.error().with_operation("listening"));
  unique_descriptor socket{::socket(family_of(at), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (socket.get() < 0) return system_failure(errno, "listening on " + at.to_string());
  const bool file = at.type() == address::kind::unix_path;
  if (file) {
    if (nobody_listens(to_socket_address(at))) ::unlink(at.path().c_str());
  } else {
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  }
  const bool shared = options.share_port && !file;
  WEFT_TRY(auto local, shared ? bind_shared(socket.get(), at, options) : bind_and_listen(socket.get(), at, options));
  auto made = std::make_unique<socket_listener>(*this, std::move(socket), std::move(local), shared);
  WEFT_TRY_VOID(made->add());
  return made;
}

task<result<std::unique_ptr<stream>>> epoll_loop::connect(context ctx, address to, connect_options options) {
  WEFT_CO_TRY_VOID(ctx.check(now()));
  const auto refused = [&to](int number) {
    return fail(error{code_of_errno(number), std::generic_category().message(number)}
                    .with_operation("connecting")
                    .with_peer(to.to_string()));
  };
  if (auto usable = check_address(to); !usable) co_return fail(usable.error().with_operation("connecting"));
  unique_descriptor socket{::socket(family_of(to), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (socket.get() < 0) co_return refused(errno);
  if (to.type() != address::kind::unix_path) {
    if (options.no_delay) send_at_once(socket.get());
    if (options.keep_alive > duration::zero()) {
      const int on = 1;
      constexpr std::int64_t longest = 32767;  // that Linux takes
      const auto idle = static_cast<int>(
          std::clamp<std::int64_t>(saturating_cast<std::chrono::seconds>(options.keep_alive).count(), 1, longest));
      ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
      ::setsockopt(socket.get(), IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    }
  }
  auto where = to_socket_address(to);
  const int raw = socket.get();
  const bool pending = ::connect(raw, where.get(), where.size) != 0;
  if (pending && errno != EINPROGRESS) co_return refused(errno);
  if (pending) {
    struct connecting final : timer_node, cancel_callback {
      explicit connecting(epoll_registration& r) : registration{r} {}
      void expire() override { registration.cancel(io_direction::write, errc::deadline_exceeded); }
      void cancelled(errc reason) override { registration.cancel(io_direction::write, reason); }
      epoll_registration& registration;
    };
    epoll_registration registration{*this, raw};
    registration.writable = false;
    WEFT_CO_TRY_VOID(registration.add());
    connecting guard{registration};
    arm(guard, ctx.deadline());
    guard.watch(ctx.cancellation());
    auto waited = co_await socket_readiness(registration, io_direction::write);
    if (!waited) co_return fail(waited.error().with_operation("connecting").with_peer(to.to_string()));
    int problem = 0;
    socklen_t size = sizeof problem;
    if (::getsockopt(raw, SOL_SOCKET, SO_ERROR, &problem, &size) != 0) problem = errno;
    if (problem != 0) co_return refused(problem);
  }
  auto finished = std::make_unique<socket_stream>(*this, std::move(socket), local_address(raw), to);
  WEFT_CO_TRY_VOID(finished->add());
  co_return finished;
}

}  // namespace weft
