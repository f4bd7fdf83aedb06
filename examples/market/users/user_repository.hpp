#pragma once
// Where users are kept. Errors: errc::not_found, errc::already_exists when another user has the email address,
// errc::resource_exhausted when there is no room.
#include "users/user.hpp"

#include <weft/base/error.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/task.hpp>

namespace market::users {

class user_repository {
 public:
  virtual ~user_repository() = default;
  virtual weft::task<weft::result<>> add(weft::context ctx, user added) = 0;
  virtual weft::task<weft::result<user>> find(weft::context ctx, user_id id) = 0;
  virtual weft::task<weft::result<>> replace(weft::context ctx, user changed) = 0;
  virtual weft::task<weft::result<>> remove(weft::context ctx, user_id id) = 0;
  virtual weft::task<weft::result<user_page>> list(weft::context ctx, user_query query) = 0;
};

}  // namespace market::users
