#include "users/user_posts.hpp"

namespace market::users {

using namespace weft;

namespace {

// What the posts service answers with.
struct posts_answer {
  std::vector<user_post> data;
};
BOOST_DESCRIBE_STRUCT(posts_answer, (), (data))

}  // namespace

// [guard]
user_posts::guard user_posts::make_guard(loop& l, std::shared_ptr<resilience::policy_source> policies) {
  resilience::fallback<remembered> nothing{
      [](const context&, const error& last) -> task<result<remembered>> { co_return remembered{{}, last.describe()}; }};
  if (policies) return guard{l, std::move(policies), std::move(nothing)};
  return guard{l, "user_posts", std::move(nothing)};
}
// [/guard]

user_posts::user_posts(loop& l, discovery::service_client& service, std::shared_ptr<resilience::policy_source> policies)
    : service_{service}, guard_{make_guard(l, std::move(policies))} {}

// [call]
task<result<user_posts::remembered>> user_posts::ask(context ctx, question& q) {
  auto got = co_await service_.get<posts_answer>(std::move(ctx), q.path, {.record = &q.record});
  if (got) co_return remembered{std::move(got->data), {}};
  q.trouble = got.error().describe();
  co_return fail(std::move(got).error());
}
// [/call]

// Tries that reached somebody tell it all. When none did, the error says why: no instance is known, the breaker is
// open. Who waited for another caller's question has only the fallback's error, or nothing.
std::string user_posts::reason_of(const question& q, const remembered& got) {
  for (const auto& d : q.record.entries())
    if (!d.peer.empty()) return q.record.describe();
  return q.trouble.empty() ? got.trouble : q.trouble;
}

task<result<found_posts>> user_posts::of(context ctx, user_id id) {
  question q{.path = "/api/posts/user/" + id.value().to_string() + "?limit=100"};
  resilience::decision_record answers;
  auto from = resilience::origin::call;
  auto got = co_await guard_.run(std::move(ctx), {.cache_key = q.path, .record = &answers, .answered_from = &from},
                                 [&](const context& attempt_ctx) { return ask(attempt_ctx, q); });
  if (!got) co_return fail(std::move(got).error());
  if (from == resilience::origin::call) co_return found_posts{std::move(got->posts), posts_source::service, {}};
  const bool fallback = from == resilience::origin::fallback;
  auto reason = reason_of(q, *got);
  const auto outcome = fallback ? std::string{"fallback used"} : answers.entries().back().describe();
  reason.append(reason.empty() ? "" : "; ").append(outcome);
  co_return found_posts{std::move(got->posts), fallback ? posts_source::fallback : posts_source::cache,
                        std::move(reason)};
}

}  // namespace market::users
