#include <weft/messaging/core/hub_admin.hpp>

namespace weft::messaging {

result<hub_admin::held> hub_admin::hub() const {
  if (hub_ == nullptr) return fail(error{errc::failed_precondition, "the broker is closed"}.as_unprocessed());
  return held{owner_, hub_};
}

task<result<>> hub_admin::kept(held by, context ctx) {
  if (by.hub->record == nullptr) co_return result<>{};
  co_return co_await by.hub->record->settled(loop_, std::move(ctx));
}

task<result<std::vector<group_depth>>> hub_admin::depths(context) {
  WEFT_CO_TRY(const auto at, hub());
  co_return at.hub->depths();
}

task<result<std::vector<dead_letter_entry>>> hub_admin::dead_letters(context, dead_letter_query query) {
  WEFT_CO_TRY(const auto at, hub());
  co_return at.hub->dead_letters(query);
}

task<result<std::size_t>> hub_admin::replay(context ctx, std::string group, std::vector<std::uint64_t> numbers) {
  WEFT_CO_TRY(const auto at, hub());
  if (at.hub->record == nullptr) co_return at.hub->replay(loop_, group, std::move(numbers));
  co_return co_await at.hub->record->replay(loop_, std::move(ctx), std::move(group), std::move(numbers));
}

task<result<std::size_t>> hub_admin::purge(context ctx, std::string group, std::vector<std::uint64_t> numbers) {
  WEFT_CO_TRY(const auto at, hub());
  WEFT_CO_TRY(const auto count, at.hub->purge(loop_, group, std::move(numbers)));
  WEFT_CO_TRY_VOID(co_await kept(at, std::move(ctx)));
  co_return count;
}

task<result<std::size_t>> hub_admin::clear(context ctx, std::string group) {
  WEFT_CO_TRY(const auto at, hub());
  WEFT_CO_TRY(const auto count, at.hub->clear(loop_, group));
  WEFT_CO_TRY_VOID(co_await kept(at, std::move(ctx)));
  co_return count;
}

task<result<>> hub_admin::remove_group(context ctx, std::string group) {
  WEFT_CO_TRY(const auto at, hub());
  WEFT_CO_TRY_VOID(at.hub->remove_group(group));
  co_return co_await kept(at, std::move(ctx));
}

}  // namespace weft::messaging
