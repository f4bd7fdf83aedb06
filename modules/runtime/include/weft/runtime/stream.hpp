#pragma once
// A two-way stream of bytes and a listener for them, whatever carries it: TCP, a Unix socket, TLS over either, or the
// simulator's network. One interface, two layers: the try_* calls never wait and allocate nothing; the awaitables on
// top suspend until the stream is ready.
//
//     auto n = co_await s.read(buffer);            // result<size_t>; 0 at the end of the stream
//     co_await s.write(buffers);                   // all of it, or an error
//
// A stream belongs to the thread of its loop. At most one read and one write wait at a time. Destroying it closes it,
// once no read or write waits. After a failure every call fails with the same code; only after a failed write to a
// socket do reads first give what had arrived, such as the answer of a server that did not want the rest of a request.
#include <weft/base/error.hpp>
#include <weft/runtime/address.hpp>
#include <weft/runtime/ready.hpp>
#include <weft/runtime/task.hpp>

#include <coroutine>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

struct const_buffer {
  const void* data = nullptr;
  std::size_t size = 0;
  const_buffer() = default;
  const_buffer(const void* d, std::size_t n) noexcept : data{d}, size{n} {}
  const_buffer(std::string_view text) noexcept : data{text.data()}, size{text.size()} {}    // NOLINT: a view of it
  const_buffer(const std::string& text) noexcept : data{text.data()}, size{text.size()} {}  // NOLINT
};

enum class io_status : std::uint8_t {
  ok,       // `bytes` were moved, at least one (unless none were asked for)
  blocked,  // nothing now: wait
  end,      // reading: the peer will send no more
  failed,   // see failure()
};
struct io_result {
  io_status status = io_status::blocked;
  std::size_t bytes = 0;
  // Writing: the stream itself (TLS) still holds some of what it took. It passes it on by itself while it lives; to
  // close without losing it, write again, if need be nothing, until it is not so. write() does.
  bool held = false;
};

enum class io_direction : std::uint8_t { read, write };

// Waits for a stream or a descriptor; the loop runs it when the direction may be ready, or when it was interrupted.
// Destroying it takes it out.
class io_waiter : public ready_node {
 public:
  // For implementations of stream: registers at the place that points to the waiter while it waits.
  void attach(io_waiter*& slot) noexcept {
    WEFT_ASSERT(slot == nullptr, "two operations wait for the same direction of a stream");
    slot_ = &slot;
    slot = this;
  }
  void detach() noexcept {
    if (slot_ != nullptr) *slot_ = nullptr;
    slot_ = nullptr;
  }
  // Called before the loop schedules it, when the wait was cut short by cancel().
  void interrupt(errc reason) noexcept {
    interrupted_ = true;
    reason_ = reason;
  }

 protected:
  io_waiter() = default;
  ~io_waiter() { detach(); }
  [[nodiscard]] bool interrupted() const noexcept { return interrupted_; }
  [[nodiscard]] errc reason() const noexcept { return reason_; }

 private:
  io_waiter** slot_ = nullptr;
  bool interrupted_ = false;
  errc reason_ = errc::cancelled;
};

// Who is at the other end.
struct stream_info {
  address local, peer;
  bool encrypted = false;
  std::string protocol;                  // what ALPN chose: "http/1.1", "h2"; empty without TLS
  std::string server_name;               // what the client asked for by SNI
  std::string peer_certificate_subject;  // of a verified client or server certificate
  std::vector<std::string> peer_names;   // its DNS and URI names
};

class stream {
 public:
  virtual ~stream() = default;
  stream(const stream&) = delete;
  stream& operator=(const stream&) = delete;

  virtual io_result try_read(std::span<char> into) = 0;
  // What a read would meet now; takes nothing. try_read() may say blocked on the word of the loop's last turn, so what
  // arrived since is not seen; this asks the kernel. Before a connection is used for a new question it must be blocked:
  // what is there already answers nothing that is asked now.
  [[nodiscard]] virtual io_status peek() = 0;
  // Writes from the front of `buffers`; how much is in the result, which may end inside a buffer.
  virtual io_result try_write(std::span<const const_buffer> buffers) = 0;
  // Schedules the waiter when the direction may have become ready (or has failed), once.
  virtual void wait(io_direction direction, io_waiter& waiter) = 0;

  // Wakes what waits in the direction with `reason`; the stream stays usable. Nothing happens when nothing waits.
  virtual void cancel(io_direction direction, errc reason) = 0;
  void cancel(errc reason) {
    cancel(io_direction::read, reason);
    cancel(io_direction::write, reason);
  }
  // No more will be written: the peer reads to the end. Over TLS, close_notify.
  virtual void shutdown_write() = 0;
  // Gives up at once: the peer sees a reset rather than an orderly end.
  virtual void reset() = 0;

  [[nodiscard]] virtual error failure() const = 0;
  [[nodiscard]] virtual const stream_info& info() const = 0;

  class read_operation;
  class write_operation;
  // At least one byte into `into`; 0 at the end.
  [[nodiscard]] read_operation read(std::span<char> into) noexcept;
  // All of `buffers`, which is used as scratch space and must live until the operation ends.
  [[nodiscard]] write_operation write(std::span<const_buffer> buffers) noexcept;

 protected:
  stream() = default;
};

class stream::read_operation final : public io_waiter {
 public:
  read_operation(stream& s, std::span<char> into) noexcept : stream_{s}, into_{into} {}
  bool await_ready() {
    outcome_ = stream_.try_read(into_);
    return outcome_.status != io_status::blocked;
  }
  void await_suspend(std::coroutine_handle<> frame) {
    frame_ = frame;
    stream_.wait(io_direction::read, *this);
  }
  WEFT_NODISCARD_RESULT result<std::size_t> await_resume() {
    switch (outcome_.status) {
      case io_status::ok:
        return outcome_.bytes;
      case io_status::end:
        return std::size_t{0};
      case io_status::failed:
        return fail(stream_.failure());
      case io_status::blocked:
        break;
    }
    return fail(reason(), "the read was interrupted");
  }
  void run() override {
    if (interrupted() || await_ready())
      frame_.resume();
    else
      stream_.wait(io_direction::read, *this);
  }

 private:
  stream& stream_;
  std::span<char> into_;
  io_result outcome_;
  std::coroutine_handle<> frame_;
};

class stream::write_operation final : public io_waiter {
 public:
  write_operation(stream& s, std::span<const_buffer> buffers) noexcept : stream_{s}, rest_{buffers} {}
  bool await_ready() {
    for (;;) {
      while (!rest_.empty() && rest_.front().size == 0) rest_ = rest_.subspan(1);
      if (rest_.empty() && !outcome_.held) return outcome_.status = io_status::ok, true;
      outcome_ = stream_.try_write(rest_);
      if (outcome_.status != io_status::ok) return outcome_.status != io_status::blocked;
      advance(outcome_.bytes);
    }
  }
  void await_suspend(std::coroutine_handle<> frame) {
    frame_ = frame;
    stream_.wait(io_direction::write, *this);
  }
  WEFT_NODISCARD_RESULT result<> await_resume() {
    if (outcome_.status == io_status::ok) return {};
    if (outcome_.status == io_status::blocked) return fail(reason(), "the write was interrupted");
    return fail(stream_.failure());
  }
  void run() override {
    if (interrupted() || await_ready())
      frame_.resume();
    else
      stream_.wait(io_direction::write, *this);
  }

 private:
  void advance(std::size_t bytes) noexcept {
    while (bytes > 0) {
      auto& front = rest_.front();
      if (bytes < front.size) {
        front.data = static_cast<const char*>(front.data) + bytes;
        front.size -= bytes;
        return;
      }
      bytes -= front.size;
      rest_ = rest_.subspan(1);
    }
  }

  stream& stream_;
  std::span<const_buffer> rest_;
  io_result outcome_;
  std::coroutine_handle<> frame_;
};

inline stream::read_operation stream::read(std::span<char> into) noexcept { return {*this, into}; }
inline stream::write_operation stream::write(std::span<const_buffer> buffers) noexcept { return {*this, buffers}; }

// Takes connections. Destroying it stops listening; connections already accepted stay.
class listener {
 public:
  virtual ~listener() = default;
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;

  // The next connection. errc::cancelled after close(), once those that were established by then have been taken: their
  // peers may have sent something already. errc::resource_exhausted when the process is out of descriptors, after which
  // accepting may go on.
  virtual task<result<std::unique_ptr<stream>>> accept() = 0;
  virtual void close() = 0;
  [[nodiscard]] virtual const address& local() const = 0;

 protected:
  listener() = default;
};

}  // namespace weft
