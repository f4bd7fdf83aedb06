#pragma once
// Limits by key: a user, a tenant, a client address. The store is an interface, so that several processes can share
// one over Redis; `memory_rate_limit_store` keeps them in this process.
//
//     auto store = std::make_shared<memory_rate_limit_store>();
//     auto d = co_await store->take(ctx, clock, "tenant-7", {.limit = 100}, 1);
#include <weft/resilience/core/rate_limiter.hpp>
#include <weft/resilience/core/spin_lock.hpp>
#include <weft/runtime/loop.hpp>

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace weft::resilience {

class rate_limit_store {
 public:
  virtual ~rate_limit_store() = default;
  // An error means that the store did not decide; rate_limit::store_failure says what follows from that.
  virtual task<result<rate_decision>> take(context ctx, loop& clock, std::string key, rate_limit rule,
                                           std::uint32_t cost) = 0;
};

struct memory_rate_limit_options {
  std::size_t max_keys = 100'000;  // beyond it, the least recently used is forgotten
};

// From any thread: keys are spread over shards, each under a spin lock of its own.
class memory_rate_limit_store final : public rate_limit_store {
 public:
  explicit memory_rate_limit_store(memory_rate_limit_options options = {});
  task<result<rate_decision>> take(context ctx, loop& clock, std::string key, rate_limit rule,
                                   std::uint32_t cost) override;
  // The same at once. A key keeps what it used when its rule changes, unless the algorithm does.
  [[nodiscard]] rate_decision take_now(std::string_view key, const rate_limit& rule, std::uint32_t cost,
                                       steady_time now);
  [[nodiscard]] std::size_t size() const;

 private:
  struct entry;
  struct shard;
  static constexpr std::size_t shards = 16;
  std::size_t keys_per_shard_;
  std::shared_ptr<shard[]> shards_;
};

}  // namespace weft::resilience
