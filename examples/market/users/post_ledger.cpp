#include "users/post_ledger.hpp"

namespace market::users {

using namespace weft;

result<int> post_ledger::apply(const uuid& post, post_change change) {
  if (change == post_change::deleted) {
    const int difference = counted_.erase(post) != 0 ? -1 : 0;
    remember_deleted(post);
    return difference;
  }
  if (deleted_.contains(post) || counted_.contains(post)) return 0;
  if (counted_.size() >= max_posts_) return fail(errc::resource_exhausted, "there is no room to count more posts");
  counted_.insert(post);
  return 1;
}

void post_ledger::remember_deleted(const uuid& post) {
  if (!deleted_.insert(post).second) return;
  deleted_first_.push_back(post);
  if (deleted_first_.size() <= max_posts_) return;
  deleted_.erase(deleted_first_.front());
  deleted_first_.pop_front();
}

}  // namespace market::users
