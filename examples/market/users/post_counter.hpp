#pragma once
// Keeps each user's post_count by what the posts service tells: post.created and post.deleted.
//
//     count_posts(messages.consuming(core, "users"), repository);
//
// In whatever order and however often they come, the count is right: see post_ledger.hpp.
#include "users/user_repository.hpp"

#include <weft/messaging/router.hpp>

namespace market::users {

// Both outlive what the router runs.
void count_posts(weft::messaging::router& from, user_repository& users);

}  // namespace market::users
