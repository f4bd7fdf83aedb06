#pragma once
// What the users service tells. The key is the user's id, so what happens to one user is told in order.
#include "users/user.hpp"

#include <weft/messaging/topic.hpp>

namespace market::users {

struct deleted_user {
  user_id id;
};
BOOST_DESCRIBE_STRUCT(deleted_user, (), (id))

inline constexpr weft::messaging::topic<user> user_created{"user.created"};
inline constexpr weft::messaging::topic<user> user_updated{"user.updated"};  // as it is now
inline constexpr weft::messaging::topic<deleted_user> user_deleted{"user.deleted"};

}  // namespace market::users
