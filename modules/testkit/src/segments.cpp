// Segments on their way: departure, loss, arrival, the handshake, resets and window updates.
#include "core.hpp"
#include "simulated_stream.hpp"

#include <algorithm>

namespace weft::testkit {

namespace {
constexpr std::uint64_t thin_segment_bytes = 16 * 1024;  // over a link with limited bandwidth
constexpr std::int64_t window_retry = 1'000'000'000;
}  // namespace

void network::push(std::int64_t time, event_kind kind, connection& c, std::uint64_t data) {
  ++c.references;
  core_.events.push(time, kind, &c, data);
}

std::int64_t network::travel(const link& l) noexcept {
  return l.latency +
         (l.jitter > 0 ? static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(l.jitter) + 1)) : 0);
}

void network::send(connection& c, int i) {
  auto& p = c.pipes[i];
  if (p.stalled) return;  // a retransmission takes it along
  auto& l = *p.via;
  if (p.flight_head < p.flight.size() && l.options.bytes_per_second == 0) {
    if (auto& last = p.flight.back(); last.departed == core_.now) {  // one instant, one segment
      last.end = p.departed = p.written;
      last.finishes = p.finished;
      return;
    }
  }
  if (l.plain) [[likely]]
    put_on_the_way(c, i, p.written, later_by(core_.now, travel(l)));
  else
    send_over_bad_link(c, i, l);
}

void network::send_over_bad_link(connection& c, int i, link& l) {
  auto& p = c.pipes[i];
  const auto& o = l.options;
  do {
    if (l.cuts > 0 || (o.loss > 0 && random_.chance(o.loss))) return stall(c, i);
    if (o.reset > 0 && p.opened && random_.chance(o.reset)) {
      reset_to(c, 0);
      reset_to(c, 1);
      return;
    }
    auto bytes = p.written - p.departed;
    auto leaves = core_.now;
    if (o.bytes_per_second > 0) {
      bytes = std::min(bytes, thin_segment_bytes);
      const auto wire_bytes = bytes + 60;  // headers
      leaves = std::max(leaves, l.busy_until) + static_cast<std::int64_t>(static_cast<double>(wire_bytes) * 1e9 /
                                                                          static_cast<double>(o.bytes_per_second));
      l.busy_until = leaves;
    }
    auto late = [&]() -> std::int64_t {
      if (o.reorder <= 0 || o.reorder_delay.count() <= 0 || !random_.chance(o.reorder)) return 0;
      return static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(o.reorder_delay.count()) + 1));
    };
    const auto end = p.departed + bytes;
    if (bytes > 1 && o.split > 0 && random_.chance(o.split))
      put_on_the_way(c, i, p.departed + 1 + random_.below(bytes - 1), leaves + travel(l) + late());
    put_on_the_way(c, i, end, leaves + travel(l) + late());
  } while (p.departed < p.written);
}

void network::put_on_the_way(connection& c, int i, std::uint64_t end, std::int64_t arrival) {
  auto& p = c.pipes[i];
  p.last_arrival = std::max(arrival, p.last_arrival);
  p.flight.push_back({end, core_.now, !p.opened, p.finished && end == p.written});
  p.departed = end;
  push(p.last_arrival, event_kind::deliver, c, std::uint64_t{p.epoch} << 1 | static_cast<std::uint64_t>(i));
}

std::int64_t network::retry_after(const pipe& p) const noexcept {
  const auto first = std::max<std::int64_t>(1, options_.transport.retransmit_first.count());
  return std::min<std::int64_t>(first << std::min<int>(p.tries, 16), options_.transport.retransmit_most.count());
}

void network::stall(connection& c, int i) {
  auto& p = c.pipes[i];
  if (p.stalled) return;
  p.stalled = true;
  if (p.tries == 0) p.stalled_since = core_.now;
  push(later_by(core_.now, retry_after(p)), event_kind::retransmit, c, static_cast<std::uint64_t>(i));
  ++p.tries;
  if (core_.on(trace_level::all)) trace(c, i, "lost", 0);
}

void network::retransmit(connection& c, int i) {
  auto& p = c.pipes[i];
  auto& e = c.ends[i];
  p.stalled = false;
  if (e.state == end_state::failed || e.state == end_state::lost) return;
  const auto& t = options_.transport;
  const auto limit = e.state == end_state::connecting && i == 0 ? t.connect_timeout : t.give_up;
  if (core_.now - p.stalled_since >= limit.count()) {
    if (e.state == end_state::closed)
      e.state = end_state::failed;
    else
      fail(c, i, errc::deadline_exceeded, "nobody answered");
    return;
  }
  if (core_.on(trace_level::all)) trace(c, i, "retransmit", p.written - p.departed);
  send(c, i);
}

void network::lost_on_the_way(connection& c, int i) {
  auto& p = c.pipes[i];
  ++p.epoch;
  p.flight.clear();
  p.flight_head = 0;
  p.departed = p.delivered;
  const auto state = c.ends[i].state;
  if (state != end_state::failed && state != end_state::lost) stall(c, i);
}

void network::deliver(connection& c, std::uint64_t data) {
  const auto i = static_cast<int>(data & 1);
  auto& p = c.pipes[i];
  if (data >> 1 != p.epoch) return;
  const auto s = p.flight[p.flight_head++];
  if (p.flight_head == p.flight.size()) {
    p.flight.clear();
    p.flight_head = 0;
  }
  auto& to = c.ends[1 - i];
  if (p.via->cuts > 0 || !to.host->up()) [[unlikely]]
    return lost_on_the_way(c, i);
  const auto before = to.state;
  if (before != end_state::open && before != end_state::connecting) [[unlikely]] {
    if (before == end_state::unborn) return arrived_first(c);
    // Nobody is there any more. An announced end needs no answer.
    if (before != end_state::closed || s.end > p.delivered || s.opens) reset_to(c, i);
    return;
  }
  if (core_.on(trace_level::all)) trace(c, 1 - i, "deliver", s.end - p.delivered);
  p.delivered = s.end;
  p.tries = 0;
  p.opened = true;
  p.end_seen = s.finishes;
  auto& back = c.pipes[1 - i];
  back.acknowledged = back.read;
  if (before == end_state::connecting) [[unlikely]] {
    if (i == 0) {
      confirmed(c);
    } else {
      to.state = end_state::open;
      if (core_.on(trace_level::connections)) trace(c, 0, "connected", 0);
      send(c, 0);  // with what the program writes at once
    }
  }
  if (to.reader != nullptr) wake(to, to.reader);
  if (to.writer != nullptr && writable(c, 1 - i)) wake(to, to.writer);
}

// The first segment of a connection has reached the host that it is for.
void network::arrived_first(connection& c) {
  auto& to = c.ends[1];
  auto* l = to.host->listening_at(c.target);
  if (l == nullptr) {
    to.state = end_state::failed;
    return reset_to(c, 0);
  }
  if (l->full()) return lost_on_the_way(c, 0);
  c.pipes[0].opened = true;
  c.pipes[0].tries = 0;
  to.state = end_state::connecting;
  send(c, 1);
}

// The handshake is complete: the listener gets the connection.
void network::confirmed(connection& c) {
  auto& to = c.ends[1];
  auto* l = to.host->listening_at(c.target);
  if (l == nullptr || l->full()) {
    to.state = end_state::failed;
    return reset_to(c, 0);
  }
  to.state = end_state::open;
  to.local = l->local();
  ++c.references;
  l->add(c);
}

void network::reset_to(connection& c, int end) {
  auto& p = c.pipes[1 - end];
  if (p.via->cuts > 0) return;
  p.last_arrival = std::max(later_by(core_.now, travel(*p.via)), p.last_arrival);
  push(p.last_arrival, event_kind::reset, c, static_cast<std::uint64_t>(end));
}

void network::reset_arrived(connection& c, int end) {
  auto& e = c.ends[end];
  if (c.pipes[1 - end].via->cuts > 0 || !e.host->up()) return;
  if (e.state == end_state::closed) e.state = end_state::failed;
  if (e.state == end_state::open || e.state == end_state::connecting)
    fail(c, end, errc::unavailable,
         e.state == end_state::connecting && end == 0 ? "connection refused" : "connection reset by peer");
}

void network::send_window(connection& c, int i) {
  c.pipes[i].window_on_its_way = true;
  push(later_by(core_.now, travel(*c.pipes[1 - i].via)), event_kind::window, c, static_cast<std::uint64_t>(i));
}

void network::window(connection& c, int i) {
  auto& p = c.pipes[i];
  auto& e = c.ends[i];
  p.window_on_its_way = false;
  if (e.state != end_state::open || c.ends[1 - i].state == end_state::lost) return;
  if (c.pipes[1 - i].via->cuts > 0) {  // the sender asks again, until it hears
    p.window_on_its_way = true;
    return push(later_by(core_.now, window_retry), event_kind::window, c, static_cast<std::uint64_t>(i));
  }
  p.acknowledged = p.read;
  if (e.writer != nullptr && writable(c, i)) wake(e, e.writer);
}

}  // namespace weft::testkit
