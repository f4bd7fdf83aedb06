#pragma once
// Acknowledgements of one channel, gathered so that one frame says many: all up to a tag, as far as everything up to it
// has been acknowledged, and single ones above.
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

namespace weft::messaging {

class ack_batch {
 public:
  // Whatever the broker waits for an answer to has to be named here, also what is answered otherwise.
  void delivered(std::uint64_t tag) { out_.insert(out_.end(), tag); }
  void answered(std::uint64_t tag) { out_.erase(tag); }  // by itself
  void acknowledge(std::uint64_t tag);

  struct frames {
    std::uint64_t up_to = 0;  // 0: nothing
    std::vector<std::uint64_t> single;
  };
  // What is to be said now.
  [[nodiscard]] frames take();
  [[nodiscard]] std::size_t waiting() const noexcept { return acknowledged_.size(); }
  // Tags begin anew.
  void clear() noexcept;

  // While something is on its way that was not named yet, no tag stands for those below it.
  class unnamed {
   public:
    explicit unnamed(ack_batch& b) noexcept : batch_{b} { ++batch_.unnamed_; }
    unnamed(const unnamed&) = delete;
    unnamed& operator=(const unnamed&) = delete;
    ~unnamed() { --batch_.unnamed_; }

   private:
    ack_batch& batch_;
  };

 private:
  std::set<std::uint64_t> out_;
  std::vector<std::uint64_t> acknowledged_;
  int unnamed_ = 0;
};

}  // namespace weft::messaging
