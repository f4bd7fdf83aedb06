#pragma once
// Who published what, and what was handled: kept outside of the hosts, so that no crash touches it, and checked at
// every delivery.
#include <weft/messaging/broker.hpp>
#include <weft/testkit/simulation.hpp>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace messages {

// One publish() call: numbers of a key, in a row. A call whose fate is not known is repeated, as another one.
struct publication {
  std::string key;
  std::uint64_t first = 0, count = 0;
  weft::steady_time not_before{};
  weft::duration lives{};  // zero: for ever
  bool confirmed = false;
  weft::steady_time confirmed_at{};
};

class ledger {
 public:
  explicit ledger(weft::testkit::simulation& sim) : sim_{sim} {}

  // The messages of the next call, for a key that the caller alone writes to. Delayed ones have no key in the broker,
  // and those of "brief" live for a moment only.
  std::vector<weft::messaging::outgoing> begin(const std::string& key, std::uint64_t count, weft::duration delay);
  void confirm(const std::string& key);
  [[nodiscard]] std::uint64_t next(const std::string& key) { return confirmed_[key] + 1; }

  // A new life of a group's consumers: what was handed out and not acknowledged may come again, also out of turn.
  void reborn() { lives_.clear(); }
  void delivered(const std::string& group, const weft::messaging::raw_delivery& d, weft::steady_time now);
  void acknowledged(const std::string& group, const weft::messaging::raw_delivery& d);

  // Whether every group has handled all that was confirmed.
  [[nodiscard]] bool complete(const std::vector<std::string>& groups) const;
  [[nodiscard]] std::string missing(const std::vector<std::string>& groups) const;
  // Of each call all messages were handled, or none.
  void check_calls(const std::vector<std::string>& groups);

  std::uint64_t published = 0, handled = 0, again = 0;  // messages; those handled more than once

 private:
  struct name {
    std::size_t call = 0;
    std::uint64_t number = 0;
    auto operator<=>(const name&) const = default;
  };
  [[nodiscard]] static name name_of(const weft::messaging::message& m);
  void fail(const std::string& group, const weft::messaging::message& m, std::string_view why);

  weft::testkit::simulation& sim_;
  std::vector<publication> calls_;
  std::map<std::string, std::uint64_t> confirmed_;                       // by key: the last number
  std::map<std::string, std::map<std::string, std::uint64_t>> handled_;  // by group and key: the last in a row
  std::map<std::string, std::set<name>> acknowledged_;                   // by group
  struct life {
    std::map<std::string, name> last;  // by key
    std::set<name> acknowledged;
  };
  std::map<std::string, life> lives_;
};

}  // namespace messages
