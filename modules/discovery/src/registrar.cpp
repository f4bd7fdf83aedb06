#include <weft/discovery/registrar.hpp>

#include <weft/base/replay.hpp>
#include <weft/runtime/backoff.hpp>
#include <weft/runtime/guarded.hpp>
#include <weft/runtime/sleep.hpp>

#include <algorithm>

namespace weft::discovery {

using namespace std::chrono_literals;

namespace {
constexpr backoff_options pauses{.initial = 500ms, .max = 15s};
constexpr duration answer_time = 10s;  // for the registry
}  // namespace

registrar::registrar(loop& l, registry& where, registration what,
                     std::function<void(standing, const std::optional<error>&)> changed)
    : loop_{l}, where_{where}, what_{std::move(what)}, changed_{std::move(changed)}, quiet_{l}, tasks_{l} {
  quiet_.set();
}

void registrar::become(standing s, const std::optional<error>& trouble) {
  const bool news = s != state_ || trouble.has_value() || troubled_;
  state_ = s;
  troubled_ = trouble.has_value();
  if (news && changed_) static_cast<void>(guarded_call([&] { changed_(s, trouble); }));
}

void registrar::start() {
  if (state_ != standing::not_started) return;
  become(standing::registering, std::nullopt);
  tasks_.spawn(keep(tasks_.derive({})));
}

// Not cancelled with the rest: a request that has left cannot be called back, and whoever gives up waiting for it does
// not know what came of it.
task<result<>> registrar::add_once() {
  struct loud {
    explicit loud(event& e) : quiet{e} { quiet.reset(); }
    ~loud() { quiet.set(); }
    event& quiet;
  } under_way{quiet_};
  in_doubt_ = may_be_there_ = true;
  const auto add = [this] { return where_.add(context{}.with_timeout(loop_, answer_time), what_); };
  auto added = co_await guarded_await(add);
  in_doubt_ = !added && effect_of(added.error()) == prior_effect::possible && added.error().transient();
  co_return added;
}

task<void> registrar::keep(context ctx) {
  backoff delays{pauses};
  while (ctx.check(loop_.now())) {
    if (state_ == standing::registering) {
      const auto added = co_await add_once();
      if (!ctx.check(loop_.now())) co_return;
      if (!added) {
        become(standing::registering, added.error());
        if (!co_await weft::sleep(loop_, ctx, delays.next(loop_.now(), loop_.random()))) co_return;
        continue;
      }
      become(standing::registered, std::nullopt);
    }
    if (what_.ttl <= duration::zero()) co_return;  // nobody waits for a heartbeat
    if (!co_await weft::sleep(loop_, ctx, what_.ttl / 3)) co_return;
    const auto beat = [&] {
      return where_.heartbeat(ctx.with_timeout(loop_, std::min(what_.ttl / 3, answer_time)), what_.self.service,
                              what_.self.id, health_state::passing, {});
    };
    const auto heard = co_await guarded_await(beat);
    if (!ctx.check(loop_.now())) co_return;
    if (heard) {
      delays.succeeded(loop_.now());
      become(standing::registered, std::nullopt);
    } else if (heard.error().code() == errc::not_found) {
      become(standing::registering, heard.error());
    } else {
      become(standing::registered, heard.error());  // the next heartbeat may be heard
    }
  }
}

task<result<>> registrar::leave(context ctx) {
  tasks_.cancel();
  static_cast<void>(co_await quiet_.wait(ctx));
  if (quiet_.is_set()) co_await tasks_.stop();  // else it ends by its own time; nothing follows it
  become(standing::left, std::nullopt);
  if (!may_be_there_) co_return result<>{};
  auto removed = co_await take_out(std::move(ctx));
  if (removed) may_be_there_ = false;
  co_return removed;
}

task<result<>> registrar::take_out(context ctx) {
  const auto remove = [&] { return where_.remove(ctx, what_.self.service, what_.self.id); };
  auto removed = co_await guarded_await(remove);
  // A registration whose answer never came may arrive after the removal. It is looked for a few times.
  backoff delays{{.initial = 100ms, .max = 1s}};
  constexpr int looks = 3;
  for (int look = 0; removed && in_doubt_ && look < looks; ++look) {
    if (!co_await weft::sleep(loop_, ctx, delays.next(loop_.now(), loop_.random()))) break;
    const auto ask = [&] {
      return where_.heartbeat(ctx.with_timeout(loop_, answer_time), what_.self.service, what_.self.id,
                              health_state::critical, "left");
    };
    const auto there = co_await guarded_await(ask);
    if (there) removed = co_await guarded_await(remove);
  }
  co_return removed;
}

}  // namespace weft::discovery
