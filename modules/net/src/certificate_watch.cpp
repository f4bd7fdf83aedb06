#include "tls_state.hpp"

#include <weft/base/saturating.hpp>
#include <weft/net/certificate_watch.hpp>
#include <weft/runtime/blocking.hpp>
#include <weft/runtime/guarded.hpp>

#include <algorithm>

namespace weft::net {

namespace {

struct reloading {
  enum class outcome : std::uint8_t { same, reloaded, refused };
  outcome how = outcome::same;
  std::string refused;  // the fingerprint of the files, or why they cannot be read
  std::optional<error> problem;
};

// On a thread of the pool. Files are compared by what they hold: times of files say little on mounted volumes.
reloading reload_if_changed(tls_context tls, const std::string& refused_before) {
  const auto in_force = tls.internals().now();
  const auto held = fingerprint_of(in_force->options);
  if (held && *held == in_force->fingerprint) return {};
  auto seen = held ? *held : std::string{held.error().message()};
  if (seen == refused_before) return {.how = reloading::outcome::same, .refused = std::move(seen), .problem = {}};
  const auto done = held ? tls.reload() : result<>{fail(held.error())};
  if (done) return {.how = reloading::outcome::reloaded, .refused = {}, .problem = {}};
  return {.how = reloading::outcome::refused, .refused = std::move(seen), .problem = done.error()};
}

}  // namespace

std::string_view to_string(certificate_notice::event kind) noexcept {
  switch (kind) {
    case certificate_notice::event::reloaded:
      return "reloaded";
    case certificate_notice::event::refused:
      return "refused";
    case certificate_notice::event::ends_soon:
      return "ends_soon";
    case certificate_notice::event::ended:
      return "ended";
  }
  return "";
}

certificate_watch::certificate_watch(loop& l, tls_context tls, certificate_watch_options options)
    : loop_{l}, tls_{std::move(tls)}, options_{std::move(options)}, wanted_{l}, tasks_{l} {
  tasks_.spawn(run(tasks_.derive({})));
}

void certificate_watch::look_now() noexcept { wanted_.set(); }

task<void> certificate_watch::run(context ctx) {
  // The end of a certificate is looked at this often at least, also when files are looked at only on request.
  constexpr duration least = std::chrono::hours{1};
  auto next_look = loop_.now();
  for (;;) {
    if (wanted_.is_set() || loop_.now() >= next_look) {
      wanted_.reset();  // before the look: what is asked for meanwhile is another one
      co_await look();
      next_look = later(loop_.now(), std::max<duration>(options_.interval, std::chrono::milliseconds{10}));
    }
    warn();
    const auto until = std::min(next_look, later(loop_.now(), least));
    static_cast<void>(co_await wanted_.wait(ctx.with_deadline(until)));
    if (ctx.cancellation().cancelled()) co_return;
  }
}

task<void> certificate_watch::look() {
  const auto got =
      co_await blocking(loop_, [tls = tls_, refused = refused_] { return reload_if_changed(tls, refused); });
  refused_ = got.refused;
  if (got.how == reloading::outcome::same) co_return;
  const bool reloaded = got.how == reloading::outcome::reloaded;
  if (reloaded) warned_at_.reset(), warned_of_.reset();
  notify({.kind = reloaded ? certificate_notice::event::reloaded : certificate_notice::event::refused,
          .expires = tls_.expires(),
          .problem = got.problem});
}

void certificate_watch::warn() {
  const auto left = time_between(loop_.wall_now(), tls_.expires());
  if (left > options_.warn_before) return;
  const auto kind = left <= duration::zero() ? certificate_notice::event::ended : certificate_notice::event::ends_soon;
  if (warned_of_ == kind && warned_at_ && loop_.now() < later(*warned_at_, options_.warn_again)) return;
  warned_of_ = kind;
  warned_at_ = loop_.now();
  notify({.kind = kind, .expires = tls_.expires(), .problem = {}});
}

void certificate_watch::notify(certificate_notice notice) const noexcept {
  if (options_.notify) static_cast<void>(guarded_call([&] { options_.notify(notice); }));
}

}  // namespace weft::net
