#pragma once
// Users in memory, gone with the process, as are the events that the broker has not taken by then. Belongs to one loop.
#include "users/post_ledger.hpp"
#include "users/user_repository.hpp"

#include <weft/messaging/publish_queue.hpp>

#include <map>
#include <string>

namespace market::users {

class memory_user_repository final : public user_repository {
 public:
  memory_user_repository(std::size_t max_users, std::size_t max_posts, weft::messaging::publish_queue& events)
      : max_users_{max_users}, ledger_{max_posts}, events_{events} {}

  weft::task<weft::result<>> add(weft::context ctx, user added, weft::messaging::outgoing told) override;
  weft::task<weft::result<user>> find(weft::context ctx, user_id id) override;
  weft::task<weft::result<user>> change(weft::context ctx, user_id id, edit how) override;
  weft::task<weft::result<>> remove(weft::context ctx, user_id id, weft::messaging::outgoing told) override;
  weft::task<weft::result<>> count_post(weft::context ctx, user_id author, weft::uuid post,
                                        post_change change) override;
  weft::task<weft::result<user_page>> list(weft::context ctx, user_query query) override;

 private:
  std::size_t max_users_;
  std::map<user_id, user> users_;
  std::map<std::string, user_id, std::less<>> by_email_;  // in lower case
  post_ledger ledger_;
  weft::messaging::publish_queue& events_;
};

}  // namespace market::users
