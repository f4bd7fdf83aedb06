#include "method_fields.hpp"

namespace weft::amqp {

namespace {

template <class M>
method read(wire_reader& r) {
  M m;
  M::fields(m, r);
  return std::move(m);
}

using reader = method (*)(wire_reader&);

template <std::size_t... I>
reader reader_of(method_id wanted, std::index_sequence<I...>) {
  reader found = nullptr;
  static_cast<void>(((std::variant_alternative_t<I, any_method>::id == wanted &&
                      (found = read<std::variant_alternative_t<I, any_method>>, true)) ||
                     ...));
  return found;
}

}  // namespace

void write_method(wire_writer& w, const method& m) {
  const auto id = id_of(m);
  w.short_uint(id.class_number);
  w.short_uint(id.method_number);
  std::visit([&w](const auto& each) { each.fields(each, w); }, static_cast<const any_method&>(m));
}

result<method> read_method(wire_reader& r, method_id wanted) {
  const auto read = reader_of(wanted, std::make_index_sequence<std::variant_size_v<any_method>>{});
  if (read == nullptr) return fail(errc::data_loss, "a method that is none of AMQP 0-9-1: " + name_of(wanted));
  auto m = read(r);
  WEFT_TRY_VOID(r.outcome(name_of(m)));
  return m;
}

bool is_deliver(std::string_view payload) noexcept {
  constexpr char id[] = {0, static_cast<char>(basic_deliver::id.class_number), 0,
                         static_cast<char>(basic_deliver::id.method_number)};
  return payload.starts_with(std::string_view{id, sizeof id});
}

result<> read_deliver(std::string_view payload, basic_deliver& into) {
  wire_reader r{payload};
  r.integer<std::uint32_t>();  // class and number
  basic_deliver::fields(into, r);
  return r.outcome(basic_deliver::name);
}

}  // namespace weft::amqp
