#include <weft/observe/correlation.hpp>

#include <algorithm>

namespace weft::observe::correlation {

bool valid(std::string_view id) noexcept {
  constexpr auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"-_.~:/+=@#|"}.find(c) != std::string_view::npos;
  };
  return !id.empty() && id.size() <= max_size && std::ranges::all_of(id, plain);
}

std::string generate(rng& random) { return random.make_uuid_v4().to_string(); }

context ensure(const context& ctx, std::string_view received, rng& random) {
  if (valid(received)) return ctx.with_correlation_id(std::string{received});
  if (!ctx.correlation_id().empty()) return ctx;
  return ctx.with_correlation_id(generate(random));
}

}  // namespace weft::observe::correlation
