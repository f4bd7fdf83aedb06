#pragma once
// Faults on purpose, to see what their callers make of them. Off until told otherwise, adjustable while the service
// runs.
//
//     fault_injector faults;                                  // outlives the handlers
//     routes.use(inject_faults(loop, faults));
//     routes.any("/debug/faults", fault_control(faults));     // GET, POST, DELETE; keep it off the public side
//
//     curl -X POST :8080/debug/faults -d '[{"path":"/api/","error_percent":10,"delay_percent":50,"delay_ms":200}]'
//
// Of the rules, the first that matches a request's path and method decides. Each of its faults is drawn by the loop's
// random numbers, so that a simulation replays. A fault is named in the response: X-Injected-Fault.
#include <weft/http/message.hpp>
#include <weft/runtime/loop.hpp>

#include <atomic>
#include <boost/describe/class.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace weft::http {

struct fault {
  std::string path = "/";    // what the path begins with
  std::string method;        // empty: any
  double delay_percent = 0;  // how many requests wait before they go on
  std::uint32_t delay_ms = 0;
  std::uint32_t delay_jitter_ms = 0;  // added, uniform from 0 to this
  double error_percent = 0;           // how many are answered with error_status, unseen by the handler
  std::uint32_t error_status = 503;   // 400 to 599
  double abort_percent = 0;           // how many break off after the head of an answer
  friend bool operator==(const fault&, const fault&) = default;
};
BOOST_DESCRIBE_STRUCT(fault, (),
                      (path, method, delay_percent, delay_ms, delay_jitter_ms, error_percent, error_status,
                       abort_percent))

// The rules in force. Any thread may read and replace them; requests that have begun keep to the ones they met.
class fault_injector {
 public:
  static constexpr std::size_t max_faults = 100;

  // errc::invalid_argument names the rule and the field that is out of bounds; then nothing changes.
  result<> set(std::vector<fault> faults);
  void clear();
  [[nodiscard]] std::vector<fault> faults() const;
  [[nodiscard]] bool active() const noexcept { return active_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::shared_ptr<const std::vector<fault>> current() const { return rules_.load(); }

 private:
  std::atomic<std::shared_ptr<const std::vector<fault>>> rules_;
  std::atomic<bool> active_ = false;
};

// Paths that begin with `exempt_path` go through, so that a fault can be taken back.
[[nodiscard]] middleware inject_faults(loop& l, const fault_injector& faults, std::string exempt_path = "/debug/");
// GET: the rules as JSON. POST: replaces them by a JSON array, or one object. DELETE: none.
[[nodiscard]] handler fault_control(fault_injector& faults);

}  // namespace weft::http
