#pragma once
// What happened to one call, and why: "try 1 to 10.0.0.3:80 timed out after 300 ms; waited 50 ms; refused: breaker
// open: 7 of 10 failed in 10 s; fallback used".
//
// A call that simply succeeds leaves no record. The text stands in the error that a pipeline returns; the entries go to
// the pipeline's listener, for span events and metrics by reason, and to whoever asks by call_options::record.
#include <weft/resilience/core/breaker.hpp>
#include <weft/resilience/reason.hpp>
#include <weft/runtime/context.hpp>

#include <span>
#include <string>
#include <vector>

namespace weft::resilience {

struct decision {
  reason why = reason::failed;
  bool shadow = false;        // it was only counted
  std::uint32_t attempt = 0;  // from 1; 0: the call as a whole
  std::string peer;           // of an attempt, when known
  std::optional<errc> code{};
  int status = 0;
  duration took{};  // by an attempt
  duration wait{};  // a pause, or after which a refused call may come again, or the age of what was served
  std::uint32_t part = 0, whole = 0;  // of a limit
  breaker_cause cause{};
  [[nodiscard]] std::string describe() const;
};

class decision_record {
 public:
  static constexpr std::size_t most = 64;  // later ones are counted only

  void add(decision d);
  [[nodiscard]] std::span<const decision> entries() const noexcept { return entries_; }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  [[nodiscard]] bool has(reason r) const noexcept;
  [[nodiscard]] std::string describe() const;
  void clear() noexcept { entries_.clear(), left_out_ = 0; }

 private:
  std::vector<decision> entries_;
  std::size_t left_out_ = 0;
};

// Told of every decision as it is made, on the loop of the call. Counters and span events hang here. What a listener
// throws is dropped.
class policy_listener {
 public:
  virtual ~policy_listener() = default;
  virtual void decided(const context& ctx, std::string_view pipeline, const decision& d) = 0;
  virtual void breaker_changed(std::string_view pipeline, const breaker_event& e) = 0;
  // A breaker that the pipeline uses, before its calls do. Changes of one that is the pipeline's own are told by
  // breaker_changed(); one that is shared may be watched (breaker_core::watch).
  virtual void breaker_in_use(std::string_view /*pipeline*/, breaker_core& /*breaker*/, bool /*own*/) {}
};

}  // namespace weft::resilience
