#include <weft/storage/value.hpp>

namespace weft::storage {

std::string_view to_string(value_type type) noexcept {
  switch (type) {
    case value_type::null:
      return "null";
    case value_type::boolean:
      return "a boolean";
    case value_type::integer:
      return "an integer";
    case value_type::real:
      return "a real number";
    case value_type::text:
      return "text";
    case value_type::blob:
      return "a blob";
  }
  return "nothing";
}

namespace detail {

namespace {
std::unexpected<error> not_a(std::string_view wanted, const value& v) {
  return fail(errc::failed_precondition,
              "the value is " + std::string{to_string(v.type())} + ", not " + std::string{wanted});
}
}  // namespace

result<bool> as_boolean(const value& v) {
  if (const auto* b = v.get_if<bool>()) return *b;
  if (const auto* i = v.get_if<std::int64_t>(); i != nullptr && (*i == 0 || *i == 1)) return *i == 1;
  return not_a("a boolean", v);
}

result<std::int64_t> as_integer(const value& v, std::int64_t least, std::int64_t most) {
  const auto* i = v.get_if<std::int64_t>();
  if (i == nullptr) return not_a("an integer", v);
  if (*i < least || *i > most)
    return fail(errc::out_of_range, "the number " + std::to_string(*i) + " does not fit into the type asked for");
  return *i;
}

result<double> as_real(const value& v) {
  if (const auto* d = v.get_if<double>()) return *d;
  if (const auto* i = v.get_if<std::int64_t>()) return static_cast<double>(*i);
  return not_a("a number", v);
}

result<std::string_view> as_text(const value& v) {
  if (const auto* s = v.get_if<std::string>()) return std::string_view{*s};
  return not_a("text", v);
}

result<const blob*> as_blob(const value& v) {
  if (const auto* b = v.get_if<blob>()) return b;
  return not_a("a blob", v);
}

}  // namespace detail

error row::no_column(std::string_view name) const {
  std::string known;
  for (const auto& column : data_->columns) known += (known.empty() ? "" : ", ") + column;
  return error{errc::out_of_range, "no column " + std::string{name} + "; there are: " + known};
}

}  // namespace weft::storage
