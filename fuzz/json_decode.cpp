// JSON text, decoded into a type that uses every kind of codec, and parsed into a tree. Properties: nothing crashes,
// what the tree accepts is written and parsed again to the same tree, and what the type accepts survives a round trip
// as text.
#include <weft/json.hpp>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

namespace {

namespace json = weft::json;

enum class color { red, green };
BOOST_DESCRIBE_ENUM(color, red, green)

struct circle {
  double radius = 0;
};
BOOST_DESCRIBE_STRUCT(circle, (), (radius))
struct square {
  float side = 0;
};
BOOST_DESCRIBE_STRUCT(square, (), (side))

struct node {
  std::optional<std::string> name;
  std::optional<color> paint;
  std::optional<std::int8_t> small;
  std::optional<std::uint64_t> large;
  std::optional<std::variant<std::monostate, circle, square, std::string, bool>> shape;
  std::optional<weft::uuid> id;
  std::optional<weft::wall_time> at;
  std::optional<std::chrono::milliseconds> wait;
  std::optional<std::map<std::string, json::value>> more;
  std::optional<std::unordered_map<int, std::vector<bool>>> flags;
  std::vector<node> children;
  std::unique_ptr<node> twin;
};
BOOST_DESCRIBE_STRUCT(node, (), (name, paint, small, large, shape, id, at, wait, more, flags, children, twin))

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  if (const auto parsed = json::parse(text)) {
    const std::string written = json::serialize(*parsed);
    const auto again = json::parse(written);
    require(again && *again == *parsed && json::serialize(*again) == written);
  }
  for (const auto missing : {json::missing_fields::refuse, json::missing_fields::keep_default}) {
    const auto decoded = json::try_decode<node>(text, {.missing_fields = missing});
    if (!decoded) {
      require(decoded.error().offset <= size && decoded.error().path.starts_with('$'));
      continue;
    }
    const std::string written = json::encode(*decoded);
    const auto again = json::decode<node>(written);
    require(again && json::encode(*again) == written);
  }
  return 0;
}
