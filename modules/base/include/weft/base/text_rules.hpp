#pragma once
// What a text field may hold, said before it goes anywhere: a name with a NUL in it is fine in memory, and then refused
// by a database, or by a consumer, for good.
//
//     if (auto problem = check_text(wanted.name, {.min_characters = 1, .max_characters = 100}))
//       // 400: "name: must not hold a NUL character"
//       return fail(errc::invalid_argument, "name: " + *problem);
//
// Whatever the rules are, a text is UTF-8 without NUL, and without other control characters but those of lines.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

enum class text_lines : std::uint8_t {
  one,   // no line ends and no tabs
  many,  // both are fine
};

struct text_rules {
  std::size_t min_characters = 0;  // Unicode's code points
  std::size_t max_characters = std::numeric_limits<std::size_t>::max();
  std::size_t max_bytes = std::numeric_limits<std::size_t>::max();
  text_lines lines = text_lines::one;
};

// The first rule that is broken, as the end of a sentence that begins with the field: "must not be empty".
[[nodiscard]] std::optional<std::string> check_text(std::string_view text, const text_rules& rules = {});

}  // namespace weft
