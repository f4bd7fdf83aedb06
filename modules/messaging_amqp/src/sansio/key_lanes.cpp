#include "key_lanes.hpp"

#include <algorithm>

namespace weft::messaging {

using state = lane_entry::state;

void key_lanes::make_ready(lane_entry& e) {
  e.is = state::ready;
  ready_.insert(rank(e));
}

void key_lanes::add(lane_entry e, std::optional<steady_time> due) {
  e.number = ++last_;
  e.settling = nullptr;
  auto& kept = entries_.emplace_hint(entries_.end(), last_, std::move(e))->second;
  if (ordered(kept)) {
    auto& lane = lanes_[kept.what->key];
    lane.push_back(kept.number);
    if (lane.size() > 1) {
      kept.is = state::behind;
      kept.due = due.value_or(steady_time::min());
      return;
    }
  }
  if (!due) return make_ready(kept);
  kept.is = state::waiting;
  kept.due = *due;
  waiting_.emplace(*due, kept.number);
}

lane_entry* key_lanes::take(steady_time now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    make_ready(entries_.at(waiting_.begin()->second));
    waiting_.erase(waiting_.begin());
  }
  if (ready_.empty()) return nullptr;
  auto& e = entries_.at(ready_.begin()->second);
  ready_.erase(ready_.begin());
  e.is = state::in_flight;
  ++e.handed_out;
  ++in_flight_;
  return &e;
}

lane_entry* key_lanes::find(delivery_tag tag) {
  const auto at = entries_.find(tag.number);
  if (at == entries_.end() || at->second.is != state::in_flight || at->second.handed_out != tag.channel) return nullptr;
  return &at->second;
}

bool key_lanes::in_flight(delivery_tag tag) const {
  const auto at = entries_.find(tag.number);
  return at != entries_.end() && at->second.is == state::in_flight && at->second.handed_out == tag.channel;
}

// Out of the list it is in, and out of its lane: the next of its key takes its place.
key_lanes::entries::iterator key_lanes::remove(entries::iterator at) {
  const auto& e = at->second;
  if (e.is == state::ready) ready_.erase(rank(e));
  if (e.is == state::waiting) waiting_.erase({e.due, e.number});
  if (e.is == state::in_flight) --in_flight_;
  if (ordered(e)) {
    const auto lane = lanes_.find(e.what->key);
    const bool was_first = lane->second.front() == e.number;
    std::erase(lane->second, e.number);
    if (lane->second.empty()) {
      lanes_.erase(lane);
    } else if (was_first) {
      auto& next = entries_.at(lane->second.front());
      if (next.due == steady_time::min()) {
        make_ready(next);
      } else {
        next.is = state::waiting;
        waiting_.emplace(next.due, next.number);
      }
    }
  }
  return entries_.erase(at);
}

void key_lanes::hold(lane_entry& e, steady_time due) {
  --in_flight_;
  e.redelivered = true;
  e.settling = nullptr;
  e.due = due;
  if (due == steady_time::min()) return make_ready(e);
  e.is = state::waiting;
  waiting_.emplace(due, e.number);
}

void key_lanes::drop_before(std::uint32_t feed, std::uint64_t generation) {
  // All at once, so that none that is dropped becomes ready in between.
  std::vector<std::uint64_t> gone;
  for (const auto& [number, e] : entries_)
    if (e.feed == feed && e.generation < generation) gone.push_back(number);
  for (auto at = gone.rbegin(); at != gone.rend(); ++at) remove(entries_.find(*at));
}

std::vector<lane_entry> key_lanes::drop_idle(std::uint32_t feed) {
  std::vector<lane_entry> gone;
  for (auto at = entries_.rbegin(); at != entries_.rend(); ++at)
    if (at->second.feed == feed && at->second.is != state::in_flight) gone.push_back(at->second);
  for (const auto& e : gone) remove(entries_.find(e.number));
  std::ranges::reverse(gone);
  return gone;
}

std::optional<steady_time> key_lanes::next_due() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.begin()->first;
}

std::size_t key_lanes::in_flight_of(std::uint32_t feed) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      entries_, [&](const auto& each) { return each.second.feed == feed && each.second.is == state::in_flight; }));
}

}  // namespace weft::messaging
