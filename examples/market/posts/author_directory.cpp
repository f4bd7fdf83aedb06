#include "posts/author_directory.hpp"

namespace market::posts {

using namespace weft;

task<result<bool>> remote_authors::knows(context ctx, author_id id) {
  WEFT_CO_TRY(
      const auto answer,
      co_await users_.send(std::move(ctx), http::request{http::method::get, "/api/users/" + id.value().to_string()}));
  if (answer.status == http::status::ok) co_return true;
  if (answer.status == http::status::not_found) co_return false;
  co_return fail(errc::unavailable, "users answered " + std::to_string(http::to_int(answer.status)));
}

}  // namespace market::posts
