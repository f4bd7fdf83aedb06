#include <weft/messaging/core/group_queue.hpp>

#include <weft/base/assert.hpp>
#include <weft/base/saturating.hpp>

#include <algorithm>
#include <bit>

namespace weft::messaging {

using state = queue_entry::state;

void queue_list::insert_before(queue_entry* place, queue_entry& e) noexcept {
  e.next = place;
  e.previous = place != nullptr ? place->previous : last_;
  (e.previous != nullptr ? e.previous->next : first_) = &e;
  (place != nullptr ? place->previous : last_) = &e;
}

void queue_list::remove(queue_entry& e) noexcept {
  (e.previous != nullptr ? e.previous->next : first_) = e.next;
  (e.next != nullptr ? e.next->previous : last_) = e.previous;
  e.next = e.previous = nullptr;
}

group_queue::group_queue(std::string name, ordering order, const queue_limits& limits, std::uint32_t epoch,
                         queue_journal* journal)
    : name_{std::move(name)}, order_{order}, limits_{limits}, epoch_{epoch}, journal_{journal} {}

bool group_queue::has_room(std::size_t messages, std::size_t bytes) const {
  const auto there = messages_ + reserved_messages_;
  return there == 0 ||
         (there + messages <= limits_.max_messages && bytes_ + reserved_bytes_ + bytes <= limits_.max_bytes);
}

bool group_queue::has_room_on(const std::string& key) const {
  if (dead_.size() < limits_.max_dead_letters || key.empty()) return true;
  const auto lane = lanes_.find(key);
  return lane == lanes_.end() || lane->second->parked == 0;
}

void group_queue::reserve(std::size_t messages, std::size_t bytes) noexcept {
  reserved_messages_ += messages;
  reserved_bytes_ += bytes;
}

void group_queue::release_reserved(std::size_t messages, std::size_t bytes) noexcept {
  reserved_messages_ -= messages;
  reserved_bytes_ -= bytes;
}

queue_entry& group_queue::allocate(message_ptr what, std::size_t bytes) {
  ++messages_;
  bytes_ += bytes;
  if (free_.empty()) {
    auto& made = slots_.emplace_back();
    made.slot = static_cast<std::uint32_t>(slots_.size() - 1);
    free_.push_back(&made);
  }
  auto& e = *free_.back();
  free_.pop_back();
  e.what = std::move(what);
  e.bytes = bytes;
  e.sequence = ++sequence_;
  return e;
}

void group_queue::release(queue_entry& e) {
  unwatch_expiry(e);
  --messages_;
  bytes_ -= e.bytes;
  e.what.reset();
  e.failures.clear();
  e.is = state::free;
  e.lane = nullptr;
  e.attempt = 1;
  e.redelivered = false;
  e.record = 0;
  ++e.generation;
  free_.push_back(&e);
}

// It is done with for good.
void group_queue::finish(queue_entry& e) {
  if (journal_ != nullptr) journal_->gone(e);
  release(e);
}

void group_queue::delay(queue_entry& e, steady_time until) {
  e.is = state::delayed;
  e.due = until;
  delayed_.emplace(std::pair{until, e.sequence}, &e);
}

void group_queue::add(message_ptr what, std::size_t bytes, const arrival& at) {
  auto& e = allocate(std::move(what), bytes);
  e.record = at.record;
  e.expires = e.what->time_to_live > duration::zero() ? later(at.now, e.what->time_to_live) : steady_time::max();
  watch_expiry(e);
  if (at.delay <= duration::zero()) return arrive(e, at.wall);
  delay(e, later(at.now, at.delay));
}

void group_queue::restore(dead_letter_entry d) {
  restore_dead_number(d.number);
  if (d.scope == dead_letter_scope::key) ++lane_of(d.what->key).parked;
  const auto number = d.number;
  dead_.emplace(number, std::move(d));
}

void group_queue::restore(restored r, wall_time wall) {
  const auto bytes = r.what->size();
  auto& e = allocate(std::move(r.what), bytes);
  e.record = r.record;
  e.attempt = r.attempt;
  e.redelivered = r.redelivered;
  e.expires = r.expires;
  e.failures = std::move(r.failures);
  watch_expiry(e);
  if (!r.due) return arrive(e, wall);
  if (!e.redelivered) return delay(e, *r.due);
  arrive(e, wall);
  if (e.is != state::ready) return;  // it waits behind its key anyway
  unready(e);
  delay(e, *r.due);
}

// An entry takes its place in the order: at the end, or behind its key.
void group_queue::arrive(queue_entry& e, wall_time wall) {
  e.sequence = ++sequence_;
  if (order_ == ordering::none || e.what->key.empty()) return make_ready(e);
  auto& lane = lane_of(e.what->key);
  e.lane = &lane;
  if (lane.parked != 0) {
    e.is = state::in_flight;  // counted down by nobody: it goes straight to the dead letters
    add_dead(e, "behind a dead letter of its key", dead_letter_scope::key, wall);
    return release(e);
  }
  if (lane.head != nullptr) {
    e.is = state::behind;
    return lane.behind.push_back(e);
  }
  lane.head = &e;
  make_ready(e);
}

queue_lane& group_queue::lane_of(const std::string& key) {
  if (const auto at = lanes_.find(key); at != lanes_.end()) return *at->second;
  auto lane = std::make_unique<queue_lane>(key);
  const std::string_view name = lane->key;
  return *lanes_.emplace(name, std::move(lane)).first->second;
}

void group_queue::make_ready(queue_entry& e) {
  e.is = state::ready;
  ready_[e.what->priority].push_back(e);
  ready_mask_ |= 1U << e.what->priority;
}

// What was out before goes in front of what was not, in its old order.
void group_queue::put_back(queue_entry& e) {
  auto& list = ready_[e.what->priority];
  auto* place = list.front();
  while (place != nullptr && place->sequence < e.sequence) place = place->next;
  e.is = state::ready;
  list.insert_before(place, e);
  ready_mask_ |= 1U << e.what->priority;
}

void group_queue::unready(queue_entry& e) noexcept {
  auto& list = ready_[e.what->priority];
  list.remove(e);
  if (list.empty()) ready_mask_ &= ~(1U << e.what->priority);
}

void group_queue::promote_due(steady_time now, wall_time wall) {
  while (!delayed_.empty() && delayed_.begin()->first.first <= now) {
    auto& e = *delayed_.begin()->second;
    delayed_.erase(delayed_.begin());
    if (e.redelivered)
      put_back(e);
    else
      arrive(e, wall);
  }
}

std::optional<steady_time> group_queue::next_due() const {
  if (delayed_.empty()) return std::nullopt;
  return delayed_.begin()->first.first;
}

queue_entry* group_queue::take(queue_list& list, steady_time now, wall_time wall) {
  if (!delayed_.empty()) promote_due(now, wall);
  while (ready_mask_ != 0) {
    auto& e = *ready_[static_cast<std::size_t>(std::bit_width(ready_mask_) - 1)].front();
    unready(e);
    if (e.expires <= now) {
      auto* lane = e.lane;
      finish(e);
      if (lane != nullptr) advance(*lane);
      continue;
    }
    unwatch_expiry(e);
    e.is = state::in_flight;
    ++in_flight_;
    e.holder = &list;
    list.push_back(e);
    if (journal_ != nullptr) journal_->taken(e);
    return &e;
  }
  return nullptr;
}

const queue_entry* group_queue::front_ready() const noexcept {
  if (ready_mask_ == 0) return nullptr;
  return ready_[static_cast<std::size_t>(std::bit_width(ready_mask_) - 1)].front();
}

void group_queue::watch_expiry(queue_entry& e) {
  if (e.expires != steady_time::max()) expiries_.emplace(e.expires, e.slot);
}

void group_queue::unwatch_expiry(queue_entry& e) {
  if (e.expires != steady_time::max()) expiries_.erase({e.expires, e.slot});
}

std::optional<steady_time> group_queue::next_expiry() const {
  if (expiries_.empty()) return std::nullopt;
  return expiries_.begin()->first;
}

bool group_queue::drop_expired(steady_time now) {
  const auto before = messages_;
  while (!expiries_.empty() && expiries_.begin()->first <= now) end_expired(slots_[expiries_.begin()->second]);
  return messages_ != before;
}

void group_queue::end_expired(queue_entry& e) {
  auto* lane = e.lane;
  const bool head = lane != nullptr && lane->head == &e;
  if (e.is == state::ready) unready(e);
  if (e.is == state::delayed) delayed_.erase({e.due, e.sequence});
  if (e.is == state::behind) lane->behind.remove(e);
  finish(e);
  if (head) advance(*lane);
}

queue_entry* group_queue::find(const queue_list& list, delivery_tag tag) noexcept {
  if (tag.number >= slots_.size()) return nullptr;
  auto& e = slots_[tag.number];
  return e.is == state::in_flight && e.holder == &list && channel_of(e) == tag.channel ? &e : nullptr;
}

// The head of the lane is done: the next takes its place.
void group_queue::advance(queue_lane& lane) {
  lane.head = nullptr;
  if (lane.behind.empty()) return forget_if_unused(lane);
  auto& e = *lane.behind.front();
  lane.behind.remove(e);
  lane.head = &e;
  make_ready(e);
}

void group_queue::forget_if_unused(queue_lane& lane) {
  if (lane.head == nullptr && lane.behind.empty() && lane.parked == 0) {
    const auto at = lanes_.find(lane.key);
    const auto last = std::move(at->second);  // the key in the table points into it
    lanes_.erase(at);
  }
}

void group_queue::acknowledge(queue_list& list, queue_entry& e) {
  list.remove(e);
  --in_flight_;
  auto* lane = e.lane;
  finish(e);
  if (lane != nullptr) advance(*lane);
}

void group_queue::retry(queue_list& list, queue_entry& e, steady_time due, attempt_counting counting, steady_time now) {
  list.remove(e);
  --in_flight_;
  watch_expiry(e);
  e.redelivered = true;
  ++e.generation;
  if (counting == attempt_counting::counted) ++e.attempt;
  e.due = due;
  if (due <= now)
    put_back(e);
  else
    delay(e, due);
  if (journal_ != nullptr) journal_->changed(e);
}

void group_queue::add_dead(queue_entry& e, std::string reason, dead_letter_scope scope, wall_time wall) {
  const auto number = ++dead_number_;
  if (scope == dead_letter_scope::key) ++e.lane->parked;
  const auto& d = dead_
                      .emplace(number, dead_letter_entry{.number = number,
                                                         .group = name_,
                                                         .reason = std::move(reason),
                                                         .what = e.what,
                                                         .attempts = e.attempt,
                                                         .failures = std::move(e.failures),
                                                         .at = wall,
                                                         .scope = scope})
                      .first->second;
  if (journal_ != nullptr) journal_->buried(e, d);
}

result<> group_queue::bury(queue_list& list, queue_entry& e, std::string reason, dead_letter_scope scope,
                           wall_time wall) {
  if (dead_.size() >= limits_.max_dead_letters) {
    const error full{errc::resource_exhausted, "the dead letters of group '" + name_ + "' are full"};
    return fail(full.with_remedy("replay or purge some, or raise max_dead_letters"));
  }
  if (e.lane == nullptr) scope = dead_letter_scope::message;  // no key: nothing comes after it
  add_dead(e, std::move(reason), scope, wall);
  auto* lane = e.lane;
  const auto why = "behind dead letter " + std::to_string(dead_number_) + " of its key";
  list.remove(e);
  --in_flight_;
  release(e);
  if (scope == dead_letter_scope::message) {
    if (lane != nullptr) advance(*lane);
    return {};
  }
  lane->head = nullptr;
  while (!lane->behind.empty()) {
    auto& next = *lane->behind.front();
    lane->behind.remove(next);
    add_dead(next, why, dead_letter_scope::key, wall);
    release(next);
  }
  return {};
}

std::vector<dead_letter_entry> group_queue::dead(std::uint64_t after, std::size_t limit) const {
  std::vector<dead_letter_entry> list;
  for (auto at = dead_.upper_bound(after); at != dead_.end() && list.size() < limit; ++at) list.push_back(at->second);
  return list;
}

result<std::vector<std::uint64_t>> group_queue::selected(std::vector<std::uint64_t> numbers) const {
  if (numbers.empty())
    for (const auto& [number, letter] : dead_) numbers.push_back(number);
  std::ranges::sort(numbers);
  numbers.erase(std::ranges::unique(numbers).begin(), numbers.end());
  for (const auto number : numbers)
    if (!dead_.contains(number))
      return fail(errc::not_found, "no dead letter " + std::to_string(number) + " in group '" + name_ + "'");
  return numbers;
}

std::vector<dead_letter_entry> group_queue::take_dead(const std::vector<std::uint64_t>& numbers) {
  std::vector<dead_letter_entry> taken;
  for (const auto number : numbers) {
    const auto at = dead_.find(number);
    taken.push_back(std::move(at->second));
    dead_.erase(at);
    if (taken.back().scope == dead_letter_scope::message) continue;
    auto& lane = *lanes_.find(taken.back().what->key)->second;
    --lane.parked;
    forget_if_unused(lane);
  }
  return taken;
}

result<std::size_t> group_queue::replay(std::vector<std::uint64_t> numbers, steady_time now, wall_time wall) {
  WEFT_TRY(auto chosen, selected(std::move(numbers)));
  std::vector<std::string_view> keys;  // that are held up by one that is chosen: they go as a whole
  for (const auto number : chosen)
    if (const auto& d = dead_.at(number); d.scope == dead_letter_scope::key) keys.push_back(d.what->key);
  std::ranges::sort(keys);
  for (const auto& [number, d] : dead_)
    if (d.scope == dead_letter_scope::key && std::ranges::binary_search(keys, std::string_view{d.what->key}))
      chosen.push_back(number);
  std::ranges::sort(chosen);
  chosen.erase(std::ranges::unique(chosen).begin(), chosen.end());
  for (auto& d : take_dead(chosen)) {
    auto& e = allocate(d.what, d.what->size());
    e.expires = d.what->time_to_live > duration::zero() ? later(now, d.what->time_to_live) : steady_time::max();
    watch_expiry(e);
    if (journal_ != nullptr) journal_->replayed(d, e);
    arrive(e, wall);
  }
  return chosen.size();
}

result<std::size_t> group_queue::purge(std::vector<std::uint64_t> numbers) {
  WEFT_TRY(const auto chosen, selected(std::move(numbers)));
  const auto taken = take_dead(chosen);
  if (journal_ != nullptr)
    for (const auto& d : taken) journal_->purged(d);
  return taken.size();
}

std::size_t group_queue::clear() {
  const auto before = messages_;
  for (auto& list : ready_)
    while (!list.empty()) {
      auto& e = *list.front();
      unready(e);
      drop(e);
    }
  for (const auto& [when, e] : std::exchange(delayed_, {})) drop(*e);
  for (auto& [key, lane] : lanes_) drop_behind(*lane);  // of those whose first is in flight
  return before - messages_;
}

void group_queue::drop(queue_entry& e) {
  if (auto* lane = e.lane; lane != nullptr && lane->head == &e) {
    drop_behind(*lane);
    lane->head = nullptr;
    forget_if_unused(*lane);
  }
  finish(e);
}

void group_queue::drop_behind(queue_lane& lane) {
  while (!lane.behind.empty()) {
    auto& next = *lane.behind.front();
    lane.behind.remove(next);
    finish(next);
  }
}

group_depth group_queue::depth() const {
  group_depth d;
  d.group = name_;
  d.in_flight = in_flight_;
  d.delayed = delayed_.size();
  d.ready = messages_ - in_flight_ - delayed_.size();
  d.dead = dead_.size();
  d.bytes = bytes_;
  return d;
}

}  // namespace weft::messaging
