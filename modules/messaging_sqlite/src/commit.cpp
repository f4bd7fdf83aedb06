// When commits begin and how they end.
#include <algorithm>
#include <utility>

#include "hub.hpp"

namespace weft::messaging {

using guard = group_hub::guard;

namespace {

// Posted to a loop. One that ends without having run it passes the word on.
class commit_request {
 public:
  commit_request(std::shared_ptr<sqlite_hub::state> hub, loop& l) : hub_{std::move(hub)}, loop_{&l} {}
  commit_request(commit_request&&) noexcept = default;
  ~commit_request() {
    if (hub_) hub_->lost_loop(*loop_);
  }
  void operator()() { std::exchange(hub_, nullptr)->start_commit(*loop_); }

 private:
  std::shared_ptr<sqlite_hub::state> hub_;
  loop* loop_;
};

// What comes back to the loop; if that has ended, what was begun is ended here.
class commit_end {
 public:
  commit_end(std::shared_ptr<sqlite_hub::state> hub, std::shared_ptr<commit_batch> batch, loop& l)
      : hub_{std::move(hub)}, batch_{std::move(batch)}, loop_{&l} {}
  commit_end(commit_end&&) noexcept = default;
  ~commit_end() {
    if (hub_) hub_->end_commit(*batch_, nullptr);
  }
  void operator()() {
    const auto hub = std::exchange(hub_, nullptr);
    hub->end_commit(*batch_, loop_);
  }

 private:
  std::shared_ptr<sqlite_hub::state> hub_;
  std::shared_ptr<commit_batch> batch_;
  loop* loop_;
};

result<> write_batch(sqlite_store& store, const commit_batch& batch) {
  std::vector<const published_message*> published;
  for (const auto& p : batch.publishes)
    for (const auto& m : p->messages)
      if (m.durable && !m.duplicate) published.push_back(&m);
  return store.write(
      {.changes = batch.changes, .published = std::move(published), .ids = batch.ids, .forget = batch.forget},
      batch.offset);
}

}  // namespace

void sqlite_hub::state::told(loop& from) {
  if (!anything.load(std::memory_order_acquire) || busy.exchange(true)) return;
  from.post(commit_request{shared_from_this(), from});
}

std::shared_ptr<commit_batch> sqlite_hub::state::cut_batch(loop& l) {
  auto batch = std::make_shared<commit_batch>();
  batch->offset = {.wall = l.wall_now(), .steady = l.now()};
  batch->replays = std::exchange(replays, {});
  for (const auto& r : batch->replays) r->outcome = groups.replay_locked(l, r->group, std::move(r->numbers));
  if (changes.empty() && publishes.empty()) {
    anything = false;
    end_replays(batch->replays, {}, &l);
    return nullptr;
  }
  batch->changes = std::exchange(changes, {});
  std::size_t messages = 0, bytes = 0;
  while (!publishes.empty()) {
    auto& next = *publishes.front();
    if (messages != 0 &&
        (messages + next.messages.size() > options.commit_messages || bytes + next.bytes > options.commit_bytes))
      break;
    messages += next.messages.size();
    bytes += next.bytes;
    for (auto& m : next.messages)
      if (m.durable) m.record = next_record++;
    batch->publishes.push_back(std::move(publishes.front()));
    publishes.pop_front();
  }
  batch->last_change = publishes.empty() ? told_changes : publishes.front()->number - 1;
  anything = !publishes.empty();  // replays are all in it
  if (ids.on()) find_duplicates(*batch);
  return batch;
}

// By now it is known what became of the commits before, and so which ids are taken.
void sqlite_hub::state::find_duplicates(commit_batch& batch) {
  const auto now = batch.offset.wall;
  batch.forget = ids.forget(now);
  std::unordered_set<std::string_view> of_this_commit;
  for (const auto& p : batch.publishes)
    for (auto& m : p->messages) {
      const auto& id = m.what->id;
      if (!m.durable || id.empty()) continue;
      m.duplicate = ids.contains(id) || !of_this_commit.insert(id).second;
      if (!m.duplicate) batch.ids.push_back({.row = ids.next_row(), .id = id, .at = now});
      counted.duplicates += m.duplicate ? 1 : 0;
    }
}

void sqlite_hub::state::start_commit(loop& l) {
  std::shared_ptr<commit_batch> batch;
  {
    const guard locked{groups.lock};
    batch = cut_batch(l);
    if (!batch) busy = false;
  }
  if (!batch) return;
  l.offload([s = this, b = batch.get()] { b->outcome = write_batch(*s->store, *b); },
            commit_end{shared_from_this(), batch, l});
}

void sqlite_hub::state::end_waiting(const commit_batch& batch, const loop* l) {
  std::erase_if(waiting, [&](const std::shared_ptr<pending_commit>& w) {
    if (w->number > batch.last_change) return false;
    w->outcome = batch.outcome;
    group_hub::wake(w->who, l);
    return true;
  });
}

void sqlite_hub::state::end_commit(commit_batch& batch, loop* l) {
  {
    const guard locked{groups.lock};
    if (batch.outcome) {
      safe_changes = batch.last_change;
      for (auto& each : batch.ids) ids.add(std::move(each));
      ++counted.commits;
      commits_.add();
    } else {  // the changes are tried again with the next commit: they have happened
      batch.changes.insert(batch.changes.end(), std::make_move_iterator(changes.begin()),
                           std::make_move_iterator(changes.end()));
      changes = std::move(batch.changes);
      ++counted.failed_commits;
      failures_.add();
    }
    for (const auto& p : batch.publishes) {
      if (batch.outcome) {
        enter(*p, l);
        counted.published += p->messages.size();
        published_.add(p->messages.size());
      } else {
        refuse(*p, l);
      }
      finish(*p, batch.outcome, l);
    }
    end_waiting(batch, l);
    end_replays(batch.replays, batch.outcome, l);
    anything = !changes.empty() || !publishes.empty() || !replays.empty();
    busy = false;
    auto* next = l != nullptr ? l : (homes.empty() ? nullptr : homes.front().first);
    // After a failure only somebody new tries again, so that a dead disk keeps nobody busy.
    const bool goes_on = batch.outcome || !publishes.empty() || !waiting.empty() || !replays.empty();
    if (goes_on && next != nullptr) told(*next);  // under the lock, which its broker needs in order to go
  }
}

task<result<>> sqlite_hub::state::settled(loop& from, context ctx) {
  const auto self = shared_from_this();
  const auto w = std::make_shared<pending_commit>();
  w->who = std::make_shared<hub_sleeper>(from);
  {
    const guard locked{groups.lock};
    if (safe_changes >= told_changes) co_return result<>{};
    w->number = told_changes;
    waiting.push_back(w);
  }
  commit_wait waiting_for_it{groups, w->who};
  told(from);
  WEFT_CO_TRY_VOID(co_await waiting_for_it.end(ctx));
  co_return w->outcome;
}

void sqlite_hub::state::end_replays(const std::vector<pending_replay_ptr>& ended, const result<>& outcome,
                                    const loop* l) {
  for (const auto& r : ended) {
    if (!outcome && r->outcome) r->outcome = fail(outcome.error());
    group_hub::wake(r->who, l);
  }
}

task<result<std::size_t>> sqlite_hub::state::replay(loop& from, context ctx, std::string group,
                                                    std::vector<std::uint64_t> numbers) {
  const auto self = shared_from_this();
  const auto r = std::make_shared<pending_replay>(pending_replay{
      .group = std::move(group), .numbers = std::move(numbers), .who = std::make_shared<hub_sleeper>(from)});
  {
    const guard locked{groups.lock};
    replays.push_back(r);
    anything = true;
  }
  commit_wait waiting_for_it{groups, r->who};
  told(from);
  WEFT_CO_TRY_VOID(co_await waiting_for_it.end(ctx));
  co_return r->outcome;
}

// ---- whose loop does the work

void sqlite_hub::state::add_home(loop& l) {
  const guard locked{groups.lock};
  const auto known = std::ranges::find(homes, &l, &std::pair<loop*, std::size_t>::first);
  if (known != homes.end())
    ++known->second;
  else
    homes.emplace_back(&l, 1);
}

void sqlite_hub::state::leave_home(loop& l) {
  const guard locked{groups.lock};
  const auto known = std::ranges::find(homes, &l, &std::pair<loop*, std::size_t>::first);
  if (--known->second == 0) homes.erase(known);
}

void sqlite_hub::state::lost_loop(const loop& l) {
  const guard locked{groups.lock};
  busy = false;
  for (const auto& [home, brokers] : homes)
    if (home != &l) return told(*home);
}

}  // namespace weft::messaging
