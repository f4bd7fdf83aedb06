#pragma once
// The posts service's HTTP interface, /api/posts. Belongs to the loop of its repository.
//
// A post's author must be a user: 422 AUTHOR_NOT_FOUND. When users cannot be asked, the post is taken all the same and
// the answer says X-Author-Check: skipped: writing must not depend on another service being up.
#include "posts/author_directory.hpp"
#include "posts/post_repository.hpp"

#include <weft/http/router.hpp>
#include <weft/messaging/publisher.hpp>
#include <weft/observe/log.hpp>

#include <string>

namespace market::posts {

class posts_api {
 public:
  // `events` makes the events; the repository sees to it that they are told. Without a log, skipped checks are told in
  // answers only.
  posts_api(post_repository& repository, author_directory& authors, const weft::messaging::publisher& events,
            const weft::observe::logger* log = nullptr)
      : repository_{repository}, authors_{authors}, events_{events}, log_{log} {}

  // Refer to this object, which outlives them.
  [[nodiscard]] weft::http::router routes();

 private:
  using answer_task = weft::task<weft::result<weft::http::response>>;
  answer_task create(weft::http::request& r);
  answer_task find(weft::http::request& r, std::string id);
  answer_task remove(weft::http::request& r, std::string id);
  answer_task list(weft::http::request& r);
  answer_task list_of_user(weft::http::request& r, std::string user_id);
  answer_task answer_list(weft::http::request& r, std::optional<author_id> author);

  post_repository& repository_;
  author_directory& authors_;
  const weft::messaging::publisher& events_;
  const weft::observe::logger* log_;
};

}  // namespace market::posts
