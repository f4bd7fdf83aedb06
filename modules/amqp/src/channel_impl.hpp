#pragma once
// A channel through all its generations: each time it is opened, on the same connection or the next, is one.
#include <weft/amqp/channel.hpp>
#include <weft/runtime/sync.hpp>

#include <map>
#include <set>

#include "connection_impl.hpp"
#include "delivery_queue.hpp"
#include "sansio/channel_protocol.hpp"
#include "sansio/publish_window.hpp"

namespace weft::amqp {

enum class channel_role : std::uint8_t { user, administration };

struct consumer_impl {
  consumer_impl(loop& l, const backoff_options& delays) : arrived{l}, attachment{l}, recovery{delays} {}
  consume_options options;
  std::string tag;
  std::shared_ptr<channel_impl> owner;
  delivery_queue waiting;
  event arrived;     // set: look again
  event attachment;  // pulsed when it changes
  bool attached = false;
  backoff recovery;        // of this consumer alone, on a channel that is open
  bool cancelled = false;  // by the broker, since it was asked for last
  bool recovering = false;
  std::optional<error> ended;
};

class channel_impl final : public std::enable_shared_from_this<channel_impl> {
 public:
  enum class state : std::uint8_t { down, reviving, ready, closed };
  using self = std::shared_ptr<channel_impl>;

  channel_impl(std::shared_ptr<connection_impl> c, channel_options options, channel_role role);

  // Opens it, or opens it again, with all that was on it; again and again while the connection lives.
  static task<void> revive(self c, context ctx);
  static task<result<>> wait_ready(self c, context ctx);
  // When it is open.
  static task<result<sansio::channel_event>> call(self c, context ctx, method request);
  // While it is being opened too.
  static task<result<sansio::channel_event>> call_now(self c, context ctx, method request);

  static task<result<>> publish(self c, context ctx, message m, channel::settled_callback late);
  static task<result<>> publish_nowait(self c, context ctx, message m, channel::settled_callback settled);
  result<> try_publish(message&& m, channel::settled_callback&& settled);
  static task<result<>> flush(self c, context ctx);
  [[nodiscard]] std::size_t unconfirmed() const noexcept { return window_.size(); }

  static task<result<std::shared_ptr<consumer_impl>>> consume(self c, context ctx, consume_options options);
  static task<result<>> cancel(self c, context ctx, std::shared_ptr<consumer_impl> what);
  void drop(consumer_impl& what) noexcept;
  static task<result<delivery>> next(self c, context ctx, std::shared_ptr<consumer_impl> of);
  std::optional<delivery> try_next(consumer_impl& of);
  static task<result<>> wait_attached(self c, context ctx, std::shared_ptr<consumer_impl> what);
  static task<result<std::optional<delivery>>> get(self c, context ctx, std::string queue, acknowledgement how);
  static task<result<>> qos(self c, context ctx, std::uint16_t prefetch);
  acknowledged settle(const delivery& d, const method& how);

  static task<result<>> close(self c, context ctx);
  void abandon();  // its handle is gone
  void end(const error& why);

  // From the connection.
  void arrived(method m);
  void arrived(sansio::content&& c);
  void connection_lost(const error& why);
  void pump();
  // Whether the broker still has something to say that somebody here waits for.
  [[nodiscard]] bool answer_awaited() const noexcept { return !calls_.empty() || window_.in_flight() > 0; }

  [[nodiscard]] connection_impl& connection() const noexcept { return *connection_; }
  [[nodiscard]] state current() const noexcept { return state_; }
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

 private:
  struct pending_call {
    explicit pending_call(loop& l) : done{l} {}
    event done;
    std::optional<result<sansio::channel_event>> outcome;
  };
  static task<result<>> open_once(self c, context ctx);
  static task<result<sansio::channel_event>> await_reply(self c, context ctx, std::uint64_t request);
  static task<result<>> attach_consumer(self c, context ctx, std::shared_ptr<consumer_impl> what);
  static task<void> recover_consumer(self c, context ctx, std::shared_ptr<consumer_impl> what);

  void on_event(sansio::channel_event event);
  void on_settled(const sansio::channel_settled& s);
  void on_delivery(sansio::content&& c, basic_deliver& how);
  void on_return(const sansio::content& c, const basic_return& how);
  void on_cancelled(const std::string& tag);
  void on_ended(const sansio::channel_ended& e);
  [[nodiscard]] duration pause_before_revival(const sansio::channel_ended& e);
  static task<void> revive_after(self c, context ctx, duration pause);
  void finish_calls(const error& why);
  void down(const error& why);
  void send_quietly(const method& m);
  std::shared_ptr<sansio::publication> push(message&& m, channel::settled_callback&& done);
  void untake(const consumer_impl& of) noexcept;
  void finish(sansio::publication& p, result<> outcome);
  [[nodiscard]] error gone() const;

  loop& loop_;
  std::shared_ptr<connection_impl> connection_;
  channel_options options_;
  channel_role role_;
  state state_ = state::down;
  backoff reviving_;
  std::optional<error> ended_;
  std::uint64_t generation_ = 0;
  bool flow_ = true;
  sansio::channel_protocol protocol_;
  std::map<std::uint64_t, std::shared_ptr<pending_call>> calls_;
  std::set<std::uint64_t> late_gets_;  // nobody waits any more for what basic.get brings: it goes back to its queue
  sansio::publish_window window_;
  // After a publication closed the channel: how many of those in flight are sent one by one, to find which it was.
  std::size_t suspects_ = 0;
  bool pumping_ = false;
  semaphore permits_;
  event changed_, settled_;
  std::uint64_t last_consumer_ = 0;
  std::vector<std::shared_ptr<consumer_impl>> consumers_;  // in the order of their beginning
};

}  // namespace weft::amqp
