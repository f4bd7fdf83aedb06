#pragma once
// A method's arguments to the wire and back.
#include <weft/amqp/method.hpp>

#include "wire.hpp"

namespace weft::amqp {

// The class, the number, the arguments.
void write_method(wire_writer& w, const method& m);
// The arguments of the method `wanted`, which is errc::data_loss when there is no such method.
[[nodiscard]] result<method> read_method(wire_reader& r, method_id wanted);

// What a consumer reads most is read past the variant, into what the delivery before it left behind.
[[nodiscard]] bool is_deliver(std::string_view payload) noexcept;
[[nodiscard]] result<> read_deliver(std::string_view payload, basic_deliver& into);

}  // namespace weft::amqp
