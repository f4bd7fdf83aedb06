#include "groups.hpp"

#include <weft/json/writer.hpp>

#include <algorithm>

#include "admin.hpp"
#include "table.hpp"

namespace weft::cli {

namespace {

void write(json::writer& w, const messaging::group_depth& d) {
  const auto number = [&](std::string_view name, std::uint64_t value) {
    w.member(name);
    w.unsigned_number(value);
  };
  w.begin_object();
  w.member("group");
  w.string(d.group);
  number("ready", d.ready);
  number("in_flight", d.in_flight);
  number("delayed", d.delayed);
  number("dead", d.dead);
  number("bytes", d.bytes);
  number("consumers", d.consumers);
  w.member("patterns");
  w.begin_array();
  for (const auto& p : d.patterns) {
    w.element();
    w.string(p);
  }
  w.end_array();
  w.end_object();
}

error with_groups_remedy(const error& e) {
  return e.code() == errc::not_found ? e.with_remedy("`weft groups` lists the groups") : e;
}

task<result<>> check_empty(messaging::broker_admin& admin, context ctx, std::string group) {
  WEFT_CO_TRY(const auto depths, co_await admin.depths(std::move(ctx)));
  const auto at = std::ranges::find(depths, group, &messaging::group_depth::group);
  if (at == depths.end()) co_return result<>{};  // who removes it says so
  const auto waiting = at->ready + at->delayed;
  if (waiting + at->dead == 0) co_return result<>{};
  const error e{errc::failed_precondition, "group '" + group + "' has " + counted(waiting, "message") + " and " +
                                               counted(at->dead, "dead letter")};
  co_return fail(e.with_remedy("--force deletes them with it"));
}

void say_deed(terminal to, std::string_view name, std::size_t count, const std::string& group) {
  json::writer w;
  w.begin_object();
  w.member("group");
  w.string(group);
  w.member(name);
  w.unsigned_number(count);
  w.end_object();
  to.out << std::move(w).take() << '\n';
}

}  // namespace

task<result<>> list_groups(messaging::broker& from, context ctx, terminal to) {
  WEFT_CO_TRY(auto* admin, admin_of(from));
  WEFT_CO_TRY(const auto depths, co_await admin->depths(std::move(ctx)));
  if (to.how == format::json) {
    json::writer w;
    w.begin_array();
    for (const auto& d : depths) {
      w.element();
      write(w, d);
    }
    w.end_array();
    to.out << std::move(w).take() << '\n';
    co_return result<>{};
  }
  table t{{"GROUP"},
          {"READY", column::right},
          {"IN FLIGHT", column::right},
          {"DELAYED", column::right},
          {"DEAD", column::right},
          {"BYTES", column::right},
          {"CONSUMERS", column::right},
          {"PATTERNS"}};
  for (const auto& d : depths) {
    std::string patterns;
    for (const auto& p : d.patterns) patterns += (patterns.empty() ? "" : " ") + p;
    t.add({one_line(d.group, 60), std::to_string(d.ready), std::to_string(d.in_flight), std::to_string(d.delayed),
           std::to_string(d.dead), std::to_string(d.bytes), std::to_string(d.consumers), one_line(patterns, 80)});
  }
  if (t.empty())
    to.notes << "no groups\n";
  else
    t.print(to.out);
  co_return result<>{};
}

task<result<>> clear_group(messaging::broker& from, context ctx, group_clearing what, terminal to) {
  WEFT_CO_TRY(auto* admin, admin_of(from));
  const auto done = co_await admin->clear(std::move(ctx), what.group);
  if (!done) co_return fail(with_groups_remedy(done.error()));
  if (to.how == format::json)
    say_deed(to, "cleared", *done, what.group);
  else
    to.out << "cleared " << one_line(what.group, 255) << " of " << counted(*done, "message") << '\n';
  co_return result<>{};
}

task<result<>> remove_group(messaging::broker& from, context ctx, group_removing what, terminal to) {
  WEFT_CO_TRY(auto* admin, admin_of(from));
  if (!what.force) WEFT_CO_TRY_VOID(co_await check_empty(*admin, ctx, what.group));
  if (const auto done = co_await admin->remove_group(std::move(ctx), what.group); !done)
    co_return fail(with_groups_remedy(done.error()));
  if (to.how == format::json)
    say_deed(to, "removed", 1, what.group);
  else
    to.out << "removed " << one_line(what.group, 255) << '\n';
  co_return result<>{};
}

}  // namespace weft::cli
