#include <weft/json/reader.hpp>
struct money {
  static std::optional<money> parse(std::string_view text);
  std::string to_string() const;
};
