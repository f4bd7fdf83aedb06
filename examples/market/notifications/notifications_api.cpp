#include "notifications/notifications_api.hpp"

#include "answers/answers.hpp"
#include "answers/input.hpp"

namespace market::notifications {

using namespace weft;

namespace {

http::response refuse(const error& problem) {
  if (problem.code() == errc::not_found)
    return http::response::failure(http::status::not_found, "NOTIFICATION_NOT_FOUND", "Notification not found");
  return http::response::from(problem);
}

}  // namespace

http::router notifications_api::routes() {
  http::router routes;
  routes.get("/api/notifications", [this](http::request& r) { return list(r); });
  routes.get("/api/notifications/{id}", [this](http::request& r, std::string id) { return find(r, std::move(id)); });
  return routes;
}

// ?user_id=...&page=1&limit=20. An id that is none belongs to nobody, who has no mail.
notifications_api::answer_task notifications_api::list(http::request& r) {
  problem_list problems;
  notification_query query{.page = read_page(r, problems)};
  if (!problems.empty()) co_return validation_answer(problems);
  if (const auto user = r.query("user_id")) query.user = recipient_id{uuid::parse(*user).value_or(uuid{})};
  const auto page = co_await box_.list(r.context(), query);
  if (!page) co_return refuse(page.error());
  co_return answer_page(page->notifications, make_meta(query.page, page->total));
}

notifications_api::answer_task notifications_api::find(http::request& r, std::string text) {
  const auto id = uuid::parse(text);
  if (!id) co_return refuse(error{errc::not_found, "no notification has this id"});
  const auto found = co_await box_.find(r.context(), notification_id{*id});
  if (!found) co_return refuse(found.error());
  co_return answer(*found);
}

}  // namespace market::notifications
