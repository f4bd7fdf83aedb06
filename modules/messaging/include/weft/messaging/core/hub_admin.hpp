#pragma once
// What broker_admin asks for, of a hub's groups: the embedded brokers have it in common. Belongs to one loop, as its
// broker does.
#include <weft/messaging/broker_admin.hpp>
#include <weft/messaging/core/group_hub.hpp>

namespace weft::messaging {

class hub_admin final : public broker_admin {
 public:
  // `owner` keeps the hub alive.
  hub_admin(loop& l, std::shared_ptr<void> owner, group_hub& hub) : loop_{l}, owner_{std::move(owner)}, hub_{&hub} {}

  // From now on everything fails with errc::failed_precondition; the hub is let go.
  void close() noexcept {
    hub_ = nullptr;
    owner_.reset();
  }

  task<result<std::vector<group_depth>>> depths(context ctx) override;
  task<result<std::vector<dead_letter_entry>>> dead_letters(context ctx, dead_letter_query query) override;
  task<result<std::size_t>> replay(context ctx, std::string group, std::vector<std::uint64_t> numbers) override;
  task<result<std::size_t>> purge(context ctx, std::string group, std::vector<std::uint64_t> numbers) override;
  task<result<std::size_t>> clear(context ctx, std::string group) override;
  task<result<>> remove_group(context ctx, std::string group) override;

 private:
  struct held {
    std::shared_ptr<void> owner;  // for as long as a call takes
    group_hub* hub;
  };
  [[nodiscard]] result<held> hub() const;
  // Returns when what was done is safe.
  [[nodiscard]] task<result<>> kept(held by, context ctx);

  loop& loop_;
  std::shared_ptr<void> owner_;
  group_hub* hub_;
};

}  // namespace weft::messaging
