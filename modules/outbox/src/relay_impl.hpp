#pragma once
// The relay at work: tasks around the window (relay_window.hpp), which decides.
//
//     lease_regularly   renews, takes and shares leases     read        fills the window
//     dispatch          starts calls of publish(), each a task of its own
//     mark              deletes (or keeps) what has ended   listen      PostgreSQL's notifications
//     tidy              figures, and rows that were kept long enough
#include "outbox_impl.hpp"
#include "relay_statements.hpp"
#include "relay_window.hpp"

#include <weft/outbox/relay.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <string>

namespace weft::messaging {

struct outbox_relay::impl final : outbox::impl::listener {
  impl(outbox::impl& from, broker& to, relay_options o);
  ~impl();

  task<result<>> start(context ctx);
  task<result<>> stop(context ctx);
  task<void> leave();

  void wake() override;
  void read_everything() override;
  void share_leases() override;
  [[nodiscard]] std::size_t leases() const override { return window.leases(); }

  task<void> lease_regularly(context ctx);
  task<result<>> renew(context ctx);
  task<result<>> acquire(context ctx, std::size_t most);
  task<result<>> share(context ctx);
  void retire_surplus();
  task<result<>> hand_over(context ctx);
  task<void> tell_of_leases(context ctx);
  [[nodiscard]] std::size_t fair_share() const noexcept;
  void lose(unsigned shard, std::string_view why);
  void lose_expired();

  task<void> read(context ctx);
  enum class more : std::uint8_t { none, some };  // whether there may be more to read than was read
  task<result<more>> read_once(context ctx, std::size_t rows);
  [[nodiscard]] std::vector<storage::statement> settings_for_reading() const;
  [[nodiscard]] std::vector<storage::statement> settings_for_marking() const;
  task<void> dispatch(context ctx);
  task<void> publish(context ctx, relay_window::batch b);
  task<void> mark(context ctx);
  task<result<>> mark_once(context ctx, const std::vector<relay_window::mark>& marks);
  task<std::vector<relay_window::mark>> mark_apart(context ctx, std::vector<relay_window::mark> marks);
  task<void> listen(context ctx);
  task<void> tidy(context ctx);
  task<result<>> purge_sent(context ctx);
  void look_again() { look.set(), due.set(); }
  void warn(std::string_view what, const error& why) const;
  void count();

  outbox::impl& box;
  loop& l;
  broker& bus;
  relay_options options;
  std::string owner;
  relay_statements sql;
  relay_window window;
  // Something may be read; something may be published; something is to be marked; something has come to its end.
  weft::event look, due, ended, progress;
  weft::event lease_due;
  std::size_t calls = 0;
  std::size_t relays = 1, relays_before = 0;  // as last counted; those that come before this one by name
  bool share_due = false;
  bool started = false, stopping = false, marking = false, marks_no_more = false;
  std::uint64_t taken = 0, lost = 0;
  relay_window::totals shown;  // what the counters have
  observe::counter published, retried, parked, lease_taken, lease_lost, lease_handed_over;
  observe::gauge held, backlog, parked_now, oldest;
  task_group tasks;  // last: its tasks use what is above
};

}  // namespace weft::messaging
