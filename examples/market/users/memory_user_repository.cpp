#include "users/memory_user_repository.hpp"

#include <ranges>

namespace market::users {

using namespace weft;

namespace {

bool matches(const user& u, const user_query& query, const std::string& search) {
  if (query.status && u.status != *query.status) return false;
  return search.empty() || lowered(u.name).contains(search) || lowered(u.email).contains(search);
}

std::unexpected<error> unknown(const user_id& id) { return fail(errc::not_found, "user " + id.value().to_string()); }
std::unexpected<error> taken(const user& u) { return fail(errc::already_exists, "the email address " + u.email); }

}  // namespace

// The event is handed over last of what can fail, and nothing else runs before the change: both, or neither.
task<result<>> memory_user_repository::add(context, user added, messaging::outgoing told) {
  if (by_email_.contains(lowered(added.email))) co_return taken(added);
  if (users_.size() >= max_users_) co_return fail(errc::resource_exhausted, "there is no room for more users");
  WEFT_CO_TRY_VOID(events_.add(std::move(told)));
  by_email_.emplace(lowered(added.email), added.id);
  users_.emplace(added.id, std::move(added));
  co_return result<>{};
}

task<result<user>> memory_user_repository::find(context, user_id id) {
  const auto found = users_.find(id);
  if (found == users_.end()) co_return unknown(id);
  co_return found->second;
}

task<result<user>> memory_user_repository::change(context, user_id id, edit how) {
  const auto found = users_.find(id);
  if (found == users_.end()) co_return unknown(id);
  auto changed = found->second;
  WEFT_CO_TRY(auto told, how(changed));
  const auto email = lowered(changed.email);
  if (const auto owner = by_email_.find(email); owner != by_email_.end() && owner->second != id)
    co_return taken(changed);
  WEFT_CO_TRY_VOID(events_.add(std::move(told)));
  by_email_.erase(lowered(found->second.email));
  by_email_.emplace(email, id);
  changed.post_count = found->second.post_count;
  found->second = changed;
  co_return changed;
}

task<result<>> memory_user_repository::remove(context, user_id id, messaging::outgoing told) {
  const auto found = users_.find(id);
  if (found == users_.end()) co_return unknown(id);
  WEFT_CO_TRY_VOID(events_.add(std::move(told)));
  by_email_.erase(lowered(found->second.email));
  users_.erase(found);
  co_return result<>{};
}

task<result<>> memory_user_repository::count_post(context, user_id author, uuid post, post_change change) {
  WEFT_CO_TRY(const auto difference, ledger_.apply(post, change));
  if (const auto found = users_.find(author); found != users_.end())
    found->second.post_count = static_cast<std::uint32_t>(std::int64_t{found->second.post_count} + difference);
  co_return result<>{};
}

task<result<user_page>> memory_user_repository::list(context, user_query query) {
  const auto search = lowered(query.search);
  const auto first = (query.page.page - 1) * query.page.limit;
  user_page page;
  for (const auto& [id, one] : users_ | std::views::reverse) {
    if (!matches(one, query, search)) continue;
    if (page.total >= first && page.users.size() < query.page.limit) page.users.push_back(one);
    ++page.total;
  }
  co_return page;
}

}  // namespace market::users
