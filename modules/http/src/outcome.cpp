#include <weft/http/outcome.hpp>

#include <charconv>

namespace weft::resilience {

outcome_view outcome_traits<http::response>::view(const result<http::response>& r) noexcept {
  if (!r)
    return {
        .verdict = verdict_of(r.error().code()), .code = r.error().code(), .not_processed = r.error().unprocessed()};
  const auto status = http::to_int(r->status);
  return {.verdict = verdict_of_status(status), .status = status};
}

}  // namespace weft::resilience

namespace weft::http {

std::optional<duration> retry_after(const response& r, wall_time now) {
  const auto field = r.headers.get("retry-after");
  if (!field) return std::nullopt;
  std::uint32_t seconds = 0;
  const auto* end = field->data() + field->size();
  if (const auto [at, problem] = std::from_chars(field->data(), end, seconds); at == end && at != field->data()) {
    if (problem == std::errc{}) return std::chrono::seconds{seconds};
    if (problem == std::errc::result_out_of_range) return duration::max();  // later than anybody waits
  }
  const auto at = parse_http_date(*field, now);
  if (!at) return std::nullopt;
  return std::max(duration::zero(), std::chrono::duration_cast<duration>(*at - now));
}

resilience::replay replay_of(const request& r) noexcept {
  if (r.content.streamed()) return resilience::replay::unsafe;
  if (is_idempotent(r.method())) return resilience::replay::safe;
  return r.headers.contains("idempotency-key") ? resilience::replay::keyed : resilience::replay::unsafe;
}

}  // namespace weft::http
