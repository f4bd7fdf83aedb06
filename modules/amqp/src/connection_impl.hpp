#pragma once
// The living connection: one task connects, reads and reconnects; beside each connection's reader run its writer, its
// heartbeat and its recovery, which end with it.
#include <weft/amqp/connection.hpp>
#include <weft/runtime/backoff.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <map>
#include <memory>

#include "sansio/session.hpp"
#include "sansio/topology.hpp"

namespace weft::amqp {

class channel_impl;
struct consumer_impl;

class connection_impl final : public sansio::session_events, public std::enable_shared_from_this<connection_impl> {
 public:
  connection_impl(loop& l, connection_options options);
  connection_impl(const connection_impl&) = delete;
  connection_impl& operator=(const connection_impl&) = delete;
  ~connection_impl();

  void start();
  // Waits of others end; what is not confirmed fails; nothing runs any more.
  void stop(const error& why);

  static task<result<>> opened_or_failed(std::shared_ptr<connection_impl> self, context ctx);
  static task<result<>> close(std::shared_ptr<connection_impl> self, context ctx);
  static task<result<>> update_secret(std::shared_ptr<connection_impl> self, context ctx, std::string secret,
                                      std::string reason);
  static task<result<>> wait_for(std::shared_ptr<connection_impl> self, context ctx, connection_state wanted);

  // ---- for channels ----
  void add(std::shared_ptr<channel_impl> c);
  void remove(const channel_impl& c) noexcept;
  // Frames on this number go to this channel, until the number is released or the connection is lost.
  result<std::uint16_t> attach(std::shared_ptr<channel_impl> c);
  void detach(std::uint16_t number);
  // Runs as long as the present connection lives; false when there is none.
  bool spawn(task<void> work);
  [[nodiscard]] context life_context();
  void flush() {
    output_ready_.set();
    if (reading_paused_) reading_wanted_.set();  // for the answer, if there is to be one
  }
  [[nodiscard]] bool output_full() noexcept { return session_->output().size() >= options_.output_max; }
  void break_off(error why);  // the connection cannot go on
  void taken(std::size_t bytes) noexcept;
  void arrived_unread(std::size_t bytes) noexcept { unread_ += bytes; }
  void emit(connection_event::kind what, std::string_view subject = {}, std::optional<error> why = {});

  // One request on the connection's own channel. A refusal fails it and nothing else.
  task<result<method>> administer(context ctx, method request);
  task<result<>> restore_queue(context ctx, std::string queue);

  [[nodiscard]] loop& on() noexcept { return loop_; }
  [[nodiscard]] sansio::session& session() noexcept { return *session_; }
  [[nodiscard]] sansio::topology& topology() noexcept { return topology_; }
  [[nodiscard]] const connection_options& options() const noexcept { return options_; }
  [[nodiscard]] bool connected() const noexcept { return life_ != nullptr && ready_; }
  [[nodiscard]] bool publishing_allowed() const noexcept { return connected() && !blocked_; }
  [[nodiscard]] connection_state state() const noexcept { return state_; }
  [[nodiscard]] const std::string& blocked_reason() const noexcept { return blocked_reason_; }
  [[nodiscard]] const std::optional<error>& last_problem() const noexcept { return last_problem_; }
  [[nodiscard]] std::uint32_t frame_max() const noexcept {
    return session_ ? session_->tuned().frame_max : options_.frame_max;
  }
  [[nodiscard]] std::uint64_t connects() const noexcept { return connects_; }
  [[nodiscard]] backoff_options delays() const noexcept {
    return {.initial = options_.backoff_first, .max = options_.backoff_most};
  }
  // Of deliveries: two channels never have the same, so one cannot be acknowledged on a channel that it is not of.
  [[nodiscard]] std::uint64_t next_generation() noexcept { return ++generations_; }

 private:
  // session_events
  void opened() override;
  void arrived(std::uint16_t channel, method m) override;
  void arrived(std::uint16_t channel, sansio::content&& c) override;
  void blocked(std::string reason) override;
  void unblocked() override;
  void secret_updated() override;

  task<void> run(context ctx);
  task<bool> try_hosts(context ctx);
  task<error> live(context ctx, std::unique_ptr<stream> s, const net::endpoint& at, steady_time open_until);
  task<error> read(stream& s);
  task<void> write(context ctx, stream& s);
  task<void> keep_alive(context ctx, stream& s, steady_time open_until);
  task<void> recover(context ctx);
  task<void> restore_topology(context ctx);
  task<void> insist(context ctx, method step);
  task<void> interrupt_reading(context ctx);
  void enter(connection_state state);
  void lost(const error& why);
  [[nodiscard]] bool answer_awaited() const noexcept;
  [[nodiscard]] sansio::session_options session_options() const;

  loop& loop_;
  connection_options options_;
  connection_state state_ = connection_state::connecting;
  std::optional<sansio::session> session_;
  task_group* life_ = nullptr;  // of the present connection
  stream* stream_ = nullptr;    // the same
  context life_context_;
  bool ready_ = false;    // the session is open
  bool closing_ = false;  // by the user
  bool blocked_ = false;
  bool reading_paused_ = false;
  std::string blocked_reason_;
  std::optional<error> last_problem_, broken_;
  std::uint64_t connects_ = 0;
  std::uint64_t secrets_sent_ = 0, secrets_updated_ = 0;
  std::size_t unread_ = 0;
  std::uint64_t generations_ = 0;
  weft::backoff reconnecting_;

  std::vector<std::shared_ptr<channel_impl>> channels_;             // in the order of opening
  std::map<std::uint16_t, std::shared_ptr<channel_impl>> numbers_;  // of the present connection
  std::shared_ptr<channel_impl> administration_;
  semaphore administering_;
  sansio::topology topology_;
  event output_ready_, changed_, reading_wanted_, opened_;
  std::optional<task_group> group_;  // last: its tasks use the rest
};

}  // namespace weft::amqp
