#pragma once
// What the middleware `deduplicate` remembers. An inbox in a database is one, too.
#include <weft/base/error.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/loop.hpp>
#include <weft/runtime/task.hpp>

#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace weft::messaging {

enum class duplicate_state : std::uint8_t {
  fresh,        // now in progress, until complete() or release()
  in_progress,  // by somebody else
  handled,
};

// Ids are per consumer group.
class duplicate_store {
 public:
  virtual ~duplicate_store() = default;
  duplicate_store(const duplicate_store&) = delete;
  duplicate_store& operator=(const duplicate_store&) = delete;

  virtual task<result<duplicate_state>> claim(context ctx, std::string group, std::string id) = 0;
  virtual task<result<>> complete(context ctx, std::string group, std::string id, duration keep) = 0;
  virtual void release(std::string_view group, std::string_view id) noexcept = 0;

 protected:
  duplicate_store() = default;
};

// In memory, for one loop: what the process handled since it started, at most `max_ids`, the oldest forgotten first.
class memory_duplicate_store final : public duplicate_store {
 public:
  explicit memory_duplicate_store(loop& clock, std::size_t max_ids = 100'000) : loop_{clock}, max_ids_{max_ids} {}

  task<result<duplicate_state>> claim(context ctx, std::string group, std::string id) override;
  task<result<>> complete(context ctx, std::string group, std::string id, duration keep) override;
  void release(std::string_view group, std::string_view id) noexcept override;
  [[nodiscard]] std::size_t size() const noexcept { return known_.size(); }

 private:
  using name = std::pair<std::string, std::string>;
  struct entry {
    bool handled = false;
    steady_time until{};
  };
  void forget_old();

  loop& loop_;
  std::size_t max_ids_;
  std::map<name, entry, std::less<>> known_;
  std::deque<std::pair<steady_time, name>> ages_;  // of what was handled, in the order of completion
};

}  // namespace weft::messaging
