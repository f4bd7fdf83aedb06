#include "users/post_counter.hpp"

namespace market::users {

using namespace weft;

namespace {

// Of a post, what is of interest here.
struct counted_post {
  uuid id;
  users::user_id user_id;
};
BOOST_DESCRIBE_STRUCT(counted_post, (), (id, user_id))

constexpr messaging::topic<counted_post> post_events{"post.*"};

task<result<>> count(user_repository& users, context ctx, counted_post post, std::string type) {
  if (type == "post.created") return users.count_post(std::move(ctx), post.user_id, post.id, post_change::created);
  return users.count_post(std::move(ctx), post.user_id, post.id, post_change::deleted);
}

}  // namespace

// One group for both: a post's events have its id as their key, and stay in order. A database that is away costs no
// event its attempts.
void count_posts(messaging::router& from, user_repository& users) {
  from.use(messaging::outage_mode{.after = 10})
      .use(messaging::dead_letter{})
      .use(messaging::retry{.max_attempts = 8})
      .use(messaging::timeout{.after = std::chrono::seconds{10}});
  from.on(post_events, {.group = "users.post_count", .concurrency = 8, .patterns = {"post.created", "post.deleted"}},
          [&users](const context& ctx, const messaging::delivery<counted_post>& d) {
            return count(users, ctx, d.event, std::string{d.envelope.type});
          });
}

}  // namespace market::users
