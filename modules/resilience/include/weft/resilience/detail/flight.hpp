#pragma once
// One fetch at a time for each key: the first caller leads, the others wait for how it ends.
#include <weft/runtime/sync.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace weft::resilience::detail {

struct flight {
  explicit flight(loop& l) : done{l} {}
  event done;
  bool ended = false;            // false when done: the leader was cancelled or destroyed, someone else has to lead
  std::optional<error> failure;  // none: it succeeded, and the value is in the cache
};

class flights {
 public:
  // Ends the flight when destroyed, as abandoned unless it was concluded.
  class lead {
   public:
    lead(flights& all, std::string key, std::shared_ptr<flight> f)
        : all_{&all}, key_{std::move(key)}, flight_{std::move(f)} {}
    lead(lead&&) noexcept = default;
    lead(const lead&) = delete;
    lead& operator=(lead&&) = delete;
    ~lead() { abandon(); }
    // Those who wait have to ask for themselves, unless it was concluded.
    void abandon() {
      if (!flight_) return;
      const auto f = std::exchange(flight_, nullptr);
      all_->under_way_.erase(key_);
      f->done.set();
    }
    void conclude(std::optional<error> failure) {
      flight_->ended = true;
      flight_->failure = std::move(failure);
    }

   private:
    flights* all_;
    std::string key_;
    std::shared_ptr<flight> flight_;
  };

  [[nodiscard]] std::shared_ptr<flight> find(const std::string& key) const {
    const auto at = under_way_.find(key);
    return at == under_way_.end() ? nullptr : at->second;
  }
  [[nodiscard]] lead begin(loop& l, const std::string& key) {
    auto f = std::make_shared<flight>(l);
    under_way_.emplace(key, f);
    return {*this, key, std::move(f)};
  }

 private:
  std::map<std::string, std::shared_ptr<flight>> under_way_;
};

}  // namespace weft::resilience::detail
