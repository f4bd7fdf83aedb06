#pragma once
// Which posts have been counted: makes counting them idempotent, whatever is repeated and in whatever order it comes.
//
//     ledger.apply(post, post_change::created).value();      // 1
//     ledger.apply(post, post_change::created).value();      // 0: a duplicate
//     ledger.apply(post, post_change::deleted).value();      // -1
//     ledger.apply(post, post_change::created).value();      // 0: it came late
//
// Posts that are deleted are remembered, at most as many as are counted; beyond that the oldest are forgotten. A value.
#include "users/user_repository.hpp"

#include <deque>
#include <unordered_set>

namespace market::users {

class post_ledger {
 public:
  explicit post_ledger(std::size_t max_posts) : max_posts_{max_posts} {}

  // What it does to the number of the author's posts. errc::resource_exhausted beyond the bound.
  [[nodiscard]] weft::result<int> apply(const weft::uuid& post, post_change change);

 private:
  void remember_deleted(const weft::uuid& post);

  std::size_t max_posts_;
  std::unordered_set<weft::uuid> counted_, deleted_;
  std::deque<weft::uuid> deleted_first_;  // in the order of their deletion
};

}  // namespace market::users
