#pragma once
// What a relay has read and not yet marked, as a state machine without I/O: which rows may be read, which messages may
// be published now, what is to be marked, and what waits for a retry. Time comes from the caller.
//
// A row is in one of these states:
//     waiting    in memory; at the head of its key it may be published, behind it not
//     out        with the broker
//     ended      confirmed or refused: to be marked
//     marking    in a transaction that marks it
// Rows of one key (a row without a key is alone) form a lane, by number. Only its head is ever out (or, with
// `same_key`, the first few, in one call), and leaves the lane when it has ended. A lane whose head failed waits; what
// is behind the head is forgotten and not read, so that one key never fills the memory.
#include "outbox_row.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft::messaging {

struct relay_window_options {
  std::size_t rows = 4096, bytes = 64UL << 20;
  std::size_t batch = 256;
  std::size_t max_body_bytes = static_cast<std::size_t>(-1);
  duration first_pause = std::chrono::milliseconds{100}, longest_pause = std::chrono::seconds{30};
  bool followers_wait = false;  // behind what was parked
  // Rows become visible in the order of their numbers: what has been read need not be looked at again.
  bool in_commit_order = false;
  // Rows of one key in one call, at most. More than one for brokers that take a call as a whole or not at all.
  std::size_t same_key = 1;
};

// Whether repeating the message is of no use. What the broker lacks (an exchange, room, itself) is no fault of the
// message; that nobody takes it is the answer to one that asked for that.
[[nodiscard]] bool refused_for_good(const error& e, unroutable if_unroutable) noexcept;

class relay_window {
 public:
  // One message that is handed out; names it when the answer comes.
  struct sending {
    std::int64_t seq = 0, token = 0;
  };
  struct batch {
    std::vector<sending> rows;
    std::vector<outgoing> messages;
  };
  struct mark {
    std::int64_t seq = 0, token = 0;
    unsigned shard = 0;
    std::string parked_for;  // the reason; empty: it was published
  };
  struct totals {
    std::uint64_t published = 0, retried = 0, parked = 0;
  };

  explicit relay_window(relay_window_options options) : options_{options} {}

  // ---- leases: rows are kept only for the shards that are held
  void hold(unsigned shard, std::int64_t token, steady_time until);  // new, or renewed under the same token
  void lose(unsigned shard);
  // Another relay is to have it: nothing more of it is read or published. It is among retired() once all that was under
  // way has been marked.
  void retire(unsigned shard);
  [[nodiscard]] std::vector<unsigned> retired() const;
  [[nodiscard]] bool retiring() const noexcept;
  // Those that were not renewed in time.
  [[nodiscard]] std::vector<unsigned> expired(steady_time now) const;
  [[nodiscard]] std::vector<std::int64_t> shards() const;
  [[nodiscard]] std::size_t leases() const noexcept { return leases_.size(); }
  // Those that do not retire, in order.
  [[nodiscard]] std::vector<std::int64_t> kept() const;
  // 0: not held.
  [[nodiscard]] std::int64_t token_of(unsigned shard) const noexcept;

  // ---- reading
  // How many rows to read at most; 0: none now.
  [[nodiscard]] std::size_t wanted(steady_time now) noexcept;
  // How many bytes there is room for.
  [[nodiscard]] std::size_t room() const noexcept { return options_.bytes - std::min(bytes_, options_.bytes); }
  // wanted() was 0 for want of room, or rows that were held back may be read: ask again.
  [[nodiscard]] bool starved() const noexcept { return starved_; }
  // Only kept() shards are to be read, and the rows above read_after(), without rows() and the keys held_back().
  [[nodiscard]] std::int64_t read_after() const noexcept { return options_.in_commit_order ? read_to_ : 0; }
  [[nodiscard]] std::vector<std::int64_t> rows() const;
  [[nodiscard]] std::vector<std::string> held_back() const;
  // One reading at a time. What it gives is dropped where it may have gaps by now: rows of a shard whose lease changed,
  // or of a key some of whose rows were forgotten, since begin_reading().
  void begin_reading();
  void admit(outbox_row row, steady_time now);
  void end_reading() noexcept;  // all that it gave was admitted
  // There may be rows to be read anywhere.
  void read_everything() noexcept;
  // Reading gave too many bytes at once.
  void read_less() noexcept;

  // ---- publishing
  // The oldest first; empty when there is nothing to send now.
  [[nodiscard]] batch take(steady_time now);
  // As many results as messages of the batch.
  void answered(const std::vector<sending>& rows, const std::vector<result<>>& results, steady_time now, double drawn);
  // When take() may have something that it has not now; max: not before something else happens.
  [[nodiscard]] steady_time next_due() const noexcept;
  [[nodiscard]] bool in_outage() const noexcept { return outage_ > 0; }
  [[nodiscard]] std::size_t out() const noexcept { return out_; }

  // ---- marking
  [[nodiscard]] std::size_t to_mark() const noexcept { return ended_.size(); }
  [[nodiscard]] std::vector<mark> take_marks(std::size_t most);
  void marked(const std::vector<mark>& done);
  void not_marked(std::vector<mark> failed);  // to be tried again

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] const totals& counted() const noexcept { return totals_; }

 private:
  enum class state : std::uint8_t { waiting, out, ended, marking };
  struct lane {
    std::string key;
    unsigned shard = 0;
    std::deque<std::int64_t> rows;  // by number, but that those that are out come first
    std::size_t out = 0;
    std::uint32_t failures = 0;
    steady_time due{};        // not before
    bool narrow = false;      // only its head is in memory, and no more of it is read
    std::int64_t parked = 0;  // its followers wait until this one is marked
  };
  struct entry {
    outbox_row row;
    std::int64_t token = 0;
    state is = state::waiting;
    lane* in = nullptr;
    steady_time added{};
  };
  struct lease {
    std::int64_t token = 0;
    steady_time until{};
    bool retiring = false;
  };
  enum class rows_of : std::uint8_t { any_state, waiting };
  using order = std::pair<std::uint32_t, std::int64_t>;  // failures, number: what was not tried goes first

  entry* find(const sending& s);
  void remove_row(std::int64_t seq);
  void leave_lane(entry& e);
  void drop(unsigned shard, rows_of which);
  [[nodiscard]] result<> publishable(const entry& e) const;
  void send(entry& e, batch& with, steady_time now);
  void send_followers(lane& l, batch& with, std::size_t most, steady_time now);
  void offer(lane& l);
  void withdraw(const lane& l);
  void end_head(entry& e, std::string parked_for);
  void drop_followers(lane& l);
  void failed(entry& e, steady_time now, double drawn);
  void wait_again(entry& e);
  void end_outage();
  void forget_if_empty(lane& l);
  void release(const std::string& key);
  [[nodiscard]] duration pause(std::uint32_t failures, double drawn) const;
  [[nodiscard]] bool ended(const sending& s, const result<>& answer) const;
  [[nodiscard]] outgoing message_of(const entry& e, steady_time now) const;

  relay_window_options options_;
  std::map<unsigned, lease> leases_;
  std::map<std::int64_t, entry> entries_;
  std::unordered_map<std::string, std::unique_ptr<lane>> lanes_;  // by key; looked up, never walked in order
  std::map<std::int64_t, std::unique_ptr<lane>> alone_;           // rows without a key
  std::set<order> ready_;                                         // heads
  std::set<std::pair<steady_time, std::int64_t>> delayed_;        // heads that wait for their retry
  std::set<std::string> held_back_;
  std::deque<mark> ended_;
  std::size_t bytes_ = 0, out_ = 0;
  std::size_t average_bytes_ = 512;
  std::size_t last_wanted_ = 1;
  bool starved_ = false;
  std::map<unsigned, std::int64_t> reading_;  // the leases when it began
  std::set<std::string> forgotten_;           // keys, since then
  std::int64_t read_to_ = 0;                  // all below it is in memory, held back, or was dealt with
  std::int64_t reading_to_ = 0;
  bool gaps_ = false;  // read_everything() since begin_reading()
  std::uint32_t failures_in_a_row_ = 0, outage_ = 0;
  steady_time paused_until_{};
  totals totals_;
};

}  // namespace weft::messaging
