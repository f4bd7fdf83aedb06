#pragma once
// The members of a JSON object, each as the text that it is: for what is passed on and must not be changed on its way,
// as numbers beyond 64 bits would be by parsing and printing them.
#include <weft/base/error.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::messaging {

class json_members {
 public:
  // Of a text that outlives it. errc::invalid_argument: it is no object, not well-formed, or has a member twice.
  [[nodiscard]] static result<json_members> of(std::string_view text);
  // Whether it is one well-formed value.
  [[nodiscard]] static result<> check(std::string_view text);

  [[nodiscard]] const std::string_view* find(std::string_view name) const noexcept;
  [[nodiscard]] auto begin() const noexcept { return list_.begin(); }
  [[nodiscard]] auto end() const noexcept { return list_.end(); }

 private:
  std::vector<std::pair<std::string, std::string_view>> list_;
};

}  // namespace weft::messaging
