#include "posts/posts_api.hpp"

#include "answers/answers.hpp"
#include "answers/input.hpp"
#include "posts/post_events.hpp"

#include <weft/runtime/loop.hpp>

namespace market::posts {

using namespace weft;

namespace {

constexpr text_rules title_rules{.min_characters = 1, .max_characters = 200};
constexpr text_rules content_rules{.min_characters = 1, .max_characters = 10'000, .lines = text_lines::many};

struct new_post {
  author_id user_id;
  std::string title, content;
};
BOOST_DESCRIBE_STRUCT(new_post, (), (user_id, title, content))

checked<new_post> read_new_post(std::string_view content) {
  auto read = decode<new_post>(content);
  if (!read) return read;
  problem_list problems;
  check_text("title", read->title, title_rules, problems);
  check_text("content", read->content, content_rules, problems);
  return unless(std::move(problems), *std::move(read));
}

http::response refuse(const error& problem) {
  if (problem.code() == errc::not_found)
    return http::response::failure(http::status::not_found, "POST_NOT_FOUND", "Post not found");
  return http::response::from(problem);
}

// An id that no post can have is one that is not found.
result<post_id> read_id(std::string_view text) {
  const auto id = uuid::parse(text);
  if (!id) return fail(errc::not_found, "no post has this id");
  return post_id{*id};
}

template <class Event>
result<messaging::outgoing> event_of(const messaging::publisher& events, const http::request& r,
                                     const messaging::topic<Event>& topic, const Event& what) {
  return events.prepare(r.context(), topic, what, what.id.value().to_string(), {.aggregate_type = "post"});
}

}  // namespace

http::router posts_api::routes() {
  http::router routes;
  routes.post("/api/posts", [this](http::request& r) { return create(r); });
  routes.get("/api/posts", [this](http::request& r) { return list(r); });
  routes.get("/api/posts/{id}", [this](http::request& r, std::string id) { return find(r, std::move(id)); });
  routes.del("/api/posts/{id}", [this](http::request& r, std::string id) { return remove(r, std::move(id)); });
  routes.get("/api/posts/user/{user_id}",
             [this](http::request& r, std::string user_id) { return list_of_user(r, std::move(user_id)); });
  return routes;
}

posts_api::answer_task posts_api::create(http::request& r) {
  WEFT_CO_TRY(const auto content, co_await r.json_text());
  auto wanted = read_new_post(content);
  if (!wanted) co_return validation_answer(wanted.error());
  const auto known = co_await authors_.knows(r.context(), wanted->user_id);
  if (!known && log_ != nullptr)
    log_->warning(r.context(), "the author of a post was not checked", {{"problem", known.error().describe()}});
  if (known && !*known)
    co_return http::response::failure(http::status::unprocessable_content, "AUTHOR_NOT_FOUND",
                                      "No user has the id given as user_id");
  auto& home = *r.home();
  const auto now = now_of(r);
  const post made{.id = post_id{uuid::v7(now, home.random()(), home.random()())},
                  .user_id = wanted->user_id,
                  .title = std::move(wanted->title),
                  .content = std::move(wanted->content),
                  .created_at = now};
  WEFT_CO_TRY(auto told, event_of(events_, r, post_created, made));
  if (const auto added = co_await repository_.add(r.context(), made, std::move(told)); !added)
    co_return refuse(added.error());
  auto created = answer(made, http::status::created);
  created.headers.set("Location", "/api/posts/" + made.id.value().to_string());
  if (!known) created.headers.set("X-Author-Check", "skipped");
  co_return created;
}

posts_api::answer_task posts_api::find(http::request& r, std::string text) {
  const auto id = read_id(text);
  if (!id) co_return refuse(id.error());
  const auto found = co_await repository_.find(r.context(), *id);
  if (!found) co_return refuse(found.error());
  co_return answer(*found);
}

posts_api::answer_task posts_api::remove(http::request& r, std::string text) {
  const auto id = read_id(text);
  if (!id) co_return refuse(id.error());
  const auto found = co_await repository_.find(r.context(), *id);
  if (!found) co_return refuse(found.error());
  WEFT_CO_TRY(auto told, event_of(events_, r, post_deleted, deleted_post{*id, found->user_id}));
  if (const auto removed = co_await repository_.remove(r.context(), *id, std::move(told)); !removed)
    co_return refuse(removed.error());
  co_return http::response{http::status::no_content};
}

posts_api::answer_task posts_api::list(http::request& r) { return answer_list(r, std::nullopt); }

posts_api::answer_task posts_api::list_of_user(http::request& r, std::string user_id) {
  // An id that is none belongs to nobody, who has no posts.
  return answer_list(r, author_id{uuid::parse(user_id).value_or(uuid{})});
}

posts_api::answer_task posts_api::answer_list(http::request& r, std::optional<author_id> author) {
  problem_list problems;
  const post_query query{.page = read_page(r, problems), .author = author};
  if (!problems.empty()) co_return validation_answer(problems);
  const auto page = co_await repository_.list(r.context(), query);
  if (!page) co_return refuse(page.error());
  co_return answer_page(page->posts, make_meta(query.page, page->total));
}

}  // namespace market::posts
