#pragma once
// What the host tells the registry about its own listeners, from their start to the drain.
#include "listeners.hpp"

#include <weft/discovery/registrar.hpp>
#include <weft/service/health.hpp>

#include <memory>
#include <vector>

namespace weft::service {

class self_registration {
 public:
  self_registration(loop& l, discovery::registry& where, const discovery_settings& settings,
                    const observe::logger& log);

  void add(const bound_listener& listener, endpoint_choice endpoints);
  void start();
  // A line of /health, without weight: a service that the registry does not know can still do its work.
  void show_in(health_checks& health);
  // Throws when the registry could not be told; it will find out by the ttl. Called again, it tells what is left to
  // tell.
  task<void> leave(context ctx);
  [[nodiscard]] bool expected() const noexcept { return !entries_.empty(); }

 private:
  struct entry {
    std::unique_ptr<discovery::registrar> keeper;
    std::string trouble;  // the last one that was logged
    steady_time told_at{};
    bool out = false;
  };
  void tell(entry& e, discovery::registrar::standing now, const std::optional<error>& trouble);
  task<void> take_out(entry& e, context ctx, std::string& problems);
  task<result<health_details>> check() const;
  [[nodiscard]] std::string host_for(const bound_listener& listener) const;

  loop& loop_;
  discovery::registry& where_;
  const discovery_settings& settings_;
  const observe::logger& log_;
  std::vector<std::unique_ptr<entry>> entries_;
};

}  // namespace weft::service
