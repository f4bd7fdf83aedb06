#pragma once
// Which of a group's partitions a consumer takes. The broker serves one consumer of each queue and would give all of
// them to the first; so each takes no more than its fair share, and leaves what is above it when others come. How many
// there are, the queue <group>.members says, which each of them consumes. What nobody consumes is taken by whoever has
// less than its share. Two that take the same one are no danger, the broker serves one of them; one of the two leaves.
#include <weft/amqp/channel.hpp>

#include <memory>
#include <optional>

#include "consumer_core.hpp"

namespace weft::messaging {

class partition_share {
 public:
  using self = std::shared_ptr<partition_share>;
  explicit partition_share(consumer_core::self c) : core_{std::move(c)}, link_{core_->link()} {}

  // Takes a first share, and goes on looking until the consumer ends.
  static task<result<>> begin(consumer_core::self c, context ctx);

 private:
  static task<result<>> adjust(self s, context ctx);
  static task<result<>> take_free(self s, context ctx, std::size_t up_to);
  static task<result<>> leave_if_doubled(self s, context ctx);
  static task<void> keep_adjusting(self s);
  static task<result<std::uint32_t>> consumers_of(self s, context ctx, std::string queue);

  consumer_core::self core_;
  amqp_link& link_;
  std::optional<amqp::channel> membership_;
  std::optional<amqp::consumer> member_;
};

}  // namespace weft::messaging
