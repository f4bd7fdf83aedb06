#pragma once
// What Prometheus expects of every process, read when it is asked for, and which build this is:
//   process_cpu_seconds_total, process_resident_memory_bytes, process_virtual_memory_bytes, process_open_fds,
//   process_max_fds, process_threads, process_start_time_seconds, weft_build_info{program,version,weft,compiler}.
#include <weft/observe/metrics.hpp>

#include <string_view>
#include <vector>

namespace weft::service {

class process_metrics {
 public:
  // `to` outlives this.
  process_metrics(observe::registry& to, std::string_view program, std::string_view version);

 private:
  std::vector<observe::callback_metric> all_;
};

}  // namespace weft::service
