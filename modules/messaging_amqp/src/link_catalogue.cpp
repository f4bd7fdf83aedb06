// Which groups there are. AMQP cannot be asked that, so whoever subscribes leaves a record in a queue, and takes out
// the earlier ones of the same group. Two that do so at once leave two records, which the next one makes one again.
#include <algorithm>
#include <set>

#include "amqp_link.hpp"
#include "queue_browser.hpp"

namespace weft::messaging {

namespace {

using entry = amqp_link::catalogue_entry;
constexpr std::size_t most_groups = 10'000;

std::string join_words(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& w : words) text += (text.empty() ? "" : " ") + w;
  return text;
}

entry read(const amqp::message& m) {
  entry e{.group = m.properties.message_id};
  if (const auto* p = m.properties.headers.find("weft-partitions"))
    e.partitions = static_cast<std::uint32_t>(std::clamp<std::int64_t>(p->integer().value_or(1), 1, 256));
  for (std::string_view rest = m.body; !rest.empty();) {
    const auto word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    e.patterns.emplace_back(word);
  }
  return e;
}

amqp::message written(const entry& e, const std::string& queue) {
  amqp::message m{.routing_key = queue, .body = join_words(e.patterns)};
  m.properties.message_id = e.group;
  m.properties.content_type = "text/plain";
  m.properties.headers = {{"weft-partitions", std::int64_t{e.partitions}}};
  return m;
}

void add_patterns(entry& to, const std::vector<std::string>& patterns) {
  for (const auto& p : patterns)
    if (std::ranges::find(to.patterns, p) == to.patterns.end()) to.patterns.push_back(p);
}

}  // namespace

// Not to be in the catalogue is no reason to refuse a subscription.
task<void> amqp_link::enter_in_catalogue(context ctx, group_names names, std::vector<std::string> patterns) {
  if (const auto at = entered_.find(names.group); at != entered_.end() && at->second == patterns) co_return;
  const auto queue = catalogue_queue(options_);
  if (!co_await topology_->declare(ctx, queue)) co_return;
  auto ch = co_await consuming_channel(ctx, {.confirms = amqp::confirms::off, .confirm_window = 1, .prefetch = 0});
  if (!ch) co_return;
  const auto records = co_await browse(loop_, *ch, ctx, queue.queue, most_groups);
  if (!records) co_return;
  entry mine{.group = names.group, .partitions = names.partitions, .patterns = {}};
  std::vector<const amqp::delivery*> earlier;
  for (const auto& r : *records) {
    if (r.message.properties.message_id != names.group) continue;
    add_patterns(mine, read(r.message).patterns);
    earlier.push_back(&r);
  }
  const auto known = mine.patterns.size();
  add_patterns(mine, patterns);
  if (earlier.size() != 1 || known != mine.patterns.size() ||
      read(earlier[0]->message).partitions != names.partitions) {
    if (!co_await send(ctx, written(mine, queue.queue))) co_return;
    for (const auto* r : earlier) ch->ack(*r);
  }
  static_cast<void>(co_await ch->close(ctx));
  entered_[names.group] = std::move(patterns);
}

task<result<std::vector<entry>>> amqp_link::catalogue(context ctx) {
  WEFT_CO_TRY_VOID(co_await ensure_consuming(ctx));
  WEFT_CO_TRY_VOID(co_await topology_->declare(ctx, catalogue_queue(options_)));
  WEFT_CO_TRY(auto ch,
              co_await consuming_channel(ctx, {.confirms = amqp::confirms::off, .confirm_window = 1, .prefetch = 0}));
  WEFT_CO_TRY(const auto records, co_await browse(loop_, ch, ctx, catalogue_queue(options_).queue, most_groups));
  WEFT_CO_TRY_VOID(co_await ch.close(std::move(ctx)));
  std::map<std::string, entry> by_name;
  for (const auto& r : records) {
    auto e = read(r.message);
    auto& known = by_name.try_emplace(e.group, e).first->second;
    add_patterns(known, e.patterns);
  }
  std::vector<entry> list;
  for (auto& [name, e] : by_name) list.push_back(std::move(e));
  co_return list;
}

task<result<>> amqp_link::strike_from_catalogue(context ctx, std::string group) {
  entered_.erase(group);
  WEFT_CO_TRY(auto ch,
              co_await consuming_channel(ctx, {.confirms = amqp::confirms::off, .confirm_window = 1, .prefetch = 0}));
  WEFT_CO_TRY(const auto records, co_await browse(loop_, ch, ctx, catalogue_queue(options_).queue, most_groups));
  for (const auto& r : records)
    if (r.message.properties.message_id == group) ch.ack(r);
  co_return co_await ch.close(std::move(ctx));
}

}  // namespace weft::messaging
