#include <weft/messaging/publisher.hpp>
struct user {
  std::string id;
};
BOOST_DESCRIBE_STRUCT(user, (), (id))
inline constexpr messaging::topic<user> user_created{"user.created"};
extern user made;
