#pragma once
// What the tests of server, client and proxies share: a peer that speaks in bytes, and reads answers with a parser of
// its own, and macros for tests that are coroutines, in the simulator's virtual time and over real sockets.
#include <weft/http/server.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/testkit/run.hpp>

#include <gtest/gtest.h>

#include <charconv>
#include <map>

// VIRTUAL_TEST(Suite, Name) { co_await ...; }: runs in virtual time; `l` is the loop.
#define VIRTUAL_TEST(suite, name)                                                  \
  static task<void> suite##_##name(loop& l);                                       \
  TEST(suite, name) {                                                              \
    testkit::run([](loop& virtual_loop) { return suite##_##name(virtual_loop); }); \
  }                                                                                \
  static task<void> suite##_##name([[maybe_unused]] loop& l)
// The same, and once more over real sockets.
#define HTTP_TEST(suite, name)                                                     \
  static task<void> suite##_##name(loop& l);                                       \
  TEST(suite, name) {                                                              \
    testkit::run([](loop& virtual_loop) { return suite##_##name(virtual_loop); }); \
  }                                                                                \
  TEST(suite##OnSockets, name) {                                                   \
    epoll_loop real_loop;                                                          \
    real_loop.run(suite##_##name(real_loop));                                      \
  }                                                                                \
  static task<void> suite##_##name([[maybe_unused]] loop& l)
#define SOCKET_TEST(suite, name)              \
  static task<void> suite##_##name(loop& l);  \
  TEST(suite, name) {                         \
    epoll_loop real_loop;                     \
    real_loop.run(suite##_##name(real_loop)); \
  }                                           \
  static task<void> suite##_##name([[maybe_unused]] loop& l)

namespace weft::http {

using namespace std::chrono_literals;

struct answer {
  int status = 0;  // 0: none came
  std::string head, content, trailers;
  bool whole = false;  // framed by length or chunks, and complete
  [[nodiscard]] std::string field(std::string_view name) const {
    std::size_t at = 0;
    while ((at = head.find("\r\n", at)) != std::string::npos) {
      at += 2;
      const auto colon = head.find(':', at);
      if (colon != std::string::npos && equal_ignoring_case(std::string_view{head}.substr(at, colon - at), name)) {
        const auto end = head.find("\r\n", colon);
        auto value = head.substr(colon + 1, end - colon - 1);
        return value.starts_with(' ') ? value.substr(1) : value;
      }
    }
    return {};
  }
};

enum class ending : std::uint8_t { open, end, reset };

// A peer in bytes.
class wire {
 public:
  explicit wire(std::unique_ptr<stream> s) : stream_{std::move(s)} {}

  task<result<>> send(std::string text) {
    const_buffer all{text};
    co_return co_await stream_->write({&all, 1});
  }
  // One more read; false at the end of the stream, whichever it is.
  task<bool> more() {
    if (ended_ != ending::open) co_return false;
    char room[16 * 1024];
    const auto got = co_await stream_->read(room);
    if (got && *got > 0) {
      received_.append(room, *got);
      co_return true;
    }
    if (!got && got.error().code() == errc::deadline_exceeded) co_return false;
    ended_ = got ? ending::end : ending::reset;
    co_return false;
  }
  task<std::string> until(std::string_view mark) {
    std::size_t at = 0;
    while ((at = received_.find(mark)) == std::string::npos)
      if (!co_await more()) co_return take(received_.size());
    co_return take(at + mark.size());
  }
  task<std::string> rest() {
    while (co_await more()) {
    }
    co_return take(received_.size());
  }
  // The next answer; its content by length, chunks or the end of the connection.
  task<answer> read_answer(method asked = method::get) {
    answer a;
    a.head = co_await until("\r\n\r\n");
    if (!a.head.ends_with("\r\n\r\n") || !a.head.starts_with("HTTP/1.1 ")) co_return a;
    a.status = number(std::string_view{a.head}.substr(9, 3), 10);
    if (asked == method::head || a.status < 200 || a.status == 204 || a.status == 304) {
      a.whole = true;
    } else if (a.field("transfer-encoding") == "chunked") {
      co_await read_chunks(a);
    } else if (const auto length = a.field("content-length"); !length.empty()) {
      const auto size = static_cast<std::size_t>(number(length, 10));
      while (received_.size() < size && co_await more()) {
      }
      a.whole = received_.size() >= size;
      a.content = take(std::min(size, received_.size()));
    } else {
      a.content = co_await rest();
    }
    co_return a;
  }
  // How the connection is: waits for `patience` to see it end.
  task<ending> state(loop& l, duration patience = 0s) {
    const interrupt_on_end guard{l, context{}.with_timeout(l, patience), *stream_};
    while (co_await more()) {
    }
    co_return ended_;
  }
  void half_close() { stream_->shutdown_write(); }
  void reset() { stream_->reset(); }
  void close() { stream_.reset(); }
  [[nodiscard]] stream& raw() noexcept { return *stream_; }
  [[nodiscard]] const std::string& unread() const noexcept { return received_; }

 private:
  static int number(std::string_view text, int base) {
    int value = -1;
    std::from_chars(text.data(), text.data() + text.size(), value, base);
    return value;
  }
  std::string take(std::size_t size) {
    auto taken = received_.substr(0, size);
    received_.erase(0, size);
    return taken;
  }
  task<void> read_chunks(answer& a) {
    for (;;) {
      const auto line = co_await until("\r\n");
      if (!line.ends_with("\r\n")) co_return;
      const auto size = static_cast<std::size_t>(number(line, 16));
      if (size == 0) break;
      while (received_.size() < size + 2 && co_await more()) {
      }
      if (received_.size() < size + 2) {
        a.content += take(received_.size());
        co_return;
      }
      a.content += take(size);
      EXPECT_EQ(take(2), "\r\n");
    }
    for (;;) {
      const auto line = co_await until("\r\n");
      if (!line.ends_with("\r\n")) co_return;
      if (line == "\r\n") break;
      a.trailers += line;
    }
    a.whole = true;
  }

  std::unique_ptr<stream> stream_;
  std::string received_;
  ending ended_ = ending::open;
};

// A server on a free port, and connections to it.
struct served {
  served(loop& l, handler h, server_options options = {}) : home{l}, server{l, std::move(h), std::move(options)} {
    const auto listening = server.listen(address::loopback(0));
    EXPECT_TRUE(listening.has_value()) << listening.error().describe();
  }
  task<wire> connect() {
    auto s = co_await home.connect({}, server.local());
    if (!s) throw std::runtime_error{s.error().describe()};
    co_return wire{*std::move(s)};
  }
  // One request on a connection of its own, and all that comes back.
  task<std::string> say(std::string text) {
    auto w = co_await connect();
    static_cast<void>(co_await w.send(std::move(text)));
    co_return co_await w.rest();
  }
  loop& home;
  http::server server;
};

// Lets other tasks and the network have their turns.
inline task<void> settle(loop& l, duration time = 20ms) { static_cast<void>(co_await sleep(l, {}, time)); }

inline std::string get(std::string_view path, std::string_view fields = "") {
  return "GET " + std::string{path} + " HTTP/1.1\r\nHost: h\r\n" + std::string{fields} + "\r\n";
}
inline std::string post(std::string_view path, std::string_view content, std::string_view fields = "") {
  return "POST " + std::string{path} + " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(content.size()) +
         "\r\n" + std::string{fields} + "\r\n" + std::string{content};
}

}  // namespace weft::http
