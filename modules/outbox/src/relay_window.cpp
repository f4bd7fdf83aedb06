#include "relay_window.hpp"

#include <weft/base/saturating.hpp>
#include <weft/base/utf8.hpp>
#include <weft/runtime/backoff.hpp>

#include <algorithm>

namespace weft::messaging {

namespace {
// Everything failed so often in a row: it is the broker, not the messages.
constexpr std::uint32_t outage_after = 16;
constexpr std::size_t probe = 16;  // messages sent then, from different keys

// What is kept with a parked message: the broker's text may be anything, and of any length (A6, F8).
std::string reason_of(const error& e) { return clean_text(e.describe(), 2048); }
}  // namespace

bool refused_for_good(const error& e, unroutable if_unroutable) noexcept {
  switch (e.code()) {
    case errc::invalid_argument:
    case errc::out_of_range:
    case errc::unimplemented:
      return true;
    case errc::not_found:
      return if_unroutable == unroutable::refuse;
    case errc::resource_exhausted:
      return e.limit() == limit_kind::size;
    default:
      return false;
  }
}

// ---- leases

void relay_window::hold(unsigned shard, std::int64_t token, steady_time until) {
  if (const auto at = leases_.find(shard); at != leases_.end() && at->second.token == token) {
    at->second.until = until;
    return;
  }
  lose(shard);
  leases_[shard] = {.token = token, .until = until};
  read_everything();
}

void relay_window::lose(unsigned shard) {
  if (leases_.erase(shard) == 0) return;
  drop(shard, rows_of::any_state);
  std::erase_if(ended_, [shard](const mark& m) { return m.shard == shard; });
  std::erase_if(lanes_, [&](const auto& each) {  // those that waited for their parked row to be marked
    if (each.second->shard != shard) return false;
    release(each.first);
    return true;
  });
}

void relay_window::retire(unsigned shard) {
  const auto at = leases_.find(shard);
  if (at == leases_.end() || std::exchange(at->second.retiring, true)) return;
  drop(shard, rows_of::waiting);
}

std::vector<unsigned> relay_window::retired() const {
  std::vector<unsigned> list;
  for (const auto& [shard, l] : leases_)
    if (l.retiring) list.push_back(shard);
  if (!list.empty())
    for (const auto& [seq, e] : entries_) std::erase(list, e.row.shard);
  return list;
}

bool relay_window::retiring() const noexcept {
  return std::ranges::any_of(leases_, [](const auto& each) { return each.second.retiring; });
}

void relay_window::drop(unsigned shard, rows_of which) {
  std::vector<std::int64_t> gone;
  for (const auto& [seq, e] : entries_)
    if (e.row.shard == shard && (which == rows_of::any_state || e.is == state::waiting)) gone.push_back(seq);
  for (const auto seq : gone) {
    auto& e = entries_.at(seq);
    if (e.in != nullptr) leave_lane(e);
    remove_row(seq);
  }
}

// A row that did not end.
void relay_window::leave_lane(entry& e) {
  auto& l = *e.in;
  withdraw(l);
  if (e.is == state::out) --out_, --l.out;
  std::erase(l.rows, e.row.seq);
  offer(l);
  if (l.key.empty())
    alone_.erase(e.row.seq);
  else
    forget_if_empty(l);
}

std::vector<unsigned> relay_window::expired(steady_time now) const {
  std::vector<unsigned> list;
  for (const auto& [shard, l] : leases_)
    if (l.until <= now) list.push_back(shard);
  return list;
}

std::vector<std::int64_t> relay_window::shards() const {
  std::vector<std::int64_t> list;
  for (const auto& [shard, l] : leases_) list.push_back(shard);
  return list;
}

std::vector<std::int64_t> relay_window::kept() const {
  std::vector<std::int64_t> list;
  for (const auto& [shard, l] : leases_)
    if (!l.retiring) list.push_back(shard);
  return list;
}

std::int64_t relay_window::token_of(unsigned shard) const noexcept {
  const auto at = leases_.find(shard);
  return at == leases_.end() ? 0 : at->second.token;
}

// ---- reading

// Not a few at a time: a quarter must be free.
std::size_t relay_window::wanted(steady_time now) noexcept {
  const bool has_room = entries_.empty() || (entries_.size() + options_.rows / 4 <= options_.rows &&
                                             bytes_ + options_.bytes / 4 <= options_.bytes);
  starved_ = !has_room || now < paused_until_;
  if (starved_ || std::ranges::all_of(leases_, [](const auto& each) { return each.second.retiring; })) return 0;
  const auto by_bytes = room() / average_bytes_ + 1;
  return last_wanted_ = std::min({options_.rows - entries_.size(), by_bytes, options_.rows / 4 + 1});
}

std::vector<std::int64_t> relay_window::rows() const {
  std::vector<std::int64_t> list;
  for (auto at = entries_.upper_bound(read_after()); at != entries_.end(); ++at) list.push_back(at->first);
  return list;
}

std::vector<std::string> relay_window::held_back() const { return {held_back_.begin(), held_back_.end()}; }

void relay_window::begin_reading() {
  reading_.clear();
  for (const auto& [shard, l] : leases_) reading_.emplace(shard, l.token);
  forgotten_.clear();
  reading_to_ = read_to_;
  gaps_ = false;
}

void relay_window::end_reading() noexcept {
  if (!gaps_) read_to_ = reading_to_;
}

void relay_window::read_everything() noexcept {
  read_to_ = 0;
  gaps_ = true;
}

void relay_window::read_less() noexcept {
  average_bytes_ = std::max(average_bytes_ * 2, options_.bytes / std::max(last_wanted_, std::size_t{1}) * 2);
}

void relay_window::admit(outbox_row row, steady_time now) {
  const auto seq = row.seq;
  reading_to_ = std::max(reading_to_, seq);
  const auto held = leases_.find(row.shard);
  const auto then = reading_.find(row.shard);
  if (held == leases_.end() || then == reading_.end() || held->second.token != then->second) return;
  if (held->second.retiring) return;
  const auto& key = row.what.what.key;
  if (entries_.contains(seq) || forgotten_.contains(key)) return;
  lane* l = nullptr;
  if (key.empty()) {
    l = (alone_[seq] = std::make_unique<lane>()).get();
  } else {
    auto& found = lanes_[key];
    if (!found) found = std::make_unique<lane>(lane{.key = key, .shard = row.shard});
    l = found.get();
    if (l->narrow) return;  // it was read before the lane was held back
  }
  const auto size = row.what.what.size();
  bytes_ += size;
  average_bytes_ = std::max<std::size_t>(1, (average_bytes_ * 63 + size) / 64);
  withdraw(*l);
  // A transaction that committed late has a lower number than what may be out already.
  const auto behind = l->rows.begin() + static_cast<std::ptrdiff_t>(l->out);
  l->rows.insert(std::upper_bound(behind, l->rows.end(), seq), seq);
  entries_.emplace(seq, entry{.row = std::move(row), .token = held->second.token, .in = l, .added = now});
  offer(*l);
}

void relay_window::remove_row(std::int64_t seq) {
  const auto at = entries_.find(seq);
  bytes_ -= at->second.row.what.what.size();
  entries_.erase(at);
}

// ---- lanes

// Makes the head available, now or when it is due.
void relay_window::offer(lane& l) {
  if (l.rows.empty() || l.out > 0) return;
  const auto seq = l.rows.front();
  if (l.due != steady_time{})
    delayed_.emplace(l.due, seq);
  else
    ready_.emplace(l.failures, seq);
}

void relay_window::withdraw(const lane& l) {
  if (l.rows.empty()) return;
  const auto seq = l.rows.front();
  ready_.erase({l.failures, seq});
  delayed_.erase({l.due, seq});
}

void relay_window::forget_if_empty(lane& l) {
  if (!l.rows.empty() || l.parked != 0) return;
  if (l.key.empty()) return;  // goes with its row
  const auto key = l.key;
  release(key);
  lanes_.erase(key);
}

void relay_window::release(const std::string& key) {
  if (held_back_.erase(key) == 0) return;
  starved_ = true;
  read_everything();  // what was forgotten
}

void relay_window::drop_followers(lane& l) {
  if (l.key.empty()) return;
  forgotten_.insert(l.key);
  while (l.rows.size() > 1) {
    if (entries_.at(l.rows.back()).is == state::out) --out_, --l.out;
    remove_row(l.rows.back());
    l.rows.pop_back();
  }
  l.narrow = true;
  held_back_.insert(l.key);
}

// ---- publishing

outgoing relay_window::message_of(const entry& e, steady_time now) const {
  auto made = e.row.what;
  if (made.delay > duration::zero())  // it counts from add()
    made.delay = std::max(duration::zero(), made.delay - saturating_add(e.row.age, time_between(e.added, now)));
  return made;
}

relay_window::batch relay_window::take(steady_time now) {
  batch b;
  if (now < paused_until_ || (in_outage() && out_ > 0)) return b;
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    auto& l = *entries_.at(delayed_.begin()->second).in;
    delayed_.erase(delayed_.begin());
    l.due = {};
    offer(l);
  }
  const auto most = in_outage() ? std::min(probe, options_.batch) : options_.batch;
  const auto expected = std::min(most, options_.same_key > 1 ? entries_.size() : ready_.size());
  b.rows.reserve(expected);
  b.messages.reserve(expected);
  for (auto at = ready_.begin(); at != ready_.end() && b.rows.size() < most;) {
    auto& e = entries_.at(at->second);
    if (leases_.at(e.row.shard).until <= now) {
      ++at;
      continue;
    }
    at = ready_.erase(at);
    if (auto valid = publishable(e); !valid) {
      end_head(e, reason_of(valid.error()));
      continue;
    }
    send(e, b, now);
    send_followers(*e.in, b, most, now);
  }
  return b;
}

result<> relay_window::publishable(const entry& e) const {
  if (e.row.unreadable) return fail(*e.row.unreadable);
  return validate(e.row.what.what, {.max_body_bytes = options_.max_body_bytes});
}

void relay_window::send(entry& e, batch& with, steady_time now) {
  e.is = state::out;
  ++out_;
  ++e.in->out;
  with.rows.push_back({e.row.seq, e.token});
  with.messages.push_back(message_of(e, now));
}

// What cannot be published is parked when it is at the head.
void relay_window::send_followers(lane& l, batch& with, std::size_t most, steady_time now) {
  if (in_outage() || options_.followers_wait) return;
  while (l.out < std::min(l.rows.size(), options_.same_key) && with.rows.size() < most) {
    auto& next = entries_.at(l.rows[l.out]);
    if (!publishable(next)) return;
    send(next, with, now);
  }
}

relay_window::entry* relay_window::find(const sending& s) {
  const auto at = entries_.find(s.seq);
  if (at == entries_.end() || at->second.token != s.token || at->second.is != state::out) return nullptr;
  return &at->second;
}

void relay_window::end_head(entry& e, std::string parked_for) {
  const bool parks = !parked_for.empty();
  ++(parks ? totals_.parked : totals_.published);
  if (e.is == state::out) --out_, --e.in->out;
  e.is = state::ended;
  auto& l = *e.in;
  e.in = nullptr;
  ended_.push_back({e.row.seq, e.token, e.row.shard, std::move(parked_for)});
  if (l.key.empty()) {
    alone_.erase(e.row.seq);
    return;
  }
  if (parks && options_.followers_wait) {
    drop_followers(l);
    l.parked = e.row.seq;
  }
  l.rows.pop_front();
  l.failures = 0;
  l.due = {};
  if (l.parked == 0 && l.narrow) {
    l.narrow = false;
    release(l.key);
  }
  offer(l);
  forget_if_empty(l);
}

duration relay_window::pause(std::uint32_t failures, double drawn) const {
  return backoff_delay({.initial = options_.first_pause, .max = options_.longest_pause}, failures, drawn);
}

void relay_window::failed(entry& e, steady_time now, double drawn) {
  ++totals_.retried;
  auto& l = *e.in;
  if (leases_.at(e.row.shard).retiring) {  // the next relay's task
    leave_lane(e);
    return remove_row(e.row.seq);
  }
  ++l.failures;
  if (!in_outage()) {
    l.due = later(now, pause(l.failures, drawn));
    drop_followers(l);
  }
  wait_again(e);
}

void relay_window::wait_again(entry& e) {
  e.is = state::waiting;
  --out_, --e.in->out;
  offer(*e.in);
}

// What failed one by one before it was seen to be an outage need not wait any longer.
void relay_window::end_outage() {
  outage_ = 0;
  paused_until_ = {};
  for (const auto& [due, seq] : std::exchange(delayed_, {})) {
    auto& l = *entries_.at(seq).in;
    l.due = {};
    offer(l);
  }
}

// The broker has decided about the message: it has it, or never will.
bool relay_window::ended(const sending& s, const result<>& answer) const {
  if (answer) return true;
  const auto at = entries_.find(s.seq);
  return refused_for_good(answer.error(),
                          at == entries_.end() ? unroutable::refuse : at->second.row.what.if_unroutable);
}

void relay_window::answered(const std::vector<sending>& rows, const std::vector<result<>>& results, steady_time now,
                            double drawn) {
  std::size_t failures = 0;
  bool any_success = false;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (ended(rows[i], results[i]))
      any_success = true;
    else
      ++failures;
  }
  if (any_success) {
    failures_in_a_row_ = 0;
    if (outage_ > 0) end_outage();
  } else {
    failures_in_a_row_ += static_cast<std::uint32_t>(failures);
    if (failures_in_a_row_ >= outage_after && now >= paused_until_) paused_until_ = later(now, pause(++outage_, drawn));
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto* e = find(rows[i]);
    if (e == nullptr) continue;  // its lease was lost meanwhile, or one before it on its key failed
    if (e->in->rows.front() != e->row.seq)
      wait_again(*e);  // whatever became of it: it goes behind that one
    else if (results[i])
      end_head(*e, {});
    else if (ended(rows[i], results[i]))
      end_head(*e, reason_of(results[i].error()));
    else
      failed(*e, now, drawn);
  }
}

steady_time relay_window::next_due() const noexcept {
  if (in_outage() && out_ > 0) return steady_time::max();
  auto due = steady_time::max();
  if (!ready_.empty() && paused_until_ != steady_time{}) due = paused_until_;
  if (!delayed_.empty()) due = std::min(due, std::max(delayed_.begin()->first, paused_until_));
  return due;
}

// ---- marking

std::vector<relay_window::mark> relay_window::take_marks(std::size_t most) {
  std::vector<mark> taken;
  while (!ended_.empty() && taken.size() < most) {
    entries_.at(ended_.front().seq).is = state::marking;
    taken.push_back(std::move(ended_.front()));
    ended_.pop_front();
  }
  return taken;
}

void relay_window::marked(const std::vector<mark>& done) {
  for (const auto& m : done) {
    const auto at = entries_.find(m.seq);
    if (at == entries_.end() || at->second.token != m.token) continue;
    const auto key = at->second.row.what.what.key;
    remove_row(m.seq);
    const auto l = lanes_.find(key);
    if (key.empty() || l == lanes_.end() || l->second->parked != m.seq) continue;
    // From here on the database knows that its followers wait.
    l->second->parked = 0;
    l->second->narrow = false;
    forgotten_.insert(key);
    release(key);
    forget_if_empty(*l->second);
  }
}

void relay_window::not_marked(std::vector<mark> failed) {
  for (auto m = failed.rbegin(); m != failed.rend(); ++m) {
    const auto at = entries_.find(m->seq);
    if (at == entries_.end() || at->second.token != m->token) continue;
    at->second.is = state::ended;
    ended_.push_front(std::move(*m));
  }
}

}  // namespace weft::messaging
