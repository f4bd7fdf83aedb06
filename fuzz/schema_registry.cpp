// The file of a schema registry, which people write by hand. Properties: nothing crashes, however schemas refer to each
// other; what was parsed is written and parsed again to the same text; a schema reads what it writes itself.
#include <weft/messaging/schema_registry.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace weft::messaging;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto registry = schema_registry::parse({reinterpret_cast<const char*>(data), size});
  if (!registry) return 0;
  const auto text = registry->to_json();
  const auto again = schema_registry::parse(text);
  require(again && again->to_json() == text);
  for (const auto& [type, subject] : registry->subjects()) {
    const weft::json::value* before = nullptr;
    for (const auto& [version, schema] : subject.versions) {
      require(registry->check(type, version, schema).has_value());
      if (before != nullptr)
        for (const auto& each : incompatibilities(*before, schema, compatibility::full))
          require(each.path.starts_with('$') && !each.why.empty());
      before = &schema;
    }
  }
  return 0;
}
