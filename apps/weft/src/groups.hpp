#pragma once
// weft groups: what waits where, and groups that nobody needs any more.
//
//     co_await list_groups(broker, ctx, to);
//     co_await clear_group(broker, ctx, {.group = "billing"}, to);      // its messages; the dead letters stay
//     co_await remove_group(broker, ctx, {.group = "billing"}, to);     // and all that is in it, with --force
//
// errc::unimplemented for a broker that cannot tell.
#include <weft/messaging/broker.hpp>

#include <string>

#include "terminal.hpp"

namespace weft::cli {

struct groups_listing {};

struct group_clearing {
  std::string group;
};

struct group_removing {
  std::string group;
  bool force = false;  // also when there are messages or dead letters in it
};

[[nodiscard]] task<result<>> list_groups(messaging::broker& from, context ctx, terminal to);
// Drops what is ready and delayed.
[[nodiscard]] task<result<>> clear_group(messaging::broker& from, context ctx, group_clearing what, terminal to);
// errc::failed_precondition while somebody consumes, and for a group that is not empty, without `force`.
[[nodiscard]] task<result<>> remove_group(messaging::broker& from, context ctx, group_removing what, terminal to);

}  // namespace weft::cli
