#pragma once
// How the simulated network behaves: what a link between two hosts does to the segments that cross it, and how the
// hosts' transport answers. Streams are ordered and reliable, as TCP's are: a lost segment shows as delay, a segment
// that is overtaken is held back by the receiver. Not modelled: keep-alive probes (an idle connection to a host that is
// gone stays), congestion control. Wrong options throw std::invalid_argument where they are given.
//
//     sim.set_link("a", "b", {.latency = 40ms, .jitter = 10ms, .loss = 0.01});
#include <weft/runtime/timer.hpp>

#include <cstdint>

namespace weft::testkit {

// One direction between two hosts. With loss, reorder, reset and split at 0 and unlimited bandwidth a message costs one
// event, and one random number if there is jitter.
struct link_options {
  duration latency = std::chrono::microseconds{200};
  duration jitter = std::chrono::microseconds{100};       // uniform, on top of the latency
  double loss = 0;                                        // of a segment: it arrives a retransmission later
  double reorder = 0;                                     // of a segment: it is late by up to `reorder_delay`
  duration reorder_delay = std::chrono::milliseconds{5};  //
  double reset = 0;                                       // of a segment: both ends see a reset instead
  double split = 0;                                       // of a segment: it arrives in two parts
  std::uint64_t bytes_per_second = 0;                     // shared by all connections of the link; 0: unlimited
  friend bool operator==(const link_options&, const link_options&) = default;
};

// The transport of every host.
struct transport_options {
  std::uint32_t window_bytes = 64 * 1024;                      // in flight and unread, each direction
  duration retransmit_first = std::chrono::milliseconds{200};  // doubled for each try,
  duration retransmit_most = std::chrono::seconds{8};          // up to this
  // A connection whose data nobody takes for so long fails with errc::deadline_exceeded; one that is idle never does.
  duration give_up = std::chrono::minutes{5};
  duration connect_timeout = std::chrono::minutes{2};  // errc::deadline_exceeded, if the context lasts longer
};

struct network_options {
  link_options link;                                                              // between two hosts
  link_options loopback{.latency = std::chrono::microseconds{20}, .jitter = {}};  // within one, Unix sockets too
  transport_options transport;
  duration name_lookup = std::chrono::microseconds{500};  // of resolve() and query_dns()
};

}  // namespace weft::testkit
