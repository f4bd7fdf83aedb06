#include <weft/messaging/features.hpp>

namespace weft::messaging {

std::string_view to_string(feature f) noexcept {
  switch (f) {
    case feature::ordering_per_key:
      return "ordering_per_key";
    case feature::ordered_retry:
      return "ordered_retry";
    case feature::delay:
      return "delay";
    case feature::durable:
      return "durable";
    case feature::durable_attempts:
      return "durable_attempts";
    case feature::dead_letter:
      return "dead_letter";
    case feature::sequenced_dead_letter:
      return "sequenced_dead_letter";
    case feature::dead_letter_admin:
      return "dead_letter_admin";
    case feature::priorities:
      return "priorities";
    case feature::expiry:
      return "expiry";
    case feature::mandatory:
      return "mandatory";
    case feature::ephemeral:
      return "ephemeral";
    case feature::topic_patterns:
      return "topic_patterns";
    case feature::transactions:
      return "transactions";
    case feature::replay:
      return "replay";
    case feature::deduplication:
      return "deduplication";
  }
  return "unknown";
}

std::string to_string(feature_set set) {
  std::string text;
  for (std::size_t i = 0; i < feature_count; ++i) {
    const auto f = static_cast<feature>(i);
    if (!set.has(f)) continue;
    if (!text.empty()) text += ", ";
    text += to_string(f);
  }
  return text;
}

result<> require(const broker_features& has, feature_set needs, std::string_view who) {
  const auto missing = needs.without(has.set);
  if (missing.empty()) return {};
  const error e{errc::failed_precondition,
                std::string{who} + " needs " + to_string(missing) + ", which the broker " + has.broker + " lacks"};
  return fail(e.with_remedy("choose a broker that has it, or do without"));
}

}  // namespace weft::messaging
