#pragma once
// Messages as they stand in the file: one blob, so that a row costs one value to bind. Numbers are LEB128; strings have
// their length before them. The first byte is the format.
#include <weft/base/error.hpp>
#include <weft/messaging/message.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::messaging {

[[nodiscard]] std::string pack(const message& m);
// errc::data_loss for anything but what pack() gives.
[[nodiscard]] result<message> unpack(std::string_view bytes);

[[nodiscard]] std::string pack(const std::vector<std::uint64_t>& numbers);
[[nodiscard]] result<std::vector<std::uint64_t>> unpack_numbers(std::string_view bytes);

}  // namespace weft::messaging
