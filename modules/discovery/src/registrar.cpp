#include <weft/discovery/registrar.hpp>

#include <weft/runtime/sleep.hpp>

#include <algorithm>

namespace weft::discovery {

using namespace std::chrono_literals;

namespace {
constexpr duration first_pause = 500ms, longest_pause = 15s;
constexpr duration answer_time = 10s;  // for the registry

duration spread(duration d, rng& random) { return d / 2 + duration{random.between(0, (d / 2).count())}; }
}  // namespace

registrar::registrar(loop& l, registry& where, registration what,
                     std::function<void(standing, const std::optional<error>&)> changed)
    : loop_{l}, where_{where}, what_{std::move(what)}, changed_{std::move(changed)}, tasks_{l} {}

void registrar::become(standing s, const std::optional<error>& trouble) {
  const bool news = s != state_ || trouble.has_value() || troubled_;
  state_ = s;
  troubled_ = trouble.has_value();
  if (news && changed_) changed_(s, trouble);
}

void registrar::start() {
  if (state_ != standing::not_started) return;
  become(standing::registering, std::nullopt);
  tasks_.spawn(keep(tasks_.derive({})));
}

task<void> registrar::keep(context ctx) {
  auto pause = first_pause;
  for (;;) {
    if (state_ == standing::registering) {
      const auto added = co_await where_.add(ctx.with_timeout(loop_, answer_time), what_);
      if (!ctx.check(loop_.now())) co_return;
      if (!added) {
        become(standing::registering, added.error());
        if (!co_await weft::sleep(loop_, ctx, spread(pause, loop_.random()))) co_return;
        pause = std::min(pause * 2, longest_pause);
        continue;
      }
      become(standing::registered, std::nullopt);
    }
    if (what_.ttl <= duration::zero()) co_return;  // nobody waits for a heartbeat
    if (!co_await weft::sleep(loop_, ctx, what_.ttl / 3)) co_return;
    const auto heard = co_await where_.heartbeat(ctx.with_timeout(loop_, std::min(what_.ttl / 3, answer_time)),
                                                 what_.self.service, what_.self.id);
    if (!ctx.check(loop_.now())) co_return;
    if (heard) {
      pause = first_pause;
      become(standing::registered, std::nullopt);
    } else if (heard.error().code() == errc::not_found) {
      become(standing::registering, heard.error());
    } else {
      become(standing::registered, heard.error());  // the next heartbeat may be heard
    }
  }
}

task<result<>> registrar::leave(context ctx) {
  const auto before = state_;
  co_await tasks_.stop();
  become(standing::left, std::nullopt);
  if (before == standing::not_started || before == standing::left) co_return result<>{};
  // Also when registering had not been answered yet: it may have been heard all the same.
  co_return co_await where_.remove(std::move(ctx), what_.self.service, what_.self.id);
}

}  // namespace weft::discovery
