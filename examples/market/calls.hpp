#pragma once
// How a service of the market calls another: traced, counted, and by its own name.
//
//     discovery::service_client posts{core.loop, core.registry, calls_to("posts", "users", core), policies};
#include <weft/discovery/service_client.hpp>
#include <weft/service/application.hpp>

#include <string>
#include <utility>

namespace market {

[[nodiscard]] inline weft::discovery::service_client_options calls_to(std::string service, std::string caller,
                                                                      weft::service::core& core) {
  weft::discovery::service_client_options options{.service = std::move(service), .caller = std::move(caller)};
  options.tracer = &core.spans;
  options.metrics = &core.metrics;
  return options;
}

}  // namespace market
