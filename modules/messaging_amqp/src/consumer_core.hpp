#pragma once
// A consumer, as its handle and its tasks share it. It has a feed for each queue that it consumes: a channel of its
// own, since prefetch and acknowledgements are a channel's, and since closing a channel gives back what is out in its
// order. A pump for each feed takes deliveries as they come into the lanes, from which next() hands out.
#include <weft/runtime/sync.hpp>

#include "amqp_link.hpp"
#include "attempt_notes.hpp"
#include "sansio/ack_batch.hpp"
#include "sansio/key_lanes.hpp"

namespace weft::messaging {

// A settlement that takes the broker's answer, for as long as that is missing.
struct settlement_progress {
  explicit settlement_progress(loop& l) : done{l} {}
  weft::event done;
  std::optional<result<>> outcome;
  bool undecided = false;  // its caller gave up while the broker had not confirmed the copy; it goes on
};

// What it was told to acknowledge it says later in the same turn of the loop, in few frames, or when there is enough.
struct consumer_feed final : ready_node {
  consumer_feed(std::uint32_t index, std::string from, amqp_link& link, std::size_t acks_at_once)
      : index{index}, queue{std::move(from)}, on{link.on()}, acks_at_once{acks_at_once}, notes{link, queue, acks} {}

  void acknowledge(std::uint64_t tag);
  void run() override;
  void begin_generation(std::uint64_t number);

  std::uint32_t index;
  std::string queue;
  loop& on;
  std::size_t acks_at_once;
  std::optional<amqp::channel> ch;
  std::optional<amqp::consumer> from;
  ack_batch acks;
  attempt_notes notes;
  std::uint64_t generation = 0;  // of the channel, as last seen
  bool leaving = false;          // what comes now goes back when its channel is closed
  bool returning = false;        // somebody waits for it to come back, to say that it was lost
};

inline constexpr auto closing_time = std::chrono::seconds{30};

class consumer_core final : public std::enable_shared_from_this<consumer_core> {
 public:
  using self = std::shared_ptr<consumer_core>;
  consumer_core(amqp_link& link, group_names names, subscription what);
  ~consumer_core();
  consumer_core(const consumer_core&) = delete;
  consumer_core& operator=(const consumer_core&) = delete;

  // Begins to consume the queue.
  static task<result<>> attach(self c, context ctx, std::uint32_t index, std::string queue);
  // Gives back what its feed holds, when nothing of it is in flight any more, and lets go of the queue.
  static task<void> detach(self c, context ctx, std::uint32_t index);

  static task<result<std::optional<raw_delivery>>> next(self c, context ctx);
  [[nodiscard]] std::optional<raw_delivery> take();
  static task<result<>> settle(self c, context ctx, delivery_tag tag, settlement how);
  static task<result<>> stop(self c, context ctx);
  void abandon();  // the handle is gone

  static task<result<>> attached(self c, context ctx);
  // Can still be settled.
  [[nodiscard]] bool holds(delivery_tag tag) const { return lanes_.in_flight(tag); }

  static void connection_lost(const self& c);
  static void channel_lost(const self& c);  // one, of some feed
  static void queue_lost(const self& c, std::string_view queue);
  [[nodiscard]] std::size_t in_flight() const noexcept { return lanes_.in_flight(); }
  [[nodiscard]] const std::string& group() const noexcept { return names_.group; }
  [[nodiscard]] const subscription& what() const noexcept { return what_; }
  [[nodiscard]] const group_names& names() const noexcept { return names_; }
  [[nodiscard]] amqp_link& link() const noexcept { return link_; }
  [[nodiscard]] bool ended() const noexcept { return stopped_ || abandoned_; }
  [[nodiscard]] std::vector<std::uint32_t> attached() const;
  [[nodiscard]] bool holds(std::uint32_t index) const { return feeds_.contains(index); }  // if only to give it back
  [[nodiscard]] const context& life() const noexcept { return life_context_; }

 private:
  using feed_ptr = std::shared_ptr<consumer_feed>;
  static task<void> pump(self c, feed_ptr f);
  static task<bool> prepare(self c, feed_ptr f, amqp::delivery& d);
  static task<bool> nothing_is_out(self c);
  static task<bool> buried_unhandled(self c, feed_ptr f, amqp::delivery d);
  static task<result<>> settle_retry(self c, context ctx, delivery_tag tag, settlement how,
                                     std::shared_ptr<settlement_progress> progress);
  static task<result<>> settle_retry_in_order(self c, context ctx, delivery_tag tag, attempt_note next, duration after);
  static task<result<>> settle_dead(self c, context ctx, delivery_tag tag, settlement how,
                                    std::shared_ptr<settlement_progress> progress);
  static void decided_late(const self& c, delivery_tag tag, settlement_progress& progress, const result<>& copied,
                           attempt_note next, duration after);
  static amqp::channel::settled_callback when_decided(const self& c, delivery_tag tag,
                                                      std::shared_ptr<settlement_progress> progress, attempt_note next,
                                                      duration after);
  static task<void> tell_of_loss(self c, feed_ptr f);
  static task<void> release(self c, context ctx);
  static task<void> close_feed(feed_ptr f, context ctx);
  static task<void> forget_queue(amqp_link& link, std::string queue);

  result<> acknowledge(delivery_tag tag);
  result<> give_back(delivery_tag tag);
  result<> hold(delivery_tag tag, attempt_note next, duration after);
  [[nodiscard]] attempt_note note_of(const lane_entry& e, const std::optional<error>& cause) const;
  void end_settling(delivery_tag tag, settlement_progress& progress, const result<>& outcome);
  void settled_one();
  static void interrupted(const self& c, const feed_ptr& f);
  void forget_deliveries(consumer_feed& f);
  [[nodiscard]] amqp::message dead_letter(const message& m, copy_notes notes, std::string_view reason);
  void saw_generation(consumer_feed& f, std::uint64_t generation);
  void admit(consumer_feed& f, amqp::delivery&& d);
  void leave(consumer_feed& f);
  [[nodiscard]] bool keeps_order(const message& m) const noexcept {
    return what_.order == ordering::per_key && !m.key.empty();
  }
  [[nodiscard]] bool durable() const noexcept { return what_.lives == lifetime::durable; }
  [[nodiscard]] bool delivered_too_often(const amqp::delivery& d) const noexcept;
  [[nodiscard]] std::uint16_t broker_prefetch() const noexcept;
  [[nodiscard]] std::size_t acks_at_once() const noexcept;

  amqp_link& link_;
  loop& loop_;
  group_names names_;
  subscription what_;
  cancel_source life_;
  context life_context_;
  key_lanes lanes_;
  std::map<std::uint32_t, feed_ptr> feeds_;
  weft::event wake_, settled_, told_;
  bool stopped_ = false, abandoned_ = false, released_ = false, seen_suspects_ = false;
  bool lost_ = false;            // an ephemeral group's queue, and what was in it; it is there again
  std::optional<error> closed_;  // nothing comes any more
  std::uint64_t last_dead_ = 0;
};

// The handle.
class amqp_consumer final : public consumer {
 public:
  explicit amqp_consumer(std::shared_ptr<consumer_core> core) : core_{std::move(core)} {}
  ~amqp_consumer() override { core_->abandon(); }

  task<result<std::optional<raw_delivery>>> next(context ctx) override {
    return consumer_core::next(core_, std::move(ctx));
  }
  [[nodiscard]] std::optional<raw_delivery> try_next() override { return core_->take(); }
  task<result<>> settle(context ctx, delivery_tag tag, settlement how) override {
    return consumer_core::settle(core_, std::move(ctx), tag, std::move(how));
  }
  task<result<>> attached(context ctx) override { return consumer_core::attached(core_, std::move(ctx)); }
  [[nodiscard]] bool holds(delivery_tag tag) const noexcept override { return core_->holds(tag); }
  task<result<>> stop(context ctx) override { return consumer_core::stop(core_, std::move(ctx)); }

 private:
  std::shared_ptr<consumer_core> core_;
};

}  // namespace weft::messaging
