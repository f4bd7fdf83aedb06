#include <weft/http/limits.hpp>

#include "layer.hpp"

#include <algorithm>
#include <charconv>

namespace weft::http {

namespace {

response too_large(std::size_t max_bytes) {
  return response::failure(status::content_too_large, "RESOURCE_EXHAUSTED",
                           "the content is larger than " + std::to_string(max_bytes) + " bytes");
}

class bounded_source final : public body_source {
 public:
  bounded_source(body inner, std::size_t left, std::shared_ptr<bool> exceeded)
      : inner_{std::move(inner)}, left_{left}, exceeded_{std::move(exceeded)} {}
  task<result<std::string_view>> next() override {
    WEFT_CO_TRY(auto piece, co_await inner_.next());
    if (piece.size() > left_) {
      *exceeded_ = true;
      co_return fail(
          error{errc::resource_exhausted, "the content is larger than allowed"}.with_limit(limit_kind::size));
    }
    left_ -= piece.size();
    co_return piece;
  }
  std::optional<std::uint64_t> length() const override { return inner_.length(); }
  const headers* trailers() const override { return &inner_.trailers(); }
  status problem() const override { return *exceeded_ ? status::content_too_large : inner_.problem(); }

 private:
  body inner_;
  std::size_t left_;
  std::shared_ptr<bool> exceeded_;
};

task<result<response>> content_limited(const detail::layer<std::size_t>& self, request& r) {
  const auto max_bytes = self.options;
  if (const auto length = r.content.length(); length && *length > max_bytes) co_return too_large(max_bytes);
  if (!r.content.streamed()) co_return co_await self.inner(r);
  const auto exceeded = std::make_shared<bool>(false);
  const auto limit = r.content.limit();
  r.content = body::stream(std::make_unique<bounded_source>(std::move(r.content), max_bytes, exceeded));
  r.content.set_limit(limit);
  auto answer = co_await self.inner(r);
  if (*exceeded && (!answer || to_int(answer->status) >= 400)) co_return too_large(max_bytes);
  co_return answer;
}

struct time_limiter {
  loop* home;
  time_limits limits;
};

// At most 9 digits, 11 days.
std::optional<duration> parse_milliseconds(std::string_view text) {
  std::uint32_t number = 0;
  const auto* end = text.data() + text.size();
  const auto [at, problem] = std::from_chars(text.data(), end, number);
  if (text.empty() || text.size() > 9 || problem != std::errc{} || at != end) return std::nullopt;
  return std::chrono::milliseconds{number};
}

task<result<response>> time_limited(const detail::layer<time_limiter>& self, request& r) {
  const auto& limits = self.options.limits;
  auto patience = limits.unless_told.value_or(limits.longest);
  if (const auto told = limits.header.empty() ? std::nullopt : r.headers.get(limits.header)) {
    const auto parsed = parse_milliseconds(*told);
    if (!parsed)
      co_return response::failure(status::bad_request, "INVALID_ARGUMENT",
                                  limits.header + ": expected milliseconds, a whole number of at most 9 digits");
    patience = *parsed;
  }
  const auto& home = *self.options.home;
  auto ctx = r.context().with_timeout(home, std::min(patience, limits.longest));
  if (ctx.remaining(home.now()) <= duration::zero())
    co_return response::failure(status::gateway_timeout, "DEADLINE_EXCEEDED",
                                "no time was left when the request arrived");
  r.set_context(std::move(ctx));
  co_return co_await self.inner(r);
}

}  // namespace

middleware limit_content(std::size_t max_bytes) {
  return detail::make_middleware("limit_content", max_bytes, content_limited, max_bytes);
}

middleware served_within(std::size_t max_body_bytes) {
  return detail::named_middleware{"served_within", max_body_bytes, [](handler inner) { return inner; }};
}

middleware limit_time(loop& l, time_limits limits) {
  return detail::make_middleware("limit_time", time_limiter{&l, std::move(limits)}, time_limited);
}

result<> send_timeout(request& r, const context& ctx, steady_time now, std::string_view header) {
  if (!ctx.has_deadline()) return {};
  const auto left = ctx.remaining(now);
  if (left <= duration::zero()) return fail(errc::deadline_exceeded, "no time is left to send the request");
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  r.headers.set(header, std::to_string(std::min<decltype(milliseconds)>(milliseconds, 999'999'999)));
  return {};
}

}  // namespace weft::http
