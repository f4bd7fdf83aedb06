#include <weft/messaging/upcasters.hpp>

#include <stdexcept>

namespace weft::messaging {

upcasters& upcasters::add_text(std::string type, std::uint32_t version, text_step step) {
  auto place = std::pair{std::move(type), version};
  if (!steps_.try_emplace(place, std::move(step)).second)
    throw std::invalid_argument{"two upcasters of " + place.first + " from version " + std::to_string(version)};
  return *this;
}

upcasters& upcasters::add_json(std::string type, std::uint32_t version,
                               std::function<result<json::value>(json::value)> step) {
  return add_text(std::move(type), version, [step = std::move(step)](const std::string& data) -> result<std::string> {
    WEFT_TRY(auto old, json::parse(data));
    WEFT_TRY(const auto made, step(std::move(old)));
    return json::serialize(made);
  });
}

result<std::string> upcasters::upcast(std::string_view type, std::uint32_t from, std::uint32_t to,
                                      std::string data) const {
  for (std::pair<std::string, std::uint32_t> place{type, from}; place.second < to; ++place.second) {
    const auto step = steps_.find(place);
    if (step == steps_.end()) break;
    auto made = step->second(data);
    if (!made)
      return fail(errc::invalid_argument, place.first + " from version " + std::to_string(place.second) + ": " +
                                              std::string{made.error().message()});
    data = *std::move(made);
  }
  return data;
}

}  // namespace weft::messaging
