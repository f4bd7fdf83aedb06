#pragma once
// How every middleware here is made: options and the inner handler in one block of memory, and a coroutine that gets a
// reference to it. The handler that holds the block outlives the requests it answers (router.hpp says so), so that a
// request costs no reference count that several cores would fight over.
#include <weft/http/message.hpp>

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

namespace weft::http::detail {

template <class Options>
struct layer {
  Options options;
  handler inner;
};

// What a middleware of this module is, for middleware_order.hpp to know it again.
struct named_middleware {
  std::string_view name;    // the function's that made it
  std::uint64_t bound = 0;  // of limit_content
  std::function<handler(handler)> make;

  handler operator()(handler inner) const { return make(std::move(inner)); }
};

template <class Options>
middleware make_middleware(std::string_view name, Options options,
                           task<result<response>> (*run)(const layer<Options>&, request&), std::uint64_t bound = 0) {
  return named_middleware{name, bound, [options = std::move(options), run](handler inner) -> handler {
                            auto self = std::make_shared<const layer<Options>>(options, std::move(inner));
                            return [self = std::move(self), run](request& r) { return run(*self, r); };
                          }};
}

}  // namespace weft::http::detail
