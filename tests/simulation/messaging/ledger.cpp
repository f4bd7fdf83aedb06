#include "ledger.hpp"

#include <weft/base/saturating.hpp>

namespace messages {

using namespace weft;
using namespace weft::messaging;

namespace {

constexpr duration brief_life = std::chrono::milliseconds{3};

bool ordered(const std::string& key) { return key != "later" && key != "brief"; }

std::string body_of(const std::string& key, std::uint64_t number) { return key + ":" + std::to_string(number); }

}  // namespace

std::vector<outgoing> ledger::begin(const std::string& key, std::uint64_t count, duration delay) {
  const auto first = next(key);
  const auto lives = key == "brief" ? brief_life : duration{};
  calls_.push_back(
      {.key = key, .first = first, .count = count, .not_before = later(sim_.now(), delay), .lives = lives});
  std::vector<outgoing> batch;
  for (auto number = first; number < first + count; ++number) {
    auto& what = batch.emplace_back();
    what.what.id = std::to_string(calls_.size() - 1) + "." + std::to_string(number);
    what.what.topic = "work.done";
    what.what.key = ordered(key) ? key : "";
    what.what.body = body_of(key, number);
    what.what.time_to_live = lives;
    what.delay = delay;
  }
  published += count;
  return batch;
}

void ledger::confirm(const std::string& key) {
  for (auto call = calls_.size(); call-- > 0;) {
    auto& c = calls_[call];
    if (c.key != key) continue;
    c.confirmed = true;
    c.confirmed_at = sim_.now();
    confirmed_[key] = c.first + c.count - 1;
    return;
  }
}

ledger::name ledger::name_of(const message& m) {
  const auto dot = m.id.find('.');
  return {.call = std::stoul(m.id.substr(0, dot)), .number = std::stoull(m.id.substr(dot + 1))};
}

void ledger::fail(const std::string& group, const message& m, std::string_view why) {
  sim_.check(false, "group " + group + ", message " + m.id + " (" + m.body + "): " + std::string{why});
}

void ledger::delivered(const std::string& group, const raw_delivery& d, steady_time now) {
  const auto& m = *d.what;
  const auto which = name_of(m);
  if (which.call >= calls_.size()) return fail(group, m, "nobody published it");
  const auto& call = calls_[which.call];
  if (which.number < call.first || which.number >= call.first + call.count || m.body != body_of(call.key, which.number))
    return fail(group, m, "it is not as it was published");
  if (now < call.not_before) return fail(group, m, "it comes before its time");
  if (call.lives > duration::zero() && call.confirmed && now > later(call.confirmed_at, call.lives))
    return fail(group, m, "it has expired");
  auto& life = lives_[group];
  if (life.acknowledged.contains(which)) return fail(group, m, "it comes again after it was acknowledged");
  if (!ordered(call.key)) return;
  if (which.number > handled_[group][call.key] + 1)
    return fail(group, m, "the one before it has never been handled: order or loss");
  auto& last = life.last[call.key];
  if (which < last) return fail(group, m, "it comes after a later one of its key");
  last = which;
}

void ledger::acknowledged(const std::string& group, const raw_delivery& d) {
  const auto which = name_of(*d.what);
  const auto& call = calls_[which.call];
  auto& last = handled_[group][call.key];
  if (ordered(call.key)) last = std::max(last, which.number);
  lives_[group].acknowledged.insert(which);
  ++handled;
  again += acknowledged_[group].insert(which).second ? 0 : 1;
}

std::string ledger::missing(const std::vector<std::string>& groups) const {
  for (const auto& group : groups) {
    const auto there = acknowledged_.find(group);
    for (std::size_t at = 0; at < calls_.size(); ++at) {
      const auto& call = calls_[at];
      if (call.lives > duration::zero()) continue;
      for (auto number = call.first; call.confirmed && number < call.first + call.count; ++number)
        if (there == acknowledged_.end() || !there->second.contains({.call = at, .number = number}))
          return "group " + group + " has not handled " + std::to_string(at) + "." + std::to_string(number) + " (" +
                 body_of(call.key, number) + "), which was confirmed";
    }
  }
  return {};
}

bool ledger::complete(const std::vector<std::string>& groups) const { return missing(groups).empty(); }

void ledger::check_calls(const std::vector<std::string>& groups) {
  for (const auto& group : groups)
    for (std::size_t at = 0; at < calls_.size(); ++at) {
      if (calls_[at].lives > duration::zero()) continue;
      std::uint64_t seen = 0;
      for (std::uint64_t i = 0; i < calls_[at].count; ++i)
        seen += acknowledged_[group].contains({.call = at, .number = calls_[at].first + i}) ? 1 : 0;
      sim_.check(seen == 0 || seen == calls_[at].count, "group " + group + " has handled " + std::to_string(seen) +
                                                            " of the " + std::to_string(calls_[at].count) +
                                                            " messages of call " + std::to_string(at));
    }
}

}  // namespace messages
