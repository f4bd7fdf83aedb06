#pragma once
// Which traces are recorded.
//
//     auto policy = observe::parent_based(observe::ratio_sampler(0.1));   // follow the caller; of our own, one in ten
//
// Samplers are immutable and may be shared between loops.
#include <weft/observe/trace_context.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

namespace weft::observe {

struct sampling_request {
  const trace_position& parent;  // not valid(): the span is the first of its trace
  const std::array<std::uint8_t, 16>& trace_id;
  std::string_view span_name;
};

class sampler {
 public:
  virtual ~sampler() = default;
  [[nodiscard]] virtual sampling decide(const sampling_request& request) const noexcept = 0;
};

[[nodiscard]] std::shared_ptr<const sampler> always_sampler();
[[nodiscard]] std::shared_ptr<const sampler> never_sampler();
// A share of all traces, 0 to 1 (else std::invalid_argument), by OpenTelemetry's consistent probability sampling: the
// randomness R is the 56 rightmost bits of the trace id, or what the tracestate has as "ot=rv:<14 hexadecimal digits>",
// and a trace is recorded when R >= (1 - ratio) * 2^56. Services with the same ratio keep the same traces, whatever
// OpenTelemetry SDK they use, and a larger ratio keeps those of a smaller one as well.
[[nodiscard]] std::shared_ptr<const sampler> ratio_sampler(double ratio);
// What the caller decided; `root` decides for traces that begin here. An untrusted caller can thus have itself
// recorded: do not extract() its headers.
[[nodiscard]] std::shared_ptr<const sampler> parent_based(std::shared_ptr<const sampler> root);

}  // namespace weft::observe
