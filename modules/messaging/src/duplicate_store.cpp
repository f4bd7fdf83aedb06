#include <weft/base/saturating.hpp>
#include <weft/messaging/duplicate_store.hpp>

namespace weft::messaging {

void memory_duplicate_store::forget_old() {
  const auto now = loop_.now();
  while (!ages_.empty() && (ages_.front().first <= now || ages_.size() > max_ids_)) {
    // It may have been handled again since, with a later end.
    const auto at = known_.find(ages_.front().second);
    if (at != known_.end() && at->second.handled && at->second.until == ages_.front().first) known_.erase(at);
    ages_.pop_front();
  }
}

task<result<duplicate_state>> memory_duplicate_store::claim(context, std::string group, std::string id) {
  forget_old();
  const auto [at, fresh] = known_.try_emplace(name{std::move(group), std::move(id)});
  if (fresh) co_return duplicate_state::fresh;
  co_return at->second.handled ? duplicate_state::handled : duplicate_state::in_progress;
}

task<result<>> memory_duplicate_store::complete(context, std::string group, std::string id, duration keep) {
  const auto until = later(loop_.now(), keep);
  name n{std::move(group), std::move(id)};
  known_.insert_or_assign(n, entry{true, until});
  ages_.emplace_back(until, std::move(n));
  forget_old();
  co_return result<>{};
}

void memory_duplicate_store::release(std::string_view group, std::string_view id) noexcept {
  const auto at = known_.find(name{group, id});
  if (at != known_.end() && !at->second.handled) known_.erase(at);
}

}  // namespace weft::messaging
