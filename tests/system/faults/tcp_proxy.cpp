#include "tcp_proxy.hpp"

#include <weft/runtime/sleep.hpp>

#include <algorithm>

namespace weft::system_tests {

namespace {

constexpr std::size_t piece_bytes = 64UL * 1024, pieces_held = 64;

}  // namespace

// One connection: both of its ends, and what ends its four tasks.
struct tcp_proxy::link {
  link(loop& l, stream& c, stream& s) : client{c}, server{s}, tasks{l} {}
  void reset() {
    client.reset();
    server.reset();
    client.cancel(errc::cancelled);
    server.cancel(errc::cancelled);
    tasks.cancel();
  }
  stream &client, &server;
  task_group tasks;
};

result<> tcp_proxy::listen(const address& at) {
  WEFT_TRY(listener_, loop_.listen(at));
  connections_.spawn(accept_all(*this, connections_.derive({})));
  return {};
}

std::size_t tcp_proxy::cut() {
  const auto all = links_;
  for (auto* each : all) each->reset();
  figures_.cut += all.size();
  return all.size();
}

void tcp_proxy::set_traffic(traffic how) noexcept {
  if (how == traffic::flowing)
    flowing_.set();
  else
    flowing_.reset();
}

task<void> tcp_proxy::stop() {
  if (listener_ != nullptr) listener_->close();
  connections_.cancel();
  while (!connections_.empty()) {  // one that is being connected gets its link later
    cut();
    co_await yield(loop_);
  }
}

task<void> tcp_proxy::accept_all(tcp_proxy& self, context ctx) {
  for (;;) {
    auto arrived = co_await self.listener_->accept();
    if (!arrived) {
      if (arrived.error().code() != errc::resource_exhausted) co_return;
      if (!co_await sleep(self.loop_, ctx, std::chrono::milliseconds{10})) co_return;
      continue;
    }
    if (self.admission_ == admission::refused) {
      ++self.figures_.refused;
      (*arrived)->reset();
      continue;
    }
    ++self.figures_.accepted;
    self.connections_.spawn(serve(self, ctx, *std::move(arrived)));
  }
}

task<void> tcp_proxy::serve(tcp_proxy& self, context ctx, std::unique_ptr<stream> client) {
  auto server = co_await self.loop_.connect(ctx.with_timeout(self.loop_, std::chrono::seconds{10}), self.to_);
  if (!server) co_return client->reset();
  link between{self.loop_, *client, **server};
  queue to_server{self.loop_, pieces_held}, to_client{self.loop_, pieces_held};
  self.links_.push_back(&between);
  const auto life = between.tasks.derive(ctx);
  between.tasks.spawn(read_all(self, life, *client, to_server));
  between.tasks.spawn(write_all(self, life, between, to_server, **server));
  between.tasks.spawn(read_all(self, life, **server, to_client));
  between.tasks.spawn(write_all(self, life, between, to_client, *client));
  co_await between.tasks.join();
  std::erase(self.links_, &between);
}

// An end and a failure are passed on like bytes, after those that came before.
task<void> tcp_proxy::read_all(tcp_proxy& self, context ctx, stream& from, queue& into) {
  std::vector<char> buffer(piece_bytes);
  for (;;) {
    const auto count = co_await from.read(buffer);
    piece next{.due = self.loop_.now() + self.delay_};
    if (!count)
      next.what = piece::kind::failure;
    else if (*count == 0)
      next.what = piece::kind::end;
    else
      next.bytes.assign(buffer.data(), *count);
    const bool last = next.what != piece::kind::bytes;
    if (!co_await into.push(ctx, std::move(next)) || last) co_return;
  }
}

task<void> tcp_proxy::write_all(tcp_proxy& self, context ctx, link& of, queue& from, stream& to) {
  for (;;) {
    auto next = co_await from.pop(ctx);
    if (!next) co_return;
    const auto& [due, what, bytes] = **next;
    if (due > self.loop_.now() && !co_await sleep(self.loop_, ctx, due - self.loop_.now())) co_return;
    if (!co_await self.flowing_.wait(ctx)) co_return;
    if (what == piece::kind::failure) co_return of.reset();
    if (what == piece::kind::end) co_return to.shutdown_write();
    const_buffer all{bytes};
    if (!co_await to.write({&all, 1})) co_return of.reset();
    self.figures_.bytes += bytes.size();
  }
}

}  // namespace weft::system_tests
