#pragma once
// Where users are kept. Errors: errc::not_found, errc::already_exists when another user has the email address,
// errc::resource_exhausted when there is no room.
//
// A change and the event that tells of it are kept together, or neither is.
#include "users/user.hpp"

#include <weft/base/error.hpp>
#include <weft/messaging/broker.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/task.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace market::users {

enum class post_change : std::uint8_t { created, deleted };

// As names and addresses are compared: without the case of ASCII letters. Other letters are found as they are written.
[[nodiscard]] std::string lowered(std::string_view text);

class user_repository {
 public:
  virtual ~user_repository() = default;
  virtual weft::task<weft::result<>> add(weft::context ctx, user added, weft::messaging::outgoing told) = 0;
  virtual weft::task<weft::result<user>> find(weft::context ctx, user_id id) = 0;
  // Changes the user as it is then, whoever else changes it at the same time; the user as it is afterwards. `edit` may
  // be called more than once, each time with what the user is by then; its error leaves all as it was.
  using edit = std::function<weft::result<weft::messaging::outgoing>(user& changed)>;
  virtual weft::task<weft::result<user>> change(weft::context ctx, user_id id, edit how) = 0;
  virtual weft::task<weft::result<>> remove(weft::context ctx, user_id id, weft::messaging::outgoing told) = 0;
  // Keeps post_count. A change that is known already changes nothing, nor does one to somebody who is no user.
  virtual weft::task<weft::result<>> count_post(weft::context ctx, user_id author, weft::uuid post,
                                                post_change change) = 0;
  virtual weft::task<weft::result<user_page>> list(weft::context ctx, user_query query) = 0;
};

}  // namespace market::users
