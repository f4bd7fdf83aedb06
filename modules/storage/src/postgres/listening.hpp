#pragma once
// NOTIFY: one connection for all listeners, made again when it breaks.
#include "pool.hpp"

#include <map>
#include <memory>
#include <string>

namespace weft::storage {

class pg_listening final : public std::enable_shared_from_this<pg_listening> {
 public:
  explicit pg_listening(pg_pool& pool) : pool_{pool}, changed_{pool.owner()} {}
  [[nodiscard]] std::unique_ptr<notification_listener> add(std::string channel);
  [[nodiscard]] loop& owner() noexcept { return pool_.owner(); }
  void stop();  // listeners end with errc::failed_precondition

 private:
  class listener;
  static task<void> run(std::shared_ptr<pg_listening> self);
  task<result<>> subscribe(pg_connection& c);
  void heard(std::string_view channel, std::string_view payload);
  void all_lost(std::string_view channel);

  pg_pool& pool_;
  event changed_;  // channels came or went, or the connection broke
  std::multimap<std::string, listener*, std::less<>> listeners_;
  std::map<std::string, bool, std::less<>> channels_;  // wanted; whether the server knows
  bool running_ = false, stopped_ = false;
};

}  // namespace weft::storage
