#pragma once
// What the outbox and its relays share.
#include "outbox_sql.hpp"

#include <weft/outbox/outbox.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <set>

namespace weft::messaging {

inline constexpr std::string_view outbox_channel = "weft_outbox";
inline constexpr std::string_view leases_changed = "leases";  // on that channel; without it: there are messages

struct outbox::impl {
  impl(storage::database& d, outbox_options o)
      : db{d}, options{std::move(o)}, sql{d.kind()}, notify_wanted{d.owner()}, tasks{d.owner()} {}

  // Tells the relays of other processes, coalesced: a NOTIFY inside the user's transaction would cost it dearly.
  task<void> notify_others(context ctx);
  [[nodiscard]] bool all_shards_are_held_here() const;
  void parked_ones_changed();

  storage::database& db;
  outbox_options options;
  outbox_sql sql;
  std::string insert, depth, parked, replay_some, replay_all, purge_some, purge_all;
  weft::event notify_wanted;
  bool notifying = false;
  struct listener {  // a relay of this process
    virtual void wake() = 0;
    virtual void read_everything() = 0;  // rows below those that were read may be read again
    virtual void share_leases() = 0;     // a relay came, or gave something back
    [[nodiscard]] virtual std::size_t leases() const = 0;

   protected:
    ~listener() = default;
  };
  std::set<listener*> relays;  // visited in no order that matters
  task_group tasks;            // last: it uses what is above
};

}  // namespace weft::messaging
