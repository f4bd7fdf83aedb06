#include "simulated_stream.hpp"

#include "core.hpp"

#include <algorithm>
#include <utility>

namespace weft::testkit {

simulated_stream::simulated_stream(machine& m, connection& c, int end)
    : machine_{m}, net_{m.owner().net}, connection_{c}, end_{end} {
  c.ends[end].owner = this;
  info_.local = c.ends[end].local;
  info_.peer = end == 0 ? c.target : c.ends[0].local;
}

simulated_stream::~simulated_stream() {
  net_.close(connection_, end_);
  net_.release(connection_);
}

io_result simulated_stream::try_read(std::span<char> into) { return net_.read(connection_, end_, into); }
io_status simulated_stream::peek() { return net_.peek(connection_, end_); }
io_result simulated_stream::try_write(std::span<const const_buffer> buffers) {
  return net_.write(connection_, end_, buffers);
}

void simulated_stream::wait(io_direction direction, io_waiter& waiter) {
  auto& e = connection_.ends[end_];
  if (direction == io_direction::read) {
    if (net_.readable(connection_, end_)) return machine_.schedule(waiter);
    waiter.attach(e.reader);
  } else {
    if (net_.writable(connection_, end_)) return machine_.schedule(waiter);
    waiter.attach(e.writer);
  }
}

void simulated_stream::cancel(io_direction direction, errc reason) {
  auto& e = connection_.ends[end_];
  auto* waiter = direction == io_direction::read ? e.reader : e.writer;
  if (waiter == nullptr) return;
  waiter->interrupt(reason);
  waiter->detach();
  machine_.schedule(*waiter);
}

void simulated_stream::shutdown_write() { net_.finish(connection_, end_); }
void simulated_stream::reset() { net_.abort(connection_, end_); }

error simulated_stream::failure() const {
  const auto& e = connection_.ends[end_];
  return error{e.failure, e.reason}.with_peer(info_.peer.to_string());
}

simulated_listener::simulated_listener(machine& m, address local, const listen_options& options)
    : machine_{m},
      local_{std::move(local)},
      backlog_{static_cast<std::size_t>(std::max(1, options.backlog))},
      shares_{options.share_port} {}

void simulated_listener::add(connection& c) {
  waiting_.push_back(&c);
  if (acceptor_ == nullptr) return;
  auto* waiter = acceptor_;
  waiter->detach();
  machine_.schedule(*waiter);
}

simulated_listener::~simulated_listener() {
  close();
  auto& net = machine_.owner().net;
  for (auto* c : std::exchange(waiting_, {})) {
    net.abort(*c, 1);
    net.release(*c);
  }
}

void simulated_listener::close() {
  if (std::exchange(closed_, true)) return;
  machine_.forget(*this);
  if (auto* waiter = acceptor_; waiter != nullptr) {
    waiter->interrupt(errc::cancelled);
    waiter->detach();
    machine_.schedule(*waiter);
  }
}

namespace {
class arrival final : public io_waiter {
 public:
  explicit arrival(io_waiter*& slot) noexcept : slot_{slot} {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> frame) noexcept {
    frame_ = frame;
    attach(slot_);
  }
  void await_resume() const noexcept {}
  void run() override { frame_.resume(); }

 private:
  io_waiter*& slot_;
  std::coroutine_handle<> frame_;
};
}  // namespace

task<result<std::unique_ptr<stream>>> simulated_listener::accept() {
  while (waiting_.empty()) {
    if (closed_) co_return weft::fail(errc::cancelled, "the listener was closed");
    co_await arrival(acceptor_);
  }
  auto& c = *waiting_.front();
  waiting_.pop_front();
  auto& owner = machine_.owner();
  if (owner.on(trace_level::connections))
    owner.trace(machine_.name(), {"accept c", std::to_string(c.number), " from ", c.ends[0].local.to_string()});
  co_return std::make_unique<simulated_stream>(machine_, c, 1);
}

}  // namespace weft::testkit
