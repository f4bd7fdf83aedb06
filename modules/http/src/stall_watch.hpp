#pragma once
// Which requests were under way when the loop stood still.
#include <weft/http/message.hpp>
#include <weft/observe/log.hpp>
#include <weft/observe/metrics.hpp>
#include <weft/runtime/loop.hpp>

#include <string>
#include <vector>

namespace weft::http::detail {

class stall_watch final : public turn_observer {
 public:
  // `metrics` and `log` may be null.
  stall_watch(loop& l, duration threshold, observe::registry* metrics, const observe::logger* log);
  void observe(slow_turn& turn) override;

  // A request, from its head to its response.
  class active {
   public:
    active(stall_watch& watch, const request& r) noexcept;
    ~active();
    active(const active&) = delete;
    active& operator=(const active&) = delete;

   private:
    friend class stall_watch;
    stall_watch& watch_;
    const request& request_;
    steady_time began_;
    active *next_ = nullptr, *previous_ = nullptr;
  };

 private:
  // One that ended late in a slow turn.
  struct ended {
    std::string route;
    steady_time turn;
    bool whole = false;  // it ran within the turn alone, for most of what the turn had taken by then
  };
  void end(const active& a);

  loop& loop_;
  duration threshold_;
  observe::counter_family stalls_;
  const observe::logger* log_;
  active* first_ = nullptr;
  std::vector<ended> ended_;
};

}  // namespace weft::http::detail
