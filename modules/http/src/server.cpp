#include <weft/http/server.hpp>

#include <weft/base/saturating.hpp>
#include <weft/runtime/guarded.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/sync.hpp>

#include "server_connection.hpp"

#include <vector>

namespace weft::http {

namespace {
constexpr std::size_t lingering_piece_bytes = 16 * 1024;
}  // namespace

struct server::impl {
  impl(loop& l, handler h, server_options o) : core{l, std::move(h), std::move(o)}, accepting{l} {}

  task<void> accept_from(listener& from);
  task<void> run(std::unique_ptr<stream> connection);
  task<void> turn_away(std::unique_ptr<stream> connection);
  [[nodiscard]] bool is_counted(const address& peer) const;
  [[nodiscard]] bool has_room_for(const address& peer);
  void problem(std::string_view what) const;

  // Before the core, whose connections are counted here until they end.
  address_counts peers;       // only kept when connections per peer are limited
  std::size_t lingering = 0;  // refused connections whose answer is on its way
  server_core core;
  std::vector<std::unique_ptr<listener>> listeners;
  task_group accepting;
};

server::server(loop& l, handler h, server_options options)
    : impl_{std::make_unique<impl>(l, std::move(h), std::move(options))} {}
server::~server() = default;

result<> server::listen(const address& at, listen_options options) {
  auto made = impl_->core.home.listen(at, options);
  if (!made) return fail(std::move(made).error());
  impl_->listeners.push_back(*std::move(made));
  impl_->accepting.spawn(impl_->accept_from(*impl_->listeners.back()));
  return {};
}

address server::local() const { return impl_->listeners.empty() ? address{} : impl_->listeners.front()->local(); }

void server::serve(std::unique_ptr<stream> connection) { impl_->core.tasks.spawn(impl_->run(std::move(connection))); }

server_stats server::stats() const noexcept { return impl_->core.stats; }

// A proxy speaks for many.
bool server::impl::is_counted(const address& peer) const {
  return core.options.max_connections_per_peer != 0 && !(core.proxies && core.proxies->trusts(peer));
}

bool server::impl::has_room_for(const address& peer) {
  if (core.stats.connections >= core.options.max_connections) return false;
  return !is_counted(peer) || peers.of(peer.host()) < core.options.max_connections_per_peer;
}

task<void> server::impl::accept_from(listener& from) {
  for (;;) {
    auto connection = co_await from.accept();
    if (connection) {
      core.tasks.spawn(run(*std::move(connection)));
    } else if (connection.error().code() == errc::cancelled) {
      co_return;
    } else {
      // Out of descriptors, most likely. Connections wait in the backlog until some are closed.
      problem(connection.error().describe());
      if (!co_await sleep(core.home, accepting.derive({}), std::chrono::milliseconds{100})) co_return;
    }
  }
}

task<void> server::impl::turn_away(std::unique_ptr<stream> connection) {
  constexpr std::size_t most_lingering = 64;
  constexpr std::string_view why = "too many connections; try again later";
  auto refused = refusal(status::service_unavailable, why);
  request unread;
  received_request::fill(unread, {}, connection->info(), core.home, {});
  if (core.options.on_refused) static_cast<void>(guarded_call([&] { core.options.on_refused(unread, refused, why); }));
  if (core.options.tls) co_return;  // it is not worth a handshake
  if (refused.content.streamed()) refused = refusal(status::service_unavailable, why);
  refused.status = status::service_unavailable;
  std::string out;
  http1::append_status_line(out, refused.status);
  const auto line = out.size();
  if (!append_fields(out, refused.headers)) out.resize(line);
  http1::append_field(out, "Content-Length", std::to_string(refused.content.buffered().size()));
  out.append("Connection: close\r\n\r\n").append(refused.content.buffered());
  const const_buffer all[] = {out};
  static_cast<void>(connection->try_write(all));
  connection->shutdown_write();
  if (lingering >= most_lingering) co_return;
  // The request that arrives after all must not cost the client this answer: closing on it would reset the connection.
  struct counted {
    explicit counted(std::size_t& n) : count{n} { ++count; }
    ~counted() { --count; }
    std::size_t& count;
  } const one{lingering};
  const auto ctx = core.tasks.derive(context{}.with_timeout(core.home, std::chrono::seconds{2}));
  const interrupt_on_end guard{core.home, ctx, *connection};
  const auto room = std::make_unique_for_overwrite<char[]>(lingering_piece_bytes);
  for (;;) {
    const auto count = co_await connection->read({room.get(), lingering_piece_bytes});
    if (!count || *count == 0) co_return;
  }
}

void server::impl::problem(std::string_view what) const {
  if (core.options.on_problem) static_cast<void>(guarded_call([&] { core.options.on_problem({}, what); }));
}

task<void> server::impl::run(std::unique_ptr<stream> connection) {
  const auto peer = connection->info().peer;
  if (!has_room_for(peer)) {
    ++core.stats.connections_refused;
    co_await turn_away(std::move(connection));
    co_return;
  }
  std::optional<address_count> of_peer;
  if (is_counted(peer)) of_peer.emplace(peers, peer.host());
  struct open_connection {  // from here on, so that handshakes count as well
    explicit open_connection(server_stats& s) : stats{s} {
      ++stats.connections_accepted;
      ++stats.connections;
    }
    ~open_connection() { --stats.connections; }
    server_stats& stats;
  } const open{core.stats};
  if (core.options.tls) {
    const auto ctx = core.tasks.derive(context{}.with_timeout(core.home, core.options.handshake_timeout));
    auto secure = co_await net::tls_accept(core.home, ctx, std::move(connection), *core.options.tls);
    if (!secure) {
      ++core.stats.handshake_failures;
      co_return;  // what was said instead of a handshake is not worth a line in the log for each scanner that passes
    }
    connection = *std::move(secure);
  }
  server_connection served{core, std::move(connection)};
  co_await served.serve();
}

void server::start_draining() {
  auto& core = impl_->core;
  if (std::exchange(core.draining, true)) return;
  core.drain_grace_over = later(core.home.now(), core.options.drain_grace);
  for (auto* c = impl_->core.first; c != nullptr; c = c->next()) c->start_draining();
}

namespace {
constexpr auto after_cut_off = std::chrono::seconds{1};

task<void> joined(task_group& tasks, event& over) {
  co_await tasks.join();
  over.set();
}
}  // namespace

task<void> server::drain(duration patience) {
  for (auto& l : impl_->listeners) l->close();
  co_await impl_->accepting.join();
  start_draining();
  struct impatience final : timer_node {
    explicit impatience(server_core& c) : core{c} {}
    void expire() override {
      core.tasks.cancel();  // handshakes
      for (auto* c = core.first; c != nullptr; c = c->next()) c->cut_off();
    }
    server_core& core;
  } timer{impl_->core};
  auto& home = impl_->core.home;
  const auto end = later(home.now(), std::max(patience, duration::zero()));
  if (end != context::no_deadline) home.arm(timer, end);
  event over{home};
  task_group joiner{home};
  joiner.spawn(joined(impl_->core.tasks, over));
  // A handler that does not heed its context is not waited for: its frame is destroyed with the server.
  const auto ended = co_await over.wait(context{}.with_deadline(later(end, after_cut_off)));
  if (!ended)
    impl_->problem(std::to_string(impl_->core.tasks.size()) +
                   " connections did not end with their context; they are destroyed");
}

}  // namespace weft::http
