#pragma once
// What CloudEvents 1.0 allows in attributes. Errors name the attribute.
#include <weft/base/error.hpp>

#include <cstddef>
#include <string_view>

namespace weft::messaging::event_rules {

inline constexpr std::size_t max_attribute_bytes = 4096;

[[nodiscard]] std::unexpected<error> wrong(std::string_view name, std::string_view why);
// Printable ASCII: nothing more has to be asked about its characters.
[[nodiscard]] bool plain(std::string_view text) noexcept;

// The name of an attribute that is no extension.
[[nodiscard]] bool is_own(std::string_view name) noexcept;

[[nodiscard]] result<> check_required(std::string_view name, std::string_view text);
[[nodiscard]] result<> check_text(std::string_view name, std::string_view text);
[[nodiscard]] result<> check_uri(std::string_view name, std::string_view text);
[[nodiscard]] result<> check_schema(std::string_view uri);
[[nodiscard]] result<> check_media_type(std::string_view text);
[[nodiscard]] result<> check_extension_name(std::string_view name);

}  // namespace weft::messaging::event_rules
