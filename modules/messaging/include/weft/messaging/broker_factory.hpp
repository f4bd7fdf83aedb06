#pragma once
// Brokers by URL. A program names the kinds that it has, so that nothing registers itself:
//
//     broker_factory brokers;
//     brokers.add("memory", memory_brokers()).add("amqp", amqp_brokers());
//     WEFT_CO_TRY(auto bus, co_await brokers.open(loop, ctx, settings.broker_url));
//
// Filled at start-up; open() may then be called from any loop.
#include <weft/messaging/broker.hpp>
#include <weft/runtime/loop.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace weft::messaging {

// Makes a broker that belongs to the loop, connected, from a URL of its scheme.
using broker_opener = std::function<task<result<std::unique_ptr<broker>>>(loop& l, context ctx, std::string url)>;

class broker_factory {
 public:
  // Throws std::invalid_argument for a scheme that is there already.
  broker_factory& add(std::string scheme, broker_opener open);
  // errc::invalid_argument for a scheme that is not there, with those that are; else what the broker says.
  [[nodiscard]] task<result<std::unique_ptr<broker>>> open(loop& l, context ctx, std::string url) const;

 private:
  std::map<std::string, broker_opener, std::less<>> openers_;
};

}  // namespace weft::messaging
