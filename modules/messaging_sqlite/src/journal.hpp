#pragma once
// What happens in the queue of one group, as changes of the file.
#include "hub.hpp"

namespace weft::messaging {

class sqlite_journal final : public queue_journal {
 public:
  // Both outlive it.
  sqlite_journal(sqlite_hub::state& hub, const hub_group& group) : hub_{hub}, group_{group} {}

  void taken(const queue_entry& e) override;
  void changed(const queue_entry& e) override;
  void gone(const queue_entry& e) override;
  void buried(const queue_entry& e, const dead_letter_entry& as) override;
  void purged(const dead_letter_entry& d) override;
  void replayed(const dead_letter_entry& d, queue_entry& e) override;

 private:
  // What was out no longer is, which the last change says.
  void back(std::uint64_t record, std::optional<std::uint32_t> next_attempt);

  sqlite_hub::state& hub_;
  const hub_group& group_;
  std::unordered_map<std::uint64_t, std::uint32_t> out_;  // slots of the notes, by record
};

}  // namespace weft::messaging
