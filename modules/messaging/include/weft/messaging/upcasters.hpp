#pragma once
// Old events in new clothes: a chain of steps, each from one version of a type's data to the next.
//
//     upcasters old;
//     old.add<order_placed_v1, order_placed_v2>("orders.placed", 1, with_currency);
//     old.add_json("orders.placed", 2, [](json::value v) -> result<json::value> { return v; });
//     router bus{loop, *broker, {.upcast = &old}};            // handlers of version 3 see 1, 2 and 3
//
// Data that is newer than the reader is read as it is: unknown fields are ignored. Filled at start-up; const from then
// on, for any thread.
#include <weft/json/decode.hpp>
#include <weft/json/value.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace weft::messaging {

class upcasters {
 public:
  // From `version` to the next. Throws std::invalid_argument when that step is there already.
  template <class From, class To>
  upcasters& add(std::string type, std::uint32_t version, std::function<result<To>(From)> step) {
    return add_text(std::move(type), version, [step = std::move(step)](const std::string& data) -> result<std::string> {
      WEFT_TRY(auto old, json::decode<From>(std::string_view{data}));
      WEFT_TRY(const auto made, step(std::move(old)));
      return json::encode(made);
    });
  }
  upcasters& add_json(std::string type, std::uint32_t version, std::function<result<json::value>(json::value)> step);

  // The data as of version `to`; as it is when `from` is not older, or no step leads from it.
  // errc::invalid_argument names the step that failed.
  [[nodiscard]] result<std::string> upcast(std::string_view type, std::uint32_t from, std::uint32_t to,
                                           std::string data) const;
  [[nodiscard]] bool has(std::string_view type, std::uint32_t version) const {
    return steps_.contains({std::string{type}, version});
  }
  [[nodiscard]] bool empty() const noexcept { return steps_.empty(); }

 private:
  using text_step = std::function<result<std::string>(const std::string&)>;
  upcasters& add_text(std::string type, std::uint32_t version, text_step step);

  std::map<std::pair<std::string, std::uint32_t>, text_step> steps_;
};

}  // namespace weft::messaging
