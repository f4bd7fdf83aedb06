#pragma once
// How many of something there are for each address.
#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace weft::http {

class address_counts {
 public:
  [[nodiscard]] std::size_t of(std::string_view address) const {
    const auto found = counts_.find(address);
    return found != counts_.end() ? found->second : 0;
  }

 private:
  friend class address_count;
  std::map<std::string, std::size_t, std::less<>> counts_;
};

// One of them, as long as it lives.
class address_count {
 public:
  address_count(address_counts& counts, std::string_view address)
      : counts_{counts}, place_{counts.counts_.try_emplace(std::string{address}).first} {
    ++place_->second;
  }
  address_count(const address_count&) = delete;
  address_count& operator=(const address_count&) = delete;
  ~address_count() {
    if (--place_->second == 0) counts_.counts_.erase(place_);
  }

 private:
  address_counts& counts_;
  std::map<std::string, std::size_t, std::less<>>::iterator place_;
};

}  // namespace weft::http
