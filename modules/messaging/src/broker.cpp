#include <weft/messaging/broker.hpp>
#include <weft/messaging/broker_factory.hpp>
#include <weft/messaging/topic_pattern.hpp>

#include <stdexcept>

namespace weft::messaging {

result<> subscription::validate() const {
  if (group.size() > max_name_bytes) return fail(errc::invalid_argument, "group: longer than 255 bytes");
  if (patterns.empty()) return fail(errc::invalid_argument, "patterns: a subscription takes at least one topic");
  if (prefetch == 0) return fail(errc::invalid_argument, "prefetch: at least 1");
  for (const auto& p : patterns)
    if (const auto parsed = topic_pattern::parse(p); !parsed)
      return fail(errc::invalid_argument, "patterns: " + std::string{parsed.error().message()});
  return {};
}

result<> outgoing::validate(const message_limits& limits) const {
  WEFT_TRY_VOID(messaging::validate(what, limits));
  if (delay < duration::zero()) return fail(errc::invalid_argument, "the delay is negative");
  return {};
}

std::optional<result<>> consumer::try_settle(delivery_tag, settlement&) { return std::nullopt; }

task<result<std::vector<raw_delivery>>> consumer::next_some(context ctx) {
  std::vector<raw_delivery> some;
  WEFT_CO_TRY(auto first, co_await next(std::move(ctx)));
  if (first) some.push_back(*std::move(first));
  while (!some.empty()) {
    auto more = try_next();
    if (!more) break;
    some.push_back(*std::move(more));
  }
  co_return some;
}

bool consumer::holds(delivery_tag) const noexcept { return true; }

task<result<>> consumer::attached(context) { co_return result<>{}; }

task<result<>> broker::check(context) { co_return result<>{}; }

task<result<>> publish_one(broker& to, context ctx, outgoing what) {
  std::vector<outgoing> batch;
  batch.push_back(std::move(what));
  auto results = co_await to.publish(std::move(ctx), std::move(batch));
  co_return std::move(results.at(0));
}

broker_factory& broker_factory::add(std::string scheme, broker_opener open) {
  if (!openers_.try_emplace(scheme, std::move(open)).second)
    throw std::invalid_argument{"two kinds of broker for the scheme '" + scheme + "'"};
  return *this;
}

task<result<std::unique_ptr<broker>>> broker_factory::open(loop& l, context ctx, std::string url) const {
  const auto colon = url.find(':');
  const auto scheme = url.substr(0, colon);
  const auto at = colon == url.npos ? openers_.end() : openers_.find(scheme);
  if (at == openers_.end()) {
    std::string known;
    for (const auto& [name, open] : openers_) known += (known.empty() ? "" : ", ") + name;
    const error e{errc::invalid_argument, "no broker for '" + scheme + ":'"};
    co_return fail(e.with_remedy("the program has: " + (known.empty() ? "none" : known)));
  }
  co_return co_await at->second(l, std::move(ctx), std::move(url));
}

}  // namespace weft::messaging
