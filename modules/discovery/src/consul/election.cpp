#include <weft/discovery/election.hpp>
#include <weft/runtime/guarded.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>

#include <stdexcept>

#include "wire.hpp"

namespace weft::discovery::consul {

// --- election_state ---

election_state::need election_state::next(steady_time now) const noexcept {
  if (session_.empty() || now >= valid_until()) return need::session;
  if (locked_) return need::nothing;
  return free_ ? need::lock : need::change;
}

void election_state::created(std::string session, steady_time asked) {
  session_ = std::move(session);
  asked_ = asked;
  locked_ = false;
  free_ = true;
}

void election_state::renewed(steady_time asked) noexcept { asked_ = asked; }

void election_state::ended() noexcept {
  session_.clear();
  locked_ = false;
}

void election_state::seen(std::string_view holder) noexcept {
  locked_ = !session_.empty() && holder == session_;
  free_ = holder.empty();
}

// --- leader_election ---

leader_election::leader_election(api& consul, election_options options)
    : consul_{consul},
      options_{std::move(options)},
      state_{options_.session.ttl},
      delays_{{.initial = options_.retry, .max = saturating_multiply(options_.retry, 4)}} {
  if (options_.key.empty()) throw std::invalid_argument{"leader election: key is empty"};
  if (const auto good = encode_session(options_.session); !good)
    throw std::invalid_argument{"leader election: " + good.error().describe()};
}

bool leader_election::leading() const noexcept { return state_.leading(consul_.home().now()); }

void leader_election::tell() {
  if (const auto now = leading(); now != told_) {
    told_ = now;
    if (on_change) static_cast<void>(guarded_call([&] { on_change(now); }));
  }
}

void leader_election::tell_problem(const error& e) {
  if (on_problem) static_cast<void>(guarded_call([&] { on_problem(e); }));
}

task<void> leader_election::run(context ctx) {
  task_group both{consul_.home()};
  const auto inner = both.derive(ctx);
  both.spawn(keep_session(*this, inner));
  both.spawn(contend(*this, inner));
  co_await both.join();
  co_await give_back();
  tell();
}

// Renews at half of the TTL; when that fails, again and again until the session can no longer be believed in.
task<void> leader_election::keep_session(leader_election& self, context ctx) {
  auto& l = self.consul_.home();
  const auto short_pause = std::min<duration>(self.options_.retry, self.options_.session.ttl / 10);
  for (auto wake = later(l.now(), short_pause); co_await sleep(l, ctx, wake); wake = later(l.now(), short_pause)) {
    auto& state = self.state_;
    if (state.session().empty()) continue;
    if (l.now() >= state.valid_until()) {
      state.ended();
    } else if (l.now() >= state.renew_at()) {
      const auto id = state.session();
      const auto asked = l.now();
      // An answer after the end would come too late to act on.
      const auto done = co_await self.consul_.renew_session(ctx.with_deadline(state.valid_until()), id);
      if (id != state.session()) continue;
      if (done) {
        state.renewed(asked);
      } else if (done.error().code() == errc::not_found) {
        state.ended();
      } else if (ctx.check(l.now())) {
        self.tell_problem(done.error());
      }
    }
    self.tell();
  }
}

task<void> leader_election::contend(leader_election& self, context ctx) {
  auto& l = self.consul_.home();
  while (ctx.check(l.now())) {
    auto done = co_await self.step(ctx);
    self.tell();
    if (done) self.delays_.succeeded(l.now());
    if (done || !ctx.check(l.now())) continue;
    self.tell_problem(done.error());
    if (!co_await sleep(l, ctx, self.delays_.next(l.now(), l.random()))) co_return;
  }
}

task<result<>> leader_election::step(context ctx) {
  switch (state_.next(consul_.home().now())) {
    case election_state::need::session:
      return open_session(std::move(ctx));
    case election_state::need::lock:
      return take_lock(std::move(ctx));
    case election_state::need::change:
    case election_state::need::nothing:  // a leader watches too: an operator may take the lock away
      break;
  }
  return await_change(std::move(ctx));
}

task<result<>> leader_election::open_session(context ctx) {
  state_.ended();
  const auto asked = consul_.home().now();
  WEFT_CO_TRY(auto id, co_await consul_.create_session(ctx, options_.session));
  state_.created(std::move(id), asked);
  query_ = blocking_query{};
  co_return result<>{};
}

task<result<>> leader_election::take_lock(context ctx) {
  auto& l = consul_.home();
  const auto id = state_.session();
  const auto taken = co_await consul_.put(ctx, options_.key, options_.value, {.acquire = id});
  if (!taken) {
    // Consul has no code of its own for a session that has ended.
    const auto alive = co_await consul_.renew_session(ctx, id);
    if (!alive && alive.error().code() == errc::not_found && id == state_.session()) {
      state_.ended();
      co_return result<>{};
    }
    co_return fail(taken.error());
  }
  // It leads once it knows its fence.
  WEFT_CO_TRY(const auto entry, co_await consul_.get(ctx, options_.key));
  if (id != state_.session()) co_return result<>{};
  if (*taken && entry && entry->session == id) fence_ = entry->lock_index;
  state_.seen(entry ? entry->session : std::string_view{});
  // Resting for its lock delay: nothing on the key will tell when that is over.
  if (!*taken && (!entry || entry->session.empty())) static_cast<void>(co_await sleep(l, ctx, options_.retry));
  co_return result<>{};
}

task<result<>> leader_election::await_change(context ctx) {
  auto& l = consul_.home();
  const auto id = state_.session();
  const auto q = query_.next(l.now());
  if (q.not_before > l.now()) WEFT_CO_TRY_VOID(co_await sleep(l, ctx, q.not_before));
  auto answer = co_await consul_.get(ctx, options_.key, q);
  if (!answer) {
    query_.failed(l.now(), l.random());
    co_return fail(std::move(answer).error());
  }
  query_.answered(answer->index, l.now());
  if (id == state_.session() && !id.empty()) state_.seen(answer->value ? answer->value->session : std::string_view{});
  co_return result<>{};
}

// Beyond the context, so that the next leader need not wait for the session to run out.
task<void> leader_election::give_back() {
  const auto id = state_.session();
  if (id.empty()) co_return;
  state_.ended();
  const auto bounded = context{}.with_timeout(consul_.home(), std::chrono::seconds{2});
  static_cast<void>(co_await consul_.put(bounded, options_.key, options_.value, {.release = id}));
  static_cast<void>(co_await consul_.destroy_session(bounded, id));
}

}  // namespace weft::discovery::consul
