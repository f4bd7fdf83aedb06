#include <weft/messaging/event_bus.hpp>
#include <weft/runtime/guarded.hpp>

namespace weft::messaging {

void event_bus::add(std::string_view name, type_token type, const std::shared_ptr<erased>& call) {
  auto& at = topics_.try_emplace(std::string{name}).first->second;
  WEFT_ASSERT(at.type == nullptr || at.type == type, "a topic of the event bus is used with two types");
  at.type = type;
  std::erase_if(at.list, [](const auto& each) { return each.expired(); });
  at.list.push_back(call);
}

std::vector<std::weak_ptr<event_bus::erased>> event_bus::find(std::string_view name, type_token type) {
  const auto at = topics_.find(name);
  if (at == topics_.end()) return {};
  WEFT_ASSERT(at->second.type == type, "a topic of the event bus is used with two types");
  return at->second.list;
}

task<result<>> event_bus::call_all(context ctx, std::vector<std::weak_ptr<erased>> list, const void* what) {
  result<> first;
  for (const auto& each : list) {
    const auto call = each.lock();
    if (!call) continue;
    auto said = co_await guarded_await(*call, ctx, what);
    if (!said && first) first = std::move(said);
  }
  co_return first;
}

}  // namespace weft::messaging
