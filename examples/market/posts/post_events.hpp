#pragma once
// What the posts service tells. The key is the post's id, so what happens to one post is told in order.
#include "posts/post.hpp"

#include <weft/messaging/topic.hpp>

namespace market::posts {

struct deleted_post {
  post_id id;
  author_id user_id;
};
BOOST_DESCRIBE_STRUCT(deleted_post, (), (id, user_id))

inline constexpr weft::messaging::topic<post> post_created{"post.created"};
inline constexpr weft::messaging::topic<deleted_post> post_deleted{"post.deleted"};

}  // namespace market::posts
