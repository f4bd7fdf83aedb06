#include "users/users_api.hpp"

#include "answers/answers.hpp"
#include "users/user_events.hpp"
#include "users/user_input.hpp"

#include <weft/runtime/loop.hpp>

#include <algorithm>

namespace market::users {

using namespace weft;

namespace {

http::response refuse(const error& problem) {
  switch (problem.code()) {
    case errc::not_found:
      return http::response::failure(http::status::not_found, "USER_NOT_FOUND", "User not found");
    case errc::already_exists:
      return http::response::failure(http::status::conflict, "EMAIL_TAKEN", "Another user has this email address");
    default:
      return http::response::from(problem);
  }
}

// Each change has an updated_at of its own.
void apply(const user_change& wanted, user& u, wall_time now) {
  if (wanted.name) u.name = *wanted.name;
  if (wanted.email) u.email = *wanted.email;
  if (wanted.status) u.status = *wanted.status;
  u.updated_at = std::max(now, u.updated_at + std::chrono::milliseconds{1});
}

struct profile_data {
  user user;
  std::vector<user_post> posts;
};
BOOST_DESCRIBE_STRUCT(profile_data, (), (user, posts))

struct profile_answer {
  profile_data data;
  posts_source posts_source = posts_source::service;
  std::optional<std::string> message, reason;  // when the posts are not the service's
  bool success = true;
};
BOOST_DESCRIBE_STRUCT(profile_answer, (), (data, posts_source, message, reason, success))

// An id that no user can have is one that is not found.
result<user_id> read_id(std::string_view text) {
  const auto id = uuid::parse(text);
  if (!id) return fail(errc::not_found, "no user has this id");
  return user_id{*id};
}

template <class Event>
result<messaging::outgoing> event_of(const messaging::publisher& events, const http::request& r,
                                     const messaging::topic<Event>& topic, const Event& what) {
  return events.prepare(r.context(), topic, what, what.id.value().to_string(), {.aggregate_type = "user"});
}

}  // namespace

http::router users_api::routes() {
  http::router routes;
  routes.post("/api/users", [this](http::request& r) { return create(r); });
  routes.get("/api/users", [this](http::request& r) { return list(r); });
  routes.get("/api/users/{id}", [this](http::request& r, std::string id) { return find(r, std::move(id)); });
  routes.get("/api/users/{id}/profile", [this](http::request& r, std::string id) { return profile(r, std::move(id)); });
  routes.patch("/api/users/{id}", [this](http::request& r, std::string id) { return change(r, std::move(id)); });
  routes.del("/api/users/{id}", [this](http::request& r, std::string id) { return remove(r, std::move(id)); });
  return routes;
}

users_api::answer_task users_api::create(http::request& r) {
  WEFT_CO_TRY(const auto content, co_await r.json_text());
  auto wanted = read_new_user(content);
  if (!wanted) co_return validation_answer(wanted.error());
  auto& home = *r.home();
  const auto now = now_of(r);
  const user made{.id = user_id{uuid::v7(now, home.random()(), home.random()())},
                  .name = std::move(wanted->name),
                  .email = std::move(wanted->email),
                  .created_at = now,
                  .updated_at = now};
  WEFT_CO_TRY(auto told, event_of(events_, r, user_created, made));
  if (const auto added = co_await repository_.add(r.context(), made, std::move(told)); !added)
    co_return refuse(added.error());
  auto created = answer(made, http::status::created);
  created.headers.set("Location", "/api/users/" + made.id.value().to_string());
  co_return created;
}

users_api::answer_task users_api::find(http::request& r, std::string text) {
  const auto id = read_id(text);
  if (!id) co_return refuse(id.error());
  const auto found = co_await repository_.find(r.context(), *id);
  if (!found) co_return refuse(found.error());
  co_return answer(*found);
}

users_api::answer_task users_api::change(http::request& r, std::string text) {
  const auto id = read_id(text);
  if (!id) co_return refuse(id.error());
  WEFT_CO_TRY(const auto content, co_await r.json_text());
  auto wanted = read_change(content);
  if (!wanted) co_return validation_answer(wanted.error());
  const auto changed = co_await repository_.change(r.context(), *id, [&](user& u) {
    apply(*wanted, u, now_of(r));
    return event_of(events_, r, user_updated, u);
  });
  if (!changed) co_return refuse(changed.error());
  co_return answer(*changed);
}

users_api::answer_task users_api::remove(http::request& r, std::string text) {
  const auto id = read_id(text);
  if (!id) co_return refuse(id.error());
  WEFT_CO_TRY(auto told, event_of(events_, r, user_deleted, deleted_user{*id}));
  if (const auto removed = co_await repository_.remove(r.context(), *id, std::move(told)); !removed)
    co_return refuse(removed.error());
  co_return http::response{http::status::no_content};
}

// The user is what was asked for; the posts are as good as they can be had.
users_api::answer_task users_api::profile(http::request& r, std::string text) {
  const auto id = read_id(text);
  if (!id) co_return refuse(id.error());
  auto found = co_await repository_.find(r.context(), *id);
  if (!found) co_return refuse(found.error());
  WEFT_CO_TRY(auto posts, co_await posts_.of(r.context(), *id));
  profile_answer answer{.data = {.user = *std::move(found), .posts = std::move(posts.posts)},
                        .posts_source = posts.source,
                        .message = {},
                        .reason = {}};
  if (posts.source == posts_source::fallback) answer.message = "Post service temporarily unavailable";
  if (posts.source != posts_source::service) answer.reason = std::move(posts.reason);
  co_return http::response::json(answer);
}

users_api::answer_task users_api::list(http::request& r) {
  const auto query = read_query(r);
  if (!query) co_return validation_answer(query.error());
  const auto page = co_await repository_.list(r.context(), *query);
  if (!page) co_return refuse(page.error());
  co_return answer_page(page->users, make_meta(query->page, page->total));
}

}  // namespace market::users
