#include "dead_letters.hpp"

#include <weft/base/time.hpp>
#include <weft/json/writer.hpp>

#include <algorithm>

#include "admin.hpp"
#include "dead_letter_view.hpp"

namespace weft::cli {

namespace {

using messaging::broker_admin;
using messaging::dead_letter_entry;

struct found {
  std::vector<dead_letter_entry> list;
  bool more = false;  // beyond the limit
};

task<result<found>> find(broker_admin& admin, context ctx, listing what) {
  std::vector<std::string> groups;
  if (what.group.empty()) {
    WEFT_CO_TRY(const auto depths, co_await admin.depths(ctx));
    for (const auto& d : depths)
      if (d.dead > 0) groups.push_back(d.group);
  } else {
    groups.push_back(what.group);
  }
  found f;
  for (const auto& group : groups) {
    const auto room = what.limit - f.list.size();
    auto some = co_await admin.dead_letters(ctx, {.group = group, .after = what.after, .limit = room + 1});
    if (!some && what.group.empty() && some.error().code() == errc::not_found) continue;  // gone since
    if (!some) co_return fail(some.error());
    for (auto& each : *some) {
      if (f.list.size() == what.limit) {
        f.more = true;
        co_return f;
      }
      f.list.push_back(std::move(each));
    }
  }
  co_return f;
}

error with_list_remedy(const error& e, std::string_view group) {
  if (e.code() != errc::not_found) return e;
  return e.with_remedy("`weft groups` lists the groups, `weft dlq list --group " + std::string{group} +
                       "` the dead letters of this one");
}

enum class deed : std::uint8_t { replay, purge };

task<result<>> settle_dead_letters(messaging::broker& from, context ctx, selection what, deed how, terminal to) {
  if (what.all == !what.numbers.empty()) {
    const error e{errc::invalid_argument, what.all ? "both numbers and --all" : "neither numbers nor --all"};
    co_return fail(e.with_remedy("name the dead letters by their numbers, or say --all"));
  }
  WEFT_CO_TRY(auto* admin, admin_of(from));
  const auto done = how == deed::replay ? co_await admin->replay(std::move(ctx), what.group, what.numbers)
                                        : co_await admin->purge(std::move(ctx), what.group, what.numbers);
  if (!done) co_return fail(with_list_remedy(done.error(), what.group));
  const std::string_view name = how == deed::replay ? "replayed" : "purged";
  if (to.how == format::json) {
    json::writer w;
    w.begin_object();
    w.member("group");
    w.string(what.group);
    w.member(name);
    w.unsigned_number(*done);
    w.end_object();
    to.out << std::move(w).take() << '\n';
  } else {
    to.out << name << ' ' << counted(*done, "dead letter") << " of " << one_line(what.group, 255) << '\n';
  }
  co_return result<>{};
}

}  // namespace

task<result<>> list_dead_letters(messaging::broker& from, context ctx, listing what, terminal to) {
  WEFT_CO_TRY(auto* admin, admin_of(from));
  const auto all = co_await find(*admin, std::move(ctx), what);
  if (!all) co_return fail(with_list_remedy(all.error(), what.group));
  if (to.how == format::json) {
    write_dead_letters(to.out, all->list);
  } else if (all->list.empty()) {
    to.notes << "no dead letters" << (what.group.empty() ? "" : " in group " + one_line(what.group, 255)) << '\n';
  } else {
    print_dead_letters(to.out, all->list);
  }
  if (!all->more) co_return result<>{};
  to.notes << "there are more; ";
  if (what.group.empty())
    to.notes << "a higher --limit, or --group GROUP, shows them\n";
  else
    to.notes << "--after " << all->list.back().number << " shows the next\n";
  co_return result<>{};
}

task<result<>> show_dead_letter(messaging::broker& from, context ctx, showing what, terminal to) {
  WEFT_CO_TRY(auto* admin, admin_of(from));
  if (what.number == 0) co_return fail(errc::invalid_argument, "dead letters are numbered from 1");
  const auto some =
      co_await admin->dead_letters(std::move(ctx), {.group = what.group, .after = what.number - 1, .limit = 1});
  if (!some) co_return fail(with_list_remedy(some.error(), what.group));
  if (some->empty() || some->front().number != what.number) {
    const error e{errc::not_found, "no dead letter " + std::to_string(what.number) + " in group '" + what.group + "'"};
    co_return fail(with_list_remedy(e, what.group));
  }
  if (to.how == format::json)
    write_dead_letter(to.out, some->front());
  else
    print_dead_letter(to.out, some->front(), what.max_body_bytes);
  co_return result<>{};
}

task<result<>> replay_dead_letters(messaging::broker& from, context ctx, selection what, terminal to) {
  return settle_dead_letters(from, std::move(ctx), std::move(what), deed::replay, to);
}

task<result<>> purge_dead_letters(messaging::broker& from, context ctx, selection what, terminal to) {
  return settle_dead_letters(from, std::move(ctx), std::move(what), deed::purge, to);
}

}  // namespace weft::cli
