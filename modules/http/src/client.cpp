#include <weft/http/client.hpp>

#include <weft/http/outcome.hpp>
#include <weft/http/url.hpp>

#include "client_pool.hpp"
#include "exchange.hpp"

#include <map>
#include <stdexcept>

namespace weft::http {

struct client::impl {
  impl(loop& l, client_options o) : home{l}, options{std::move(o)} {}

  client_pool& pool_for(const net::endpoint& where);

  loop& home;
  client_options options;
  client_stats stats;
  net::endpoint base;
  std::string base_path;  // before every relative target; no '/' at its end
  client_pool* base_pool = nullptr;
  std::map<std::string, std::unique_ptr<client_pool>> pools;
};

namespace {

constexpr std::size_t most_pools = 256;  // that stay while they have no connections

net::endpoint endpoint_of(const url& u) {
  if (u.scheme == url::scheme_kind::unix_socket) return {.scheme = "unix", .host = {}, .port = 0, .path = u.host};
  return {.scheme = u.encrypted() ? "https" : "http", .host = u.host, .port = u.port, .path = {}};
}

}  // namespace

client_pool& client::impl::pool_for(const net::endpoint& where) {
  // The system's authorities are read once, when the first encrypted endpoint is met. Without them the dialling says
  // why.
  if (where.encrypted() && !options.tls)
    if (auto made = net::tls_context::client({.alpn = {"http/1.1"}})) options.tls = *made;
  if (pools.size() >= most_pools)  // of a client that is given ever new hosts
    std::erase_if(pools, [&](const auto& p) { return p.second->unused() && p.second.get() != base_pool; });
  auto& pool = pools[where.to_string()];
  if (!pool) pool = std::make_unique<client_pool>(home, options, stats, where);
  return *pool;
}

client::client(loop& l, client_options options) : impl_{std::make_shared<impl>(l, std::move(options))} {
  if (impl_->options.base_url.empty()) return;
  const auto parsed = url::parse(impl_->options.base_url);
  if (!parsed) throw std::invalid_argument{"base_url: " + std::string{parsed.error().message()}};
  if (!parsed->query().empty()) throw std::invalid_argument{"base_url: takes no query"};
  impl_->base = endpoint_of(*parsed);
  impl_->base_path = parsed->path();
  while (impl_->base_path.ends_with('/')) impl_->base_path.pop_back();
  impl_->base_pool = &impl_->pool_for(impl_->base);
}

client::~client() = default;
loop& client::home() const noexcept { return impl_->home; }
client_stats client::stats() const noexcept { return impl_->stats; }
void client::close_idle() {
  for (const auto& [where, pool] : impl_->pools) pool->close_idle();
}

namespace {

task<result<response>> call(std::shared_ptr<void> owner, loop& l, client_stats& stats, client_pool& pool, context ctx,
                            request r) {
  ++stats.requests;
  if (const auto still = ctx.check(l.now()); !still) co_return fail(still.error().as_unprocessed());
  const client_pool::user using_it{pool};
  for (int attempt = 0;; ++attempt) {
    auto connection = attempt == 0 ? pool.take_idle() : nullptr;
    if (!connection) {
      auto acquired =
          co_await pool.acquire(ctx, attempt == 0 ? client_pool::freshness::any : client_pool::freshness::fresh);
      if (!acquired) co_return fail(std::move(acquired).error());
      connection = *std::move(acquired);
    }
    exchange x{owner, pool, r, std::move(connection)};
    auto answer = co_await x.run(ctx);
    if (answer) co_return answer;
    if (!x.went_stale() || attempt > 0 || replay_of(r) == replay::unsafe) co_return fail(x.named(answer.error()));
    ++stats.stale_retries;
  }
}
}  // namespace

task<result<response>> client::send(context ctx, request r) {
  auto self = impl_;
  if (r.target().starts_with('/')) {
    if (self->base_pool == nullptr)
      co_return fail(
          error{errc::invalid_argument, "a relative target needs a client with a base_url"}.as_unprocessed());
    if (!self->base_path.empty()) r.set_target(self->base_path + std::string{r.target()});
    co_return co_await call(self, self->home, self->stats, *self->base_pool, std::move(ctx), std::move(r));
  }
  const auto where = url::parse(r.target());
  if (!where) co_return fail(where.error().as_unprocessed());
  r.set_target(where->target);
  co_return co_await call(self, self->home, self->stats, self->pool_for(endpoint_of(*where)), std::move(ctx),
                          std::move(r));
}

task<result<response>> client::send_to(context ctx, net::endpoint at, request r) {
  auto self = impl_;
  co_return co_await call(self, self->home, self->stats, self->pool_for(at), std::move(ctx), std::move(r));
}

task<result<response>> client::get_raw(context ctx, std::string path) {
  return send(std::move(ctx), request{method::get, path});
}

task<result<response>> client::post_raw(context ctx, std::string path, std::string json) {
  request r{method::post, path, std::move(json)};
  r.headers.add_view("Content-Type", "application/json");
  return send(std::move(ctx), std::move(r));
}

}  // namespace weft::http
