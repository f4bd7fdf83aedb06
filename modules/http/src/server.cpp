#include <weft/http/server.hpp>

#include <weft/runtime/sleep.hpp>
#include <weft/runtime/sync.hpp>

#include "server_connection.hpp"

#include <map>
#include <vector>

namespace weft::http {

struct server::impl {
  impl(loop& l, handler h, server_options o) : core{l, std::move(h), std::move(o)}, accepting{l} {}

  task<void> accept_from(listener& from);
  task<void> run(std::unique_ptr<stream> connection);
  task<void> turn_away(std::unique_ptr<stream> connection);
  [[nodiscard]] bool has_room_for(const address& peer);

  // Before the core, whose connections are counted here until they end.
  std::map<std::string, std::size_t> peers;  // only kept when connections per peer are limited
  std::size_t lingering = 0;                 // refused connections whose answer is on its way
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

bool server::impl::has_room_for(const address& peer) {
  if (core.stats.connections >= core.options.max_connections) return false;
  if (core.options.max_connections_per_peer == 0) return true;
  const auto found = peers.find(peer.host());
  return found == peers.end() || found->second < core.options.max_connections_per_peer;
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
      if (core.options.on_problem) core.options.on_problem({}, connection.error().describe());
      if (!co_await sleep(core.home, accepting.derive({}), std::chrono::milliseconds{100})) co_return;
    }
  }
}

task<void> server::impl::turn_away(std::unique_ptr<stream> connection) {
  constexpr std::size_t most_lingering = 64;
  constexpr std::string_view full =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 90\r\nRetry-After: 1\r\n"
      "Connection: close\r\n\r\n"
      R"({"error":{"code":"SERVICE_UNAVAILABLE","message":"too many connections; try again later"}})";
  const const_buffer all[] = {full};
  static_cast<void>(connection->try_write(all));
  connection->shutdown_write();
  if (lingering >= most_lingering) co_return;
  // The request that arrives after all must not cost the client this answer: closing on it would reset the connection.
  struct counted {
    explicit counted(std::size_t& n) : count{n} { ++count; }
    ~counted() { --count; }
    std::size_t& count;
  } const one{lingering};
  const auto ctx = core.tasks.derive(context{}.with_timeout(core.home, std::chrono::seconds{1}));
  const interrupt_on_end guard{core.home, ctx, *connection};
  char room[1024];
  for (int pieces = 0; pieces < 64; ++pieces) {
    const auto count = co_await connection->read(room);
    if (!count || *count == 0) co_return;
  }
}

task<void> server::impl::run(std::unique_ptr<stream> connection) {
  const auto peer = connection->info().peer;
  if (!has_room_for(peer)) {
    ++core.stats.connections_refused;
    if (!core.options.tls) co_await turn_away(std::move(connection));
    co_return;
  }
  struct counted {
    counted(std::map<std::string, std::size_t>& m, std::string k) : map{m}, key{std::move(k)} { ++map[key]; }
    ~counted() {
      if (--map[key] == 0) map.erase(key);
    }
    std::map<std::string, std::size_t>& map;
    std::string key;
  };
  std::optional<counted> of_peer;
  if (core.options.max_connections_per_peer != 0) of_peer.emplace(peers, peer.host());
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
  impl_->core.draining = true;
  for (auto* c = impl_->core.first; c != nullptr; c = c->next()) c->end_if_idle();
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
  home.arm(timer, home.now() + patience);
  event over{home};
  task_group joiner{home};
  joiner.spawn(joined(impl_->core.tasks, over));
  // A handler that does not heed its context is not waited for: its frame is destroyed with the server.
  const auto ended = co_await over.wait(context{}.with_deadline(home.now() + patience + after_cut_off));
  if (!ended && impl_->core.options.on_problem)
    impl_->core.options.on_problem({}, std::to_string(impl_->core.tasks.size()) +
                                           " connections did not end with their context; they are destroyed");
}

}  // namespace weft::http
