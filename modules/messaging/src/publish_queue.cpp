#include <weft/messaging/publish_queue.hpp>
#include <weft/runtime/backoff.hpp>
#include <weft/runtime/sleep.hpp>

#include <algorithm>
#include <set>
#include <stdexcept>

namespace weft::messaging {

result<> publish_queue_options::validate() const {
  const auto wrong = [](std::string_view what) { return fail(errc::invalid_argument, what); };
  if (max_messages == 0) return wrong("max_messages: at least 1");
  if (max_bytes == 0) return wrong("max_bytes: at least 1");
  if (batch == 0) return wrong("batch: at least 1");
  if (publish_timeout <= duration::zero()) return wrong("publish_timeout: more than nothing");
  if (first_delay <= duration::zero()) return wrong("first_delay: more than nothing");
  if (max_delay < first_delay) return wrong("max_delay: at least first_delay");
  return {};
}

publish_queue::publish_queue(loop& l, publisher& to, publish_queue_options options)
    : loop_{l}, to_{to}, options_{std::move(options)}, more_{l}, empty_{l}, tasks_{l} {
  if (const auto valid = options_.validate(); !valid)
    throw std::invalid_argument{options_.name + ": " + std::string{valid.error().message()}};
  empty_.set();
  if (options_.metrics != nullptr) {
    gauge_ = options_.metrics
                 ->add_gauge("weft_messaging_publish_queue_messages", "Messages that the broker has not taken yet.",
                             {"queue"})
                 .with({options_.name});
    refused_ = options_.metrics
                   ->add_counter("weft_messaging_publish_queue_refused_total",
                                 "Messages that the broker refused for good, and that were dropped.", {"queue"})
                   .with({options_.name});
  }
  tasks_.spawn(publish_all());
}

publish_queue::~publish_queue() = default;

result<> publish_queue::add(outgoing what) {
  const auto bytes = what.what.size();
  if (bytes > options_.max_bytes)
    return fail(error{errc::resource_exhausted, options_.name + ": the message has " + std::to_string(bytes) +
                                                    " bytes, more than max_bytes allows"}
                    .with_limit(limit_kind::size));
  if (waiting_.size() >= options_.max_messages || bytes_ + bytes > options_.max_bytes) {
    const error full{errc::resource_exhausted,
                     options_.name + ": " + std::to_string(waiting_.size()) + " messages wait for the broker"};
    return fail(full.with_remedy("see why the broker does not take them, or raise the bound"));
  }
  bytes_ += bytes;
  waiting_.push_back({std::move(what), bytes});
  gauge_.add();
  empty_.reset();
  more_.set();
  return {};
}

task<result<>> publish_queue::flush(context ctx) {
  const auto waited = co_await empty_.wait(ctx);
  if (waited) co_return result<>{};
  co_return fail(waited.error().code(), std::to_string(waiting_.size()) + " messages were not published");
}

// The oldest ones, and no two of one key: should the first fail, the second must not overtake it.
std::vector<outgoing> publish_queue::next_batch() const {
  std::vector<outgoing> batch;
  std::set<std::string_view> keys;
  for (const auto& [what, bytes] : waiting_) {
    if (batch.size() >= options_.batch) break;
    if (!what.what.key.empty() && !keys.insert(what.what.key).second) break;
    batch.push_back(what);
  }
  return batch;
}

void publish_queue::refuse(const outgoing& what, const error& why) const {
  refused_.add();
  if (options_.log != nullptr)
    options_.log->error(
        "a message was refused by the broker, and dropped",
        {{"queue", options_.name}, {"message", what.what.id}, {"topic", what.what.topic}, {"problem", why.describe()}});
}

namespace {
// What the message itself is refused for stays so. All else says something about the broker: a full disk, too, is one
// that somebody will empty, and what is lost meanwhile nobody brings back.
bool may_succeed_later(const error& e) {
  switch (e.code()) {
    case errc::cancelled:
    case errc::unknown:
    case errc::internal:
    case errc::data_loss:
      return true;
    case errc::resource_exhausted:
      return e.limit() != limit_kind::size;
    default:
      return e.transient();
  }
}
}  // namespace

// Whether the broker took or refused at least one. The messages are the first ones, in their order.
bool publish_queue::settle(const std::vector<result<>>& results) {
  const auto before = waiting_.size();
  auto at = waiting_.begin();
  for (const auto& taken : results) {
    if (!taken && may_succeed_later(taken.error())) {
      ++at;
      continue;
    }
    if (!taken) refuse(at->what, taken.error());
    bytes_ -= at->bytes;
    gauge_.subtract();
    at = waiting_.erase(at);
  }
  return waiting_.size() != before;
}

task<void> publish_queue::publish_all() {
  const auto alive = tasks_.derive({});
  backoff pauses{{.initial = options_.first_delay, .max = options_.max_delay, .jitter = 0}};
  for (;;) {
    if (waiting_.empty()) {
      empty_.set();
      more_.reset();
      if (!co_await more_.wait(alive)) co_return;
    }
    const auto results = co_await to_.publish(alive.with_timeout(loop_, options_.publish_timeout), next_batch());
    const auto first_problem = std::ranges::find_if(results, [](const result<>& r) { return !r; });
    if (settle(results)) {
      pauses.succeeded(loop_.now());
      continue;
    }
    if (options_.log != nullptr && first_problem != results.end())
      options_.log->warning(
          "the broker takes no messages",
          {{"queue", options_.name}, {"waiting", waiting_.size()}, {"problem", first_problem->error().describe()}});
    if (!co_await sleep(loop_, alive, pauses.next(loop_.now(), loop_.random()))) co_return;
  }
}

}  // namespace weft::messaging
