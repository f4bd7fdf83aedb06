#pragma once
// weft beside Boost.Asio, for programs that have both. Header only: weft itself does not use Asio.
//
//     boost::asio::io_context io;
//     epoll_loop loop;
//     asio_guest guest{io, loop};            // the loop runs inside io.run()
//
//     // in a weft task:
//     auto [problem, n] = co_await socket.async_read_some(buffer, use_weft{loop});
//
// use_weft is a completion token like asio::use_awaitable: the operation starts when it is awaited, and its results
// come as a tuple, on the loop's thread. The asio object must outlive the operation; destroying a waiting task does not
// cancel the operation, it only drops its result.
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/from_callback.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weft {

// Runs a loop inside an io_context that one thread runs. io.run() does not return while a guest is there: stop() it, or
// destroy it, when the loop's work is done. From handlers of Asio, start work on the loop by loop.post().
class asio_guest {
 public:
  asio_guest(boost::asio::io_context& host, epoll_loop& guest) : state_{std::make_shared<state>(host, guest)} {
    boost::asio::post(host, [s = state_] { state::turn(s); });
  }
  asio_guest(const asio_guest&) = delete;
  asio_guest& operator=(const asio_guest&) = delete;
  ~asio_guest() { stop(); }

  // Also from inside the loop.
  void stop() {
    if (!std::exchange(state_->running, false)) return;
    state_->watched.cancel();
    state_->watched.release();  // the descriptor is the loop's
  }

 private:
  struct state {
    state(boost::asio::io_context& h, epoll_loop& l) : host{h}, guest{l}, watched{h, l.descriptor()} {}

    static void turn(const std::shared_ptr<state>& s) {
      if (!s->running) return;
      const bool more = s->guest.poll();
      if (!s->running) return;
      if (more)  // let the host's own handlers have their turn between ours
        boost::asio::post(s->host, [s] { turn(s); });
      else
        s->watched.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                              [s](const boost::system::error_code& problem) {
                                if (!problem) turn(s);
                              });
    }

    boost::asio::io_context& host;
    epoll_loop& guest;
    boost::asio::posix::stream_descriptor watched;
    bool running = true;
  };
  std::shared_ptr<state> state_;
};

struct use_weft {
  explicit use_weft(loop& l) noexcept : on{&l} {}
  loop* on;
};

}  // namespace weft

template <class Result, class... Values>
struct boost::asio::async_result<weft::use_weft, Result(Values...)> {
  template <class Initiation, class... Arguments>
  static auto initiate(Initiation&& initiation, weft::use_weft token, Arguments&&... arguments) {
    return weft::from_callback<std::decay_t<Values>...>(
        *token.on,
        [start = std::forward<Initiation>(initiation),
         pack = std::tuple<std::decay_t<Arguments>...>{std::forward<Arguments>(arguments)...}](auto done) mutable {
          std::apply([&](auto&... each) { std::move(start)(std::move(done), std::move(each)...); }, pack);
        });
  }
};
