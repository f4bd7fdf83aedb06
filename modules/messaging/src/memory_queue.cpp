#include "memory_queue.hpp"

#include <weft/base/assert.hpp>

#include <algorithm>
#include <bit>

namespace weft::messaging {

using state = memory_entry::state;

void memory_list::insert_before(memory_entry* place, memory_entry& e) noexcept {
  e.next = place;
  e.previous = place != nullptr ? place->previous : last_;
  (e.previous != nullptr ? e.previous->next : first_) = &e;
  (place != nullptr ? place->previous : last_) = &e;
}

void memory_list::remove(memory_entry& e) noexcept {
  (e.previous != nullptr ? e.previous->next : first_) = e.next;
  (e.next != nullptr ? e.next->previous : last_) = e.previous;
  e.next = e.previous = nullptr;
}

memory_queue::memory_queue(std::string name, ordering order, const memory_options& options)
    : name_{std::move(name)}, order_{order}, options_{options} {}

bool memory_queue::has_room(const message& m, std::size_t bytes) const {
  if (messages_ != 0 && (messages_ >= options_.max_messages || bytes_ + bytes > options_.max_bytes)) return false;
  if (dead_.size() < options_.max_dead_letters || m.key.empty()) return true;
  // What comes for a key that is held up becomes a dead letter at once, and they have no more room.
  const auto lane = lanes_.find(m.key);
  return lane == lanes_.end() || lane->second->parked == 0;
}

memory_entry& memory_queue::allocate() {
  ++messages_;
  if (!free_.empty()) {
    auto& e = *free_.back();
    free_.pop_back();
    return e;
  }
  auto& e = slots_.emplace_back();
  e.slot = static_cast<std::uint32_t>(slots_.size() - 1);
  return e;
}

void memory_queue::release(memory_entry& e) {
  --messages_;
  bytes_ -= e.bytes;
  e.what.reset();
  e.failures.clear();
  e.is = state::free;
  e.lane = nullptr;
  e.attempt = 1;
  e.redelivered = false;
  ++e.generation;
  free_.push_back(&e);
}

void memory_queue::add(message_ptr what, std::size_t bytes, duration delay, steady_time now, wall_time wall) {
  auto& e = allocate();
  bytes_ += bytes;
  e.bytes = bytes;
  e.sequence = ++sequence_;
  e.expires = what->time_to_live > duration::zero() ? now + what->time_to_live : steady_time::max();
  e.what = std::move(what);
  if (delay <= duration::zero()) return arrive(e, wall);
  e.is = state::delayed;
  e.due = delay >= steady_time::max() - now ? steady_time::max() : now + delay;
  delayed_.emplace(std::pair{e.due, e.sequence}, &e);
}

// An entry takes its place in the order: at the end, or behind its key.
void memory_queue::arrive(memory_entry& e, wall_time wall) {
  e.sequence = ++sequence_;
  if (order_ == ordering::none || e.what->key.empty()) return make_ready(e);
  auto at = lanes_.find(e.what->key);
  if (at == lanes_.end()) {
    auto lane = std::make_unique<memory_lane>(e.what->key);
    const std::string_view key = lane->key;
    at = lanes_.emplace(key, std::move(lane)).first;
  }
  auto& lane = *at->second;
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

void memory_queue::make_ready(memory_entry& e) {
  e.is = state::ready;
  ready_[e.what->priority].push_back(e);
  ready_mask_ |= 1U << e.what->priority;
}

// What was out before goes in front of what was not, in its old order.
void memory_queue::put_back(memory_entry& e) {
  auto& list = ready_[e.what->priority];
  auto* place = list.front();
  while (place != nullptr && place->sequence < e.sequence) place = place->next;
  e.is = state::ready;
  list.insert_before(place, e);
  ready_mask_ |= 1U << e.what->priority;
}

void memory_queue::unready(memory_entry& e) noexcept {
  auto& list = ready_[e.what->priority];
  list.remove(e);
  if (list.empty()) ready_mask_ &= ~(1U << e.what->priority);
}

void memory_queue::promote_due(steady_time now, wall_time wall) {
  while (!delayed_.empty() && delayed_.begin()->first.first <= now) {
    auto& e = *delayed_.begin()->second;
    delayed_.erase(delayed_.begin());
    if (e.redelivered)
      put_back(e);
    else
      arrive(e, wall);
  }
}

std::optional<steady_time> memory_queue::next_due() const {
  if (delayed_.empty()) return std::nullopt;
  return delayed_.begin()->first.first;
}

memory_entry* memory_queue::take(memory_list& list, steady_time now, wall_time wall) {
  if (!delayed_.empty()) promote_due(now, wall);
  while (ready_mask_ != 0) {
    auto& e = *ready_[static_cast<std::size_t>(std::bit_width(ready_mask_) - 1)].front();
    unready(e);
    if (e.expires <= now) {
      auto* lane = e.lane;
      release(e);
      if (lane != nullptr) advance(*lane, wall);
      continue;
    }
    e.is = state::in_flight;
    ++in_flight_;
    e.holder = &list;
    list.push_back(e);
    return &e;
  }
  return nullptr;
}

memory_entry* memory_queue::find(const memory_list& list, delivery_tag tag) noexcept {
  if (tag.number >= slots_.size()) return nullptr;
  auto& e = slots_[tag.number];
  return e.is == state::in_flight && e.holder == &list && e.generation == tag.channel ? &e : nullptr;
}

// The head of the lane is done: the next takes its place.
void memory_queue::advance(memory_lane& lane, wall_time) {
  lane.head = nullptr;
  if (lane.behind.empty()) return forget_if_unused(lane);
  auto& e = *lane.behind.front();
  lane.behind.remove(e);
  lane.head = &e;
  make_ready(e);
}

void memory_queue::forget_if_unused(memory_lane& lane) {
  if (lane.head == nullptr && lane.behind.empty() && lane.parked == 0) {
    const auto at = lanes_.find(lane.key);
    const auto last = std::move(at->second);  // the key in the table points into it
    lanes_.erase(at);
  }
}

void memory_queue::acknowledge(memory_list& list, memory_entry& e, steady_time, wall_time wall) {
  list.remove(e);
  --in_flight_;
  auto* lane = e.lane;
  release(e);
  if (lane != nullptr) advance(*lane, wall);
}

void memory_queue::retry(memory_list& list, memory_entry& e, steady_time due, attempt_counting counting,
                         steady_time now) {
  list.remove(e);
  --in_flight_;
  e.redelivered = true;
  ++e.generation;
  if (counting == attempt_counting::counted) ++e.attempt;
  if (due <= now) return put_back(e);
  e.is = state::delayed;
  e.due = due;
  delayed_.emplace(std::pair{due, e.sequence}, &e);
}

void memory_queue::add_dead(memory_entry& e, std::string reason, dead_letter_scope scope, wall_time wall) {
  const auto number = ++dead_number_;
  if (scope == dead_letter_scope::key) ++e.lane->parked;
  dead_.emplace(number, dead_letter_entry{.number = number,
                                          .group = name_,
                                          .reason = std::move(reason),
                                          .what = e.what,
                                          .attempts = e.attempt,
                                          .failures = std::move(e.failures),
                                          .at = wall,
                                          .scope = scope});
}

result<> memory_queue::bury(memory_list& list, memory_entry& e, std::string reason, dead_letter_scope scope,
                            steady_time now, wall_time wall) {
  if (dead_.size() >= options_.max_dead_letters) {
    const error full{errc::resource_exhausted, "the dead letters of group '" + name_ + "' are full"};
    return fail(full.with_remedy("replay or purge some, or raise max_dead_letters"));
  }
  if (e.lane == nullptr) scope = dead_letter_scope::message;  // no key: nothing comes after it
  add_dead(e, std::move(reason), scope, wall);
  auto* lane = e.lane;
  if (scope == dead_letter_scope::message) return acknowledge(list, e, now, wall), result<>{};
  const auto why = "behind dead letter " + std::to_string(dead_number_) + " of its key";
  list.remove(e);
  --in_flight_;
  release(e);
  lane->head = nullptr;
  while (!lane->behind.empty()) {
    auto& next = *lane->behind.front();
    lane->behind.remove(next);
    add_dead(next, why, dead_letter_scope::key, wall);
    release(next);
  }
  return {};
}

std::vector<dead_letter_entry> memory_queue::dead(std::uint64_t after, std::size_t limit) const {
  std::vector<dead_letter_entry> list;
  for (auto at = dead_.upper_bound(after); at != dead_.end() && list.size() < limit; ++at) list.push_back(at->second);
  return list;
}

result<std::vector<std::uint64_t>> memory_queue::selected(std::vector<std::uint64_t> numbers) const {
  if (numbers.empty())
    for (const auto& [number, letter] : dead_) numbers.push_back(number);
  std::ranges::sort(numbers);
  numbers.erase(std::ranges::unique(numbers).begin(), numbers.end());
  for (const auto number : numbers)
    if (!dead_.contains(number))
      return fail(errc::not_found, "no dead letter " + std::to_string(number) + " in group '" + name_ + "'");
  return numbers;
}

std::vector<dead_letter_entry> memory_queue::take_dead(const std::vector<std::uint64_t>& numbers) {
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

result<std::size_t> memory_queue::replay(std::vector<std::uint64_t> numbers, steady_time now, wall_time wall) {
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
    const auto bytes = d.what->size();
    add(std::move(d.what), bytes, {}, now, wall);
  }
  return chosen.size();
}

result<std::size_t> memory_queue::purge(std::vector<std::uint64_t> numbers, steady_time, wall_time) {
  WEFT_TRY(const auto chosen, selected(std::move(numbers)));
  return take_dead(chosen).size();
}

std::size_t memory_queue::clear() {
  std::size_t count = 0;
  const auto drop = [&](memory_entry& e) {
    if (auto* lane = e.lane; lane != nullptr && lane->head == &e) {
      while (!lane->behind.empty()) {
        auto& next = *lane->behind.front();
        lane->behind.remove(next);
        release(next);
        ++count;
      }
      lane->head = nullptr;
      forget_if_unused(*lane);
    }
    release(e);
    ++count;
  };
  for (auto& list : ready_)
    while (!list.empty()) {
      auto& e = *list.front();
      unready(e);
      drop(e);
    }
  for (const auto& [when, e] : delayed_) drop(*e);
  delayed_.clear();
  return count;
}

group_depth memory_queue::depth() const {
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
