#include <weft/amqp/value.hpp>

#include <algorithm>
#include <type_traits>

namespace weft::amqp {

table::table(std::initializer_list<field> fields) : fields_{fields} {}
table::table(const table&) = default;
table& table::operator=(const table&) = default;

bool table::empty() const noexcept { return fields_.empty(); }
std::size_t table::size() const noexcept { return fields_.size(); }

const value* table::find(std::string_view name) const noexcept {
  const auto at = std::ranges::find(fields_, name, &field::name);
  return at == fields_.end() ? nullptr : &at->content;
}

void table::set(std::string_view name, value v) {
  const auto at = std::ranges::find(fields_, name, &field::name);
  if (at == fields_.end())
    fields_.push_back({std::string{name}, std::move(v)});
  else
    at->content = std::move(v);
}

bool table::erase(std::string_view name) {
  return std::erase_if(fields_, [&](const field& f) { return f.name == name; }) > 0;
}

void table::append(field f) { fields_.push_back(std::move(f)); }

bool operator==(const table& a, const table& b) { return a.fields_ == b.fields_; }
bool operator==(const value& a, const value& b) { return a.held_ == b.held_; }

std::optional<std::int64_t> value::integer() const noexcept {
  return std::visit(
      [](const auto& held) -> std::optional<std::int64_t> {
        using held_type = std::decay_t<decltype(held)>;
        if constexpr (std::is_integral_v<held_type> && !std::is_same_v<held_type, bool>)
          return static_cast<std::int64_t>(held);
        else
          return std::nullopt;
      },
      held_);
}

}  // namespace weft::amqp
