// When commits begin and how they end.
#include <algorithm>
#include <utility>

#include "hub.hpp"

namespace weft::messaging {

using guard = group_hub::guard;

namespace {

// On the pool of the loop that asked. Dropped with the pool: then that loop waits for nothing any more, and every other
// one that does has a request of its own.
class commit_worker {
 public:
  commit_worker(std::shared_ptr<sqlite_hub::state> hub, const loop& l, clock_offset now)
      : hub_{std::move(hub)}, loop_{&l}, now_{now} {}
  commit_worker(commit_worker&&) noexcept = default;
  ~commit_worker() {
    if (hub_) hub_->forget_request(*loop_);
  }
  void operator()() noexcept {  // an exception in here would leave others waiting for good
    const auto hub = std::exchange(hub_, nullptr);
    hub->forget_request(*loop_);  // what is told from now on asks again, unless it is found below
    hub->work_off(*loop_, now_);
  }

 private:
  std::shared_ptr<sqlite_hub::state> hub_;
  const loop* loop_;
  clock_offset now_;
};

// Posted to a loop, so that what is told in one turn of it goes into one commit.
class commit_request {
 public:
  commit_request(std::shared_ptr<sqlite_hub::state> hub, loop& l) : hub_{std::move(hub)}, loop_{&l} {}
  commit_request(commit_request&&) noexcept = default;
  ~commit_request() {
    if (hub_) hub_->forget_request(*loop_);
  }
  void operator()() {
    auto hub = std::exchange(hub_, nullptr);
    const clock_offset now{.wall = loop_->wall_now(), .steady = loop_->now()};
    // The pool's thread is not the last one to let go of the hub.
    loop_->offload(commit_worker{hub, *loop_, now}, [hub] {});
  }

 private:
  std::shared_ptr<sqlite_hub::state> hub_;
  loop* loop_;
};

constexpr int commits_in_a_row = 8;  // then others who wait for the pool have a turn

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
  if (!anything.load() || running.load()) return;
  if (asked.exchange(&from) != &from) from.post(commit_request{shared_from_this(), from});
}

void sqlite_hub::state::forget_request(const loop& l) noexcept {
  const loop* mine = &l;
  asked.compare_exchange_strong(mine, nullptr);
}

bool sqlite_hub::state::has_home(const loop& l) const {
  return std::ranges::find(homes, &l, &std::pair<loop*, std::size_t>::first) != homes.end();
}

void sqlite_hub::state::ask_all_homes() {
  for (const auto& [home, brokers] : homes) home->post(commit_request{shared_from_this(), *home});
}

void sqlite_hub::state::work_off(const loop& home, clock_offset now) {
  if (running.exchange(true)) return;
  for (int commits = 0;; ++commits) {
    std::unique_ptr<commit_batch> batch;
    {
      const guard locked{groups.lock};
      // A loop whose brokers have gone may be ending, and waits for this thread.
      const bool leaves = commits == commits_in_a_row || (commits > 0 && !has_home(home));
      if (leaves && !homes.empty()) {
        running = false;
        return ask_all_homes();
      }
      batch = cut_batch(now);
      if (!batch) {
        running = false;
        return;
      }
    }
    batch->outcome = write_batch(*store, *batch);
    const guard locked{groups.lock};
    if (end_commit(*batch)) continue;
    running = false;
    return;
  }
}

std::unique_ptr<commit_batch> sqlite_hub::state::cut_batch(clock_offset now) {
  auto batch = std::make_unique<commit_batch>();
  batch->offset = now;
  batch->replays = std::exchange(replays, {});
  for (const auto& r : batch->replays)
    r->outcome = groups.replay_locked(r->at, nullptr, r->group, std::move(r->numbers));
  if (changes.empty() && publishes.empty()) {
    anything = false;
    end_replays(batch->replays, {});
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
    if (const auto& at = next.messages.front().at; at.now > batch->offset.steady)
      batch->offset = {.wall = at.wall, .steady = at.now};
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

void sqlite_hub::state::end_waiting(const commit_batch& batch) {
  std::erase_if(waiting, [&](const std::shared_ptr<pending_commit>& w) {
    if (w->number > batch.last_change) return false;
    w->outcome = batch.outcome;
    group_hub::wake(w->who, nullptr);
    return true;
  });
}

bool sqlite_hub::state::end_commit(commit_batch& batch) {
  const group_hub::wake_together all;
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
      enter(*p, nullptr);
      counted.published += p->messages.size();
      published_.add(p->messages.size());
    } else {
      refuse(*p);
    }
    finish(*p, batch.outcome, nullptr);
  }
  end_waiting(batch);
  end_replays(batch.replays, batch.outcome);
  anything = !changes.empty() || !publishes.empty() || !replays.empty();
  // After a failure only somebody new tries again, so that a dead disk keeps nobody busy.
  return batch.outcome || !publishes.empty() || !waiting.empty() || !replays.empty();
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

void sqlite_hub::state::end_replays(const std::vector<pending_replay_ptr>& ended, const result<>& outcome) {
  for (const auto& r : ended) {
    if (!outcome && r->outcome) r->outcome = fail(outcome.error());
    group_hub::wake(r->who, nullptr);
  }
}

task<result<std::size_t>> sqlite_hub::state::replay(loop& from, context ctx, std::string group,
                                                    std::vector<std::uint64_t> numbers) {
  const auto self = shared_from_this();
  const auto r = std::make_shared<pending_replay>(pending_replay{.group = std::move(group),
                                                                 .numbers = std::move(numbers),
                                                                 .at = {.now = from.now(), .wall = from.wall_now()},
                                                                 .who = std::make_shared<hub_sleeper>(from)});
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

}  // namespace weft::messaging
