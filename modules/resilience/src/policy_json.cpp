#include <weft/json/decode.hpp>
#include <weft/resilience/policy_set.hpp>

WEFT_JSON_DEFINE_CODEC(weft::resilience::policy)

namespace weft::resilience {

result<policies> parse_policies(std::string_view json) {
  return json::decode<policies>(
      json, {.unknown_fields = json::unknown_fields::refuse, .missing_fields = json::missing_fields::keep_default});
}

}  // namespace weft::resilience
