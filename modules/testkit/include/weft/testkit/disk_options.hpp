#pragma once
// How a simulated disk behaves. What was written is visible at once; what a power loss keeps is what was synced, and
// of the rest the seed decides: a part, in order, the last write of it possibly torn.
#include <weft/runtime/timer.hpp>

#include <cstdint>

namespace weft::testkit {

struct disk_options {
  duration read_latency = std::chrono::microseconds{80};
  duration write_latency = std::chrono::microseconds{20};  // into the page cache; opening and renaming too
  duration sync_latency = std::chrono::milliseconds{1};
  duration sync_jitter = std::chrono::milliseconds{1};  // uniform, on top
  std::uint64_t capacity = 1ULL << 32;                  // bytes; beyond: errc::resource_exhausted
  // A sync that fails with errc::data_loss. As on Linux, the pages (of 4096 bytes) that it should have written count as
  // clean afterwards, those that the device never got too: they are read as before, later syncs succeed without them,
  // and they are gone with the power, unless something is written to them again.
  double sync_failure = 0;
  double keep_unsynced = 0.5;  // that a power loss keeps some of what was not synced
  // That the power goes in the middle of a write or a sync of host::blocking_disk(). Its calls take no virtual time, so
  // no other crash can fall among them.
  double power_loss_in_call = 0;
};

}  // namespace weft::testkit
