#include <weft/base/saturating.hpp>
#include <weft/runtime/guarded.hpp>
#include <weft/testkit/broker_conformance.hpp>

#include <algorithm>
#include <ostream>

#include "broker_trial.hpp"

namespace weft::testkit {

using namespace messaging;

std::ostream& operator<<(std::ostream& out, const broker_case& c) { return out << c.name << ": " << c.promise; }

message numbered(std::string id, std::string topic, std::string key) {
  message m;
  m.body = "{\"number\":\"" + id + "\"}";
  m.id = std::move(id);
  m.topic = std::move(topic);
  m.key = std::move(key);
  m.content_type = "application/json";
  return m;
}

task<broker_trial::broker_ptr> broker_trial::open() { co_return value(co_await target.open(l), "opening the broker"); }

task<broker_trial::consumer_ptr> broker_trial::subscribe(broker& b, subscription s) {
  co_return value(co_await b.subscribe(within_patience(), std::move(s)), "subscribing");
}

task<void> broker_trial::publish(broker& b, message m, duration delay) {
  outgoing what{.what = std::move(m), .delay = delay};
  ok(co_await publish_one(b, within_patience(), std::move(what)), "publishing");
}

task<void> broker_trial::publish_many(broker& b, std::string topic, std::size_t count,
                                      std::function<std::string(std::size_t)> key) {
  constexpr std::size_t at_once = 1000;
  for (std::size_t from = 0; from < count; from += at_once) {
    std::vector<outgoing> batch;
    for (auto i = from; i < std::min(count, from + at_once); ++i)
      batch.push_back({.what = numbered(std::to_string(i), topic, key ? key(i) : std::string{})});
    for (const auto& each : co_await b.publish(within_patience(), std::move(batch))) ok(each, "publishing");
  }
}

task<raw_delivery> broker_trial::receive(consumer& c) {
  auto got = value(co_await c.next(within_patience()), "waiting for a message");
  check(got.has_value(), "the consumer says that it was stopped");
  co_return *std::move(got);
}

task<raw_delivery> broker_trial::receive_and_ack(consumer& c) {
  auto got = co_await receive(c);
  co_await settle(c, got, settlement::ack());
  co_return got;
}

task<std::vector<std::string>> broker_trial::receive_ids(consumer& c, std::size_t count) {
  std::vector<std::string> ids;
  while (ids.size() < count) ids.push_back((co_await receive_and_ack(c)).what->id);
  co_return ids;
}

task<void> broker_trial::settle(consumer& c, const raw_delivery& d, settlement how) {
  ok(co_await c.settle(within_patience(), d.tag, std::move(how)), "settling " + d.what->id);
}

task<void> broker_trial::expect_quiet(consumer& c, std::string_view what) {
  const auto got = co_await c.next(context{}.with_timeout(l, target.quiet()));
  if (got && *got) throw failed{std::string{what} + ", but " + (**got).what->id + " came"};
  check(!got && got.error().code() == errc::deadline_exceeded, "next() ends with its deadline");
}

task<void> broker_trial::wait(duration time) { ok(co_await sleep(l, context{}, time), "waiting"); }

task<void> broker_trial::consume(consumer& c, const std::size_t& left, std::function<void(const raw_delivery&)> take) {
  const auto until = later(l.now(), target.patience());
  while (left > 0) {
    check(l.now() < until, std::to_string(left) + " messages are missing");
    const auto got = co_await c.next(context{}.with_timeout(l, std::chrono::milliseconds{200}));
    if (!got && got.error().code() == errc::deadline_exceeded) continue;  // another consumer may have the rest
    const auto d = value(got, "waiting for a message");
    check(d.has_value(), "the consumer says that it was stopped");
    co_await settle(c, *d, settlement::ack());
    take(*d);
  }
}

namespace {
task<bool> to_the_end(task<void> work) {
  co_await std::move(work);
  co_return true;
}
}  // namespace

task<void> broker_trial::beside(task<void> a, task<void> b) {
  co_await when_all(l, to_the_end(std::move(a)), to_the_end(std::move(b)));
}

std::span<const broker_case> broker_conformance() {
  static const auto all = [] {
    std::vector<broker_case> list;
    for (const auto part : {delivery_cases(), order_cases(), option_cases(), fault_cases()})
      list.insert(list.end(), part.begin(), part.end());
    return list;
  }();
  return all;
}

namespace {

std::string missing_fault(const broker_under_test& target, broker_fault fault) {
  if (fault == broker_fault::cut && !target.can_cut()) return "its connections cannot be cut here";
  if (fault == broker_fault::restart && !target.can_restart()) return "it cannot be restarted here";
  if (fault == broker_fault::settling && !target.can_fail_settling()) return "its settlements cannot fail here";
  if (fault == broker_fault::bound && !target.bound()) return "it has no bound that could be reached here";
  return {};
}

task<void> run_one(broker_under_test& target, const broker_case& which, broker_outcome& outcome, loop& l) {
  broker_trial trial{target, l};
  try {
    const auto probe = co_await trial.open();
    const auto lacking = which.needs.without(probe->features().set);
    if (lacking.empty())
      co_await which.run(trial);
    else
      outcome = {broker_outcome::kind::skipped, probe->features().broker + " does not have " + to_string(lacking)};
  } catch (...) {
    outcome = {broker_outcome::kind::failed,
               std::string{which.promise} + "; " + std::string{current_exception_error().message()}};
  }
}

}  // namespace

broker_outcome run_case(broker_under_test& target, const broker_case& which) {
  if (auto why = missing_fault(target, which.fault); !why.empty())
    return {broker_outcome::kind::skipped, std::move(why)};
  broker_outcome outcome;
  target.run([&](loop& l) { return run_one(target, which, outcome, l); });
  return outcome;
}

}  // namespace weft::testkit
