#pragma once
// What a consumer holds of its queues, without I/O: who is handed out next, and who waits behind whom.
//
// Every delivery is an entry: ready, behind another of its key, waiting for its retry, or in flight. Of one key one is
// ready, waiting or in flight, the others are behind it, so a retry holds up its key and no other. Entries are numbered
// in the order of their arrival, and handed out in it.
#include <weft/messaging/broker.hpp>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>

namespace weft::messaging {

struct settlement_progress;  // consumer_core.hpp

struct lane_entry {
  enum class state : std::uint8_t { ready, behind, waiting, in_flight };

  message_ptr what;
  std::uint32_t attempt = 1;
  bool redelivered = false;
  bool noted = false;  // its attempts are written down in the broker
  std::vector<failure> failures;
  std::optional<wall_time> expires;
  std::uint32_t feed = 0;  // where it came from, and its name there
  std::uint64_t generation = 0, tag = 0;

  std::uint64_t number = 0;  // of the rest, key_lanes takes care
  state is = state::ready;
  std::shared_ptr<settlement_progress> settling;  // while a settlement of it is under way
  std::uint64_t handed_out = 0;                   // how often; tags of earlier times do not fit
  steady_time due = steady_time::min();
};

class key_lanes {
 public:
  enum class preference : std::uint8_t { age, priority };
  key_lanes(ordering order, preference prefers) : order_{order}, prefers_{prefers} {}

  // `due`: it still waits for a retry.
  void add(lane_entry e, std::optional<steady_time> due = {});
  // The next one, now in flight; null when none is ready.
  [[nodiscard]] lane_entry* take(steady_time now);
  [[nodiscard]] static delivery_tag tag_of(const lane_entry& e) noexcept { return {e.handed_out, e.number}; }
  // In flight under this tag, or null.
  [[nodiscard]] lane_entry* find(delivery_tag tag);
  [[nodiscard]] bool in_flight(delivery_tag tag) const;
  // Those in flight: done; to be handed out again from `due` on; given back, so that it is the next of its age.
  void finish(lane_entry& e) { remove(entries_.find(e.number)); }
  void hold(lane_entry& e, steady_time due);
  void give_back(lane_entry& e) { hold(e, steady_time::min()); }

  // Forgets what came from the feed in an earlier generation: it will be delivered again.
  void drop_before(std::uint32_t feed, std::uint64_t generation);
  // What came from the feed and is not in flight, forgotten, in the order of arrival.
  std::vector<lane_entry> drop_idle(std::uint32_t feed);

  [[nodiscard]] std::optional<steady_time> next_due() const;
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  // Nothing is handed out, or could be.
  [[nodiscard]] bool idle() const noexcept { return in_flight_ == 0 && ready_.empty(); }
  [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }
  [[nodiscard]] std::size_t in_flight_of(std::uint32_t feed) const;

 private:
  using entries = std::map<std::uint64_t, lane_entry>;
  [[nodiscard]] bool ordered(const lane_entry& e) const { return order_ == ordering::per_key && !e.what->key.empty(); }
  [[nodiscard]] std::pair<int, std::uint64_t> rank(const lane_entry& e) const {
    return {prefers_ == preference::priority ? max_priority - e.what->priority : 0, e.number};
  }
  void make_ready(lane_entry& e);
  entries::iterator remove(entries::iterator at);

  ordering order_;
  preference prefers_;
  entries entries_;
  std::set<std::pair<int, std::uint64_t>> ready_;
  std::set<std::pair<steady_time, std::uint64_t>> waiting_;
  std::unordered_map<std::string, std::deque<std::uint64_t>> lanes_;  // looked up only
  std::uint64_t last_ = 0;
  std::size_t in_flight_ = 0;
};

}  // namespace weft::messaging
