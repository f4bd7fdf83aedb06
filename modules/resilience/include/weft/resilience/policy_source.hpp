#pragma once
// Where a pipeline gets its policies from when they may change while it runs; policy_set has the one of configuration.
#include <weft/resilience/detail/engine.hpp>

#include <atomic>

namespace weft::resilience {

class policy_source {
 public:
  virtual ~policy_source() = default;
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  // From any thread: the stages in force, outermost first, and the settings of the cache if there is one.
  [[nodiscard]] virtual std::vector<detail::stage> stages() const = 0;
  [[nodiscard]] virtual std::optional<cache_options> cache() const = 0;
  // Who is told what its pipelines decide, unless they have a listener of their own; null: nobody.
  [[nodiscard]] virtual std::shared_ptr<policy_listener> listener() const { return nullptr; }
  [[nodiscard]] std::uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }

 protected:
  void changed() noexcept { version_.fetch_add(1, std::memory_order_acq_rel); }

 private:
  std::atomic<std::uint64_t> version_{1};
};

}  // namespace weft::resilience
