#include "posts/memory_post_repository.hpp"

#include <ranges>

namespace market::posts {

using namespace weft;

namespace {
std::unexpected<error> unknown(const post_id& id) { return fail(errc::not_found, "post " + id.value().to_string()); }
}  // namespace

// The event is handed over last of what can fail, and nothing else runs before the change: both, or neither.
task<result<>> memory_post_repository::add(context, post added, messaging::outgoing told) {
  if (posts_.size() >= max_posts_) co_return fail(errc::resource_exhausted, "there is no room for more posts");
  WEFT_CO_TRY_VOID(events_.add(std::move(told)));
  by_author_[added.user_id].insert(added.id);
  posts_.emplace(added.id, std::move(added));
  co_return result<>{};
}

task<result<post>> memory_post_repository::find(context, post_id id) {
  const auto found = posts_.find(id);
  if (found == posts_.end()) co_return unknown(id);
  co_return found->second;
}

task<result<>> memory_post_repository::remove(context, post_id id, messaging::outgoing told) {
  const auto found = posts_.find(id);
  if (found == posts_.end()) co_return unknown(id);
  WEFT_CO_TRY_VOID(events_.add(std::move(told)));
  const auto of_author = by_author_.find(found->second.user_id);
  of_author->second.erase(id);
  if (of_author->second.empty()) by_author_.erase(of_author);
  posts_.erase(found);
  co_return result<>{};
}

task<result<post_page>> memory_post_repository::list(context, post_query query) {
  const auto first = (query.page.page - 1) * query.page.limit;
  post_page page;
  const auto take = [&](const post& one) {
    if (page.total >= first && page.posts.size() < query.page.limit) page.posts.push_back(one);
    ++page.total;
  };
  if (!query.author) {
    for (const auto& one : posts_ | std::views::values | std::views::reverse) take(one);
  } else if (const auto of_author = by_author_.find(*query.author); of_author != by_author_.end()) {
    for (const auto& id : of_author->second | std::views::reverse) take(posts_.at(id));
  }
  co_return page;
}

}  // namespace market::posts
