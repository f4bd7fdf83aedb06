#pragma once
// A simulated connection: two ends, and between them a pipe each way. What is written goes straight into the ring that
// the other end reads from; segments only say up to where it may read, and when. So a message costs one event and two
// copies, and a retransmission moves no bytes.
#include <weft/runtime/loop.hpp>
#include <weft/testkit/network.hpp>

#include <cstdint>
#include <vector>

namespace weft::testkit {

class machine;
class simulated_stream;
class simulated_listener;

// One direction between two hosts.
struct link {
  link_options options, usual;  // `usual` comes back when a slow link heals
  unsigned cuts = 0;            // by partitions
  bool plain = true;            // nothing but latency and jitter to think of
  std::int64_t latency = 0, jitter = 0;
  std::int64_t busy_until = 0;  // by what has been sent at its bandwidth
};

enum class end_state : std::uint8_t {
  unborn,      // the accepting end, before the first segment arrived
  connecting,  // no answer yet; the accepting end: not confirmed yet
  open,
  closed,  // by its owner
  failed,  // see failure
  lost,    // its host lost its power
};

struct connection_end {
  machine* host = nullptr;
  simulated_stream* owner = nullptr;
  io_waiter *reader = nullptr, *writer = nullptr;
  end_state state = end_state::unborn;
  errc failure = errc::unavailable;
  const char* reason = "";
  address local;
};

struct segment {
  std::uint64_t end;  // position in the stream of bytes
  std::int64_t departed;
  bool opens, finishes;
};

// From one end to the other. Positions count bytes since the start: acknowledged <= read <= delivered <= departed <=
// written <= acknowledged + window.
struct pipe {
  link* via = nullptr;
  char* data = nullptr;
  std::uint32_t capacity = 0;  // of the ring; a power of two, grown up to the window
  std::uint64_t acknowledged = 0, read = 0, delivered = 0, departed = 0, written = 0;
  std::vector<segment> flight;  // from flight_head on
  std::size_t flight_head = 0;
  std::int64_t last_arrival = 0, stalled_since = 0;
  std::uint32_t epoch = 0;  // segments of an earlier one are lost
  std::uint16_t tries = 0;  // of retransmission since something got through
  bool stalled = false;     // waiting for a retransmission
  bool opened = false;      // the other end has seen the first segment
  bool finished = false;    // nothing more will be written
  bool end_seen = false;    // the other end knows that
  bool window_on_its_way = false;
};

struct connection {
  connection_end ends[2];        // 0 connected, 1 accepted
  pipe pipes[2];                 // pipes[i] is written by ends[i]
  std::uint32_t number = 0;      // for the trace
  std::uint32_t references = 0;  // streams, listeners' queues, events
  address target;                // what was asked for
};

}  // namespace weft::testkit
