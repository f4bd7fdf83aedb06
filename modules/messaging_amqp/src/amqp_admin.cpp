#include <weft/messaging_amqp/amqp_broker.hpp>

#include <algorithm>

#include "amqp_link.hpp"
#include "consumer_core.hpp"
#include "queue_browser.hpp"

namespace weft::messaging {

namespace {

constexpr std::size_t replayed_at_once = 500;
constexpr amqp::channel_options for_browsing{.confirms = amqp::confirms::off, .confirm_window = 1, .prefetch = 0};

task<result<amqp::queue_status>> status_of(amqp_link& link, context ctx, std::string queue) {
  return link.topology().declare(std::move(ctx), amqp::queue_declare{.queue = std::move(queue), .passive = true});
}

// A group, in the shape that it has in the broker.
task<result<group_names>> find_group(amqp_link& link, context ctx, std::string group) {
  WEFT_CO_TRY_VOID(co_await link.ensure_consuming(ctx));
  for (const auto partitions : {1U, link.options().partitions}) {
    WEFT_CO_TRY(auto names, name_group(link.options(), group, partitions));
    const auto there = co_await status_of(link, ctx, names.queues().front());
    if (there) co_return names;
    if (there.error().code() != errc::not_found) co_return fail(there.error());
  }
  co_return fail(errc::not_found, "no group '" + group + "'");
}

struct held_letter {
  dead_letter_entry entry;
  amqp::delivery from;
};

held_letter read(amqp::delivery&& d, const std::string& group) {
  held_letter h;
  h.from.tag = d.tag;
  h.from.generation = d.generation;
  h.entry = dead_letter_from_amqp(std::move(d.message), group);
  return h;
}

task<result<std::vector<held_letter>>> hold(amqp_link& link, amqp::channel& ch, context ctx, const group_names& names,
                                            std::size_t limit) {
  WEFT_CO_TRY(auto got, co_await browse(link.on(), ch, std::move(ctx), names.dead(), limit));
  std::vector<held_letter> letters;
  letters.reserve(got.size());
  for (auto& d : got) letters.push_back(read(std::move(d), names.group));
  co_return letters;
}

// Those of these numbers, or all; errc::not_found for one that is not there.
result<std::vector<held_letter>> chosen(std::vector<held_letter> all, const std::vector<std::uint64_t>& numbers,
                                        const std::string& group) {
  if (numbers.empty()) return all;
  for (const auto number : numbers)
    if (std::ranges::find(all, number, [](const held_letter& h) { return h.entry.number; }) == all.end())
      return fail(errc::not_found, "no dead letter " + std::to_string(number) + " in group '" + group + "'");
  std::erase_if(all, [&](const held_letter& h) { return std::ranges::find(numbers, h.entry.number) == numbers.end(); });
  return all;
}

// Those that are not chosen, in their order: at once, and not only some time after the channel is closed.
void put_back(amqp::channel& ch, const std::vector<held_letter>& all, const std::vector<held_letter>& taken) {
  const held_letter* last = nullptr;
  auto next = taken.rbegin();  // they are in the same order
  for (auto each = all.rbegin(); each != all.rend() && last == nullptr; ++each) {
    if (next != taken.rend() && next->from.tag == each->from.tag)
      ++next;
    else
      last = &*each;
  }
  if (last != nullptr) ch.nack(last->from, amqp::rejected::requeue, amqp::cumulative::yes);
}

// Confirmed before the dead letter is taken away.
task<result<>> replay_these(amqp_link& link, amqp::channel& ch, context ctx, const group_names& names,
                            const std::vector<held_letter>& letters) {
  const auto how = names.partitions > 1 ? partitioned::yes : partitioned::no;
  for (std::size_t from = 0; from < letters.size(); from += replayed_at_once) {
    const auto count = std::min(replayed_at_once, letters.size() - from);
    std::vector<amqp::message> several;
    for (std::size_t i = 0; i < count; ++i)
      several.push_back(names.addressed(to_amqp_copy(*letters[from + i].entry.what, {}, how)));
    const auto sent = co_await link.send_all(ctx, std::move(several));
    for (std::size_t i = 0; i < count; ++i)
      if (sent[i]) ch.ack(letters[from + i].from);
    for (const auto& each : sent) WEFT_CO_TRY_VOID(each);
  }
  co_return result<>{};
}

}  // namespace

task<result<std::vector<group_depth>>> amqp_broker::depths(context ctx) {
  WEFT_CO_TRY(const auto groups, co_await link_->catalogue(ctx));
  std::vector<group_depth> list;
  for (const auto& g : groups) {
    group_depth d{.group = g.group, .patterns = g.patterns};
    WEFT_CO_TRY(const auto names, name_group(link_->options(), g.group, g.partitions));
    bool there = false;
    for (const auto& queue : names.queues()) {
      const auto status = co_await status_of(*link_, ctx, queue);
      if (!status && status.error().code() == errc::not_found) continue;
      if (!status) co_return fail(status.error());
      there = true;
      d.ready += status->messages;
      d.consumers += status->consumers;
    }
    if (!there) continue;
    if (const auto dead = co_await status_of(*link_, ctx, names.dead())) d.dead = dead->messages;
    for (const auto* c : link_->consumers())
      if (c->group() == g.group) d.in_flight += c->in_flight();
    list.push_back(std::move(d));
  }
  co_return list;
}

task<result<std::vector<dead_letter_entry>>> amqp_broker::dead_letters(context ctx, dead_letter_query query) {
  WEFT_CO_TRY(const auto names, co_await find_group(*link_, ctx, query.group));
  WEFT_CO_TRY(auto ch, co_await link_->consuming_channel(ctx, for_browsing));
  WEFT_CO_TRY(auto held, co_await hold(*link_, ch, ctx, names, link_->options().max_browse));
  put_back(ch, held, {});
  WEFT_CO_TRY_VOID(co_await ch.close(std::move(ctx)));
  std::vector<dead_letter_entry> list;
  for (auto& h : held)
    if (h.entry.number > query.after) list.push_back(std::move(h.entry));
  std::ranges::sort(list, {}, &dead_letter_entry::number);
  if (list.size() > query.limit) list.resize(query.limit);
  co_return list;
}

task<result<std::size_t>> amqp_broker::replay(context ctx, std::string group, std::vector<std::uint64_t> numbers) {
  WEFT_CO_TRY(const auto names, co_await find_group(*link_, ctx, group));
  WEFT_CO_TRY(auto ch, co_await link_->consuming_channel(ctx, for_browsing));
  WEFT_CO_TRY(const auto held, co_await hold(*link_, ch, ctx, names, link_->options().max_browse));
  const auto letters = chosen(held, numbers, group);
  if (letters) WEFT_CO_TRY_VOID(co_await replay_these(*link_, ch, ctx, names, *letters));
  put_back(ch, held, letters ? *letters : std::vector<held_letter>{});
  WEFT_CO_TRY_VOID(co_await ch.close(std::move(ctx)));
  if (!letters) co_return fail(letters.error());
  co_return letters->size();
}

task<result<std::size_t>> amqp_broker::purge(context ctx, std::string group, std::vector<std::uint64_t> numbers) {
  WEFT_CO_TRY(const auto names, co_await find_group(*link_, ctx, group));
  if (numbers.empty()) {
    WEFT_CO_TRY(const auto count, co_await link_->topology().purge(std::move(ctx), names.dead()));
    co_return count;
  }
  WEFT_CO_TRY(auto ch, co_await link_->consuming_channel(ctx, for_browsing));
  WEFT_CO_TRY(const auto held, co_await hold(*link_, ch, ctx, names, link_->options().max_browse));
  const auto letters = chosen(held, numbers, group);
  if (letters)
    for (const auto& h : *letters) ch.ack(h.from);
  put_back(ch, held, letters ? *letters : std::vector<held_letter>{});
  WEFT_CO_TRY_VOID(co_await ch.close(std::move(ctx)));
  if (!letters) co_return fail(letters.error());
  co_return letters->size();
}

task<result<std::size_t>> amqp_broker::clear(context ctx, std::string group) {
  WEFT_CO_TRY(const auto names, co_await find_group(*link_, ctx, std::move(group)));
  std::size_t count = 0;
  for (const auto& queue : names.queues()) {
    WEFT_CO_TRY(const auto purged, co_await link_->topology().purge(ctx, queue));
    count += purged;
  }
  co_return count;
}

// Quorum queues are not deleted "if unused", so there is a moment between the look and the deed.
task<result<>> amqp_broker::remove_group(context ctx, std::string group) {
  WEFT_CO_TRY(const auto names, co_await find_group(*link_, ctx, group));
  std::uint32_t consumers = 0;
  for (const auto& queue : names.queues()) {
    WEFT_CO_TRY(const auto status, co_await status_of(*link_, ctx, queue));
    consumers += status.consumers;
  }
  if (consumers > 0)
    co_return fail(errc::failed_precondition, "group '" + group + "' has " + std::to_string(consumers) + " consumers");
  auto& ch = link_->topology();
  auto queues = names.queues();
  for (const auto& queue : names.queues()) queues.push_back(attempts_queue(queue).queue);
  queues.push_back(names.dead());
  if (names.partitions > 1) {
    queues.push_back(names.members());
    WEFT_CO_TRY_VOID(co_await ch.remove(ctx, amqp::exchange_delete{.exchange = names.partition_exchange()}));
  }
  for (auto& queue : queues) WEFT_CO_TRY_VOID(co_await ch.remove(ctx, amqp::queue_delete{.queue = std::move(queue)}));
  co_return co_await link_->strike_from_catalogue(std::move(ctx), std::move(group));
}

}  // namespace weft::messaging
