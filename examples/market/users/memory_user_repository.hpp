#pragma once
// Users in memory, gone with the process. Belongs to one loop.
#include "users/user_repository.hpp"

#include <map>
#include <string>

namespace market::users {

class memory_user_repository final : public user_repository {
 public:
  explicit memory_user_repository(std::size_t max_users) : max_users_{max_users} {}

  weft::task<weft::result<>> add(weft::context ctx, user added) override;
  weft::task<weft::result<user>> find(weft::context ctx, user_id id) override;
  weft::task<weft::result<>> replace(weft::context ctx, user changed) override;
  weft::task<weft::result<>> remove(weft::context ctx, user_id id) override;
  weft::task<weft::result<user_page>> list(weft::context ctx, user_query query) override;

 private:
  std::size_t max_users_;
  std::map<user_id, user> users_;
  std::map<std::string, user_id, std::less<>> by_email_;  // in lower case
};

}  // namespace market::users
