#include <weft/discovery/health_check.hpp>
#include <weft/net/dial.hpp>

#include <algorithm>

namespace weft::discovery {

result<> health_check::validate() const {
  const auto wrong = [](std::string_view what) { return fail(errc::invalid_argument, what); };
  if (!path.starts_with('/')) return wrong("path must start with /");
  if (expected.empty()) return wrong("expected must hold a range of statuses");
  for (const auto& range : expected)
    if (range.first < 100 || range.last > 599 || range.first > range.last)
      return wrong("expected: statuses go from 100 to 599");
  if (interval <= duration::zero()) return wrong("interval must be more than 0");
  if (!(jitter >= 0 && jitter <= 1)) return wrong("jitter must be from 0 to 1");
  if (timeout <= duration::zero()) return wrong("timeout must be more than 0");
  if (healthy_threshold < 1) return wrong("healthy_threshold must be at least 1");
  if (unhealthy_threshold < 1) return wrong("unhealthy_threshold must be at least 1");
  return {};
}

bool health_judge::report(answer a) noexcept {
  const auto first_good = first_ && !healthy_ && a == answer::good;
  first_ = false;
  if ((a == answer::good) == healthy_) {
    row_ = 0;
    return false;
  }
  if (++row_ < (healthy_ ? unhealthy_threshold_ : healthy_threshold_) && !first_good) return false;
  healthy_ = !healthy_;
  row_ = 0;
  return true;
}

http::client_options probe_client_options(const health_check& check) {
  return {.connect_timeout = check.timeout,
          .response_timeout = check.timeout,
          .body_timeout = check.timeout,
          .idle_timeout = std::chrono::seconds{30},
          .max_connections = 1,
          .max_waiting = 1,
          .tls = check.tls};
}

namespace {

task<result<>> probe_http(context ctx, http::client& client, const health_check& check, net::endpoint where) {
  http::request r{check.method, check.path};
  for (const auto& [name, value] : check.headers) r.headers.add(name, value);
  r.headers.add("User-Agent", "weft-health-check");
  if (where.scheme != "unix") where.scheme = where.encrypted() ? "https" : "http";
  WEFT_CO_TRY(auto answer, co_await client.send_to(ctx, std::move(where), std::move(r)));
  const auto status = http::to_int(answer.status);
  const auto fits = [status](const status_range& range) { return status >= range.first && status <= range.last; };
  if (std::ranges::any_of(check.expected, fits)) co_return result<>{};
  std::string wanted;
  for (const auto& range : check.expected)
    wanted.append(wanted.empty() ? "" : ", ")
        .append(std::to_string(range.first))
        .append(range.first == range.last ? "" : " to " + std::to_string(range.last));
  co_return fail(errc::unavailable, "status " + std::to_string(status) + ", expected " + wanted);
}

task<result<>> probe_connection(loop& l, context ctx, const health_check& check, net::endpoint where) {
  net::dial_options options{.tls = check.tls, .server_name = check.server_name, .attempt_timeout = check.timeout};
  if (where.scheme != "unix") where.scheme = check.kind == check_kind::tls ? "tls" : "tcp";
  if (check.kind == check_kind::tls && !options.tls) {
    WEFT_CO_TRY(options.tls, net::tls_context::client({}));
  }
  auto made = co_await net::dial(l, ctx, std::move(where), std::move(options));
  if (!made) co_return fail(std::move(made).error());
  co_return result<>{};
}

}  // namespace

task<result<>> probe(loop& l, context ctx, http::client& client, health_check check, net::endpoint where) {
  if (check.port != 0) where.port = check.port;
  const auto bounded = ctx.with_timeout(l, check.timeout);
  if (check.kind == check_kind::http) co_return co_await probe_http(bounded, client, check, std::move(where));
  co_return co_await probe_connection(l, bounded, check, std::move(where));
}

}  // namespace weft::discovery
