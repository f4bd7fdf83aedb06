#include <weft/amqp/method.hpp>

namespace weft::amqp {

bool method::equals(const method& other) const {
  return static_cast<const any_method&>(*this) == static_cast<const any_method&>(other);
}

method_id id_of(const method& m) noexcept {
  return std::visit([](const auto& each) { return each.id; }, static_cast<const any_method&>(m));
}

std::string_view name_of(const method& m) noexcept {
  return std::visit([](const auto& each) { return each.name; }, static_cast<const any_method&>(m));
}

namespace {
template <std::size_t... I>
std::string_view find_name(method_id wanted, std::index_sequence<I...>) {
  std::string_view found;
  static_cast<void>(((std::variant_alternative_t<I, any_method>::id == wanted &&
                      (found = std::variant_alternative_t<I, any_method>::name, true)) ||
                     ...));
  return found;
}
}  // namespace

std::string name_of(method_id id) {
  const auto found = find_name(id, std::make_index_sequence<std::variant_size_v<any_method>>{});
  if (!found.empty()) return std::string{found};
  return "class " + std::to_string(id.class_number) + " method " + std::to_string(id.method_number);
}

}  // namespace weft::amqp
