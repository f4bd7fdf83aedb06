// What streams do to connections, and the links.
#include "core.hpp"
#include "simulated_stream.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace weft::testkit {

namespace {
constexpr std::uint32_t smallest_ring = 4096;
constexpr std::size_t rings_kept = 1024;

bool broken(end_state s) noexcept { return s == end_state::failed || s == end_state::lost || s == end_state::closed; }

// What says to a reader of the trace which message it is, if it is text.
std::string first_line(std::span<const const_buffer> buffers) {
  std::string text;
  for (const auto& b : buffers)
    for (const char c : std::string_view{static_cast<const char*>(b.data), b.size}) {
      if (c < ' ' || c > '~' || text.size() == 80) return text;
      text += c;
    }
  return text;
}

void check(const link_options& o) {
  const auto probability = [](double value, const char* field) {
    if (!(value >= 0 && value <= 1))
      throw std::invalid_argument{std::string{"link_options."} + field + " is no probability"};
  };
  probability(o.loss, "loss");
  probability(o.reorder, "reorder");
  probability(o.reset, "reset");
  probability(o.split, "split");
  const auto time = [](duration value, const char* field) {
    if (value < duration::zero()) throw std::invalid_argument{std::string{"link_options."} + field + " is negative"};
  };
  time(o.latency, "latency");
  time(o.jitter, "jitter");
  time(o.reorder_delay, "reorder_delay");
}

}  // namespace

network::network(core& c, std::uint64_t seed, const network_options& options)
    : core_{c}, options_{options}, random_{seed} {
  check(options.link);
  check(options.loopback);
  if (options.transport.window_bytes == 0) throw std::invalid_argument{"transport_options.window_bytes is zero"};
}

network::~network() {
  for (auto& c : connections_)
    for (auto& p : c->pipes) delete[] p.data;
  for (auto& [size, ring] : rings_) delete[] ring;
}

void network::add_machine() {
  const auto id = links_.size();
  for (auto& row : links_) configure(row.emplace_back(), options_.link);
  auto& row = links_.emplace_back();
  for (std::size_t to = 0; to <= id; ++to) configure(row.emplace_back(), to == id ? options_.loopback : options_.link);
}

void network::configure(link& l, const link_options& options) {
  l.usual = options;
  slow(l, options);
}

void network::slow(link& l, const link_options& options) {
  check(options);
  l.options = options;
  l.plain = options.loss <= 0 && options.reorder <= 0 && options.reset <= 0 && options.split <= 0 &&
            options.bytes_per_second == 0 && l.cuts == 0;
  l.latency = options.latency.count();
  l.jitter = options.jitter.count();
}

void network::cut(link& l) noexcept {
  ++l.cuts;
  l.plain = false;
}

void network::heal() {
  for (auto& row : links_)
    for (auto& l : row) {
      l.cuts = 0;
      slow(l, l.usual);
    }
}

connection& network::make() {
  if (unused_.empty()) {
    unused_.push_back(connections_.emplace_back(std::make_unique<connection>()).get());
  }
  auto& c = *unused_.back();
  unused_.pop_back();
  c.number = next_number_++;
  return c;
}

void network::release(connection& c) noexcept {
  if (--c.references > 0) return;
  for (auto& e : c.ends) e = connection_end{};
  for (auto& p : c.pipes) {
    if (p.data != nullptr && p.capacity == smallest_ring && rings_.size() < rings_kept)
      rings_.emplace_back(p.capacity, p.data);
    else
      delete[] p.data;
    auto flight = std::move(p.flight);
    flight.clear();
    p = pipe{};
    p.flight = std::move(flight);
  }
  unused_.push_back(&c);
}

std::size_t network::open_connections() const noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(connections_, [](const auto& c) {
    return c->references > 0 && std::ranges::any_of(c->ends, [](const connection_end& e) {
             return e.state == end_state::open || e.state == end_state::connecting;
           });
  }));
}

connection& network::open(machine& from, machine& to, address local, const address& target) {
  auto& c = make();
  c.references = 1;
  c.target = target;
  c.ends[0].host = &from;
  c.ends[0].state = end_state::connecting;
  c.ends[0].local = std::move(local);
  c.ends[1].host = &to;
  c.pipes[0].via = &between(from.id(), to.id());
  c.pipes[1].via = &between(to.id(), from.id());
  if (core_.on(trace_level::connections))
    core_.trace(from.name(), {"connect c", std::to_string(c.number), " to ", target.to_string()});
  send(c, 0);
  return c;
}

bool network::readable(const connection& c, int end) const noexcept {
  const auto& p = c.pipes[1 - end];
  return p.delivered > p.read || p.end_seen || broken(c.ends[end].state);
}

bool network::writable(const connection& c, int end) const noexcept {
  const auto& e = c.ends[end];
  if (e.state == end_state::connecting) return false;
  const auto& p = c.pipes[end];
  return broken(e.state) || p.finished || p.written - p.acknowledged < options_.transport.window_bytes;
}

io_status network::peek(const connection& c, int end) const noexcept {
  const auto& p = c.pipes[1 - end];
  const auto state = c.ends[end].state;
  if (p.delivered > p.read && state != end_state::closed) return io_status::ok;
  if (broken(state)) return io_status::failed;
  return p.end_seen ? io_status::end : io_status::blocked;
}

io_result network::read(connection& c, int end, std::span<char> into) {
  auto& p = c.pipes[1 - end];
  const auto& e = c.ends[end];
  const auto here = p.delivered - p.read;
  if (here == 0 || into.empty() || e.state == end_state::closed) {
    if (broken(e.state)) return {io_status::failed};
    if (into.empty()) return {io_status::ok};
    return {p.end_seen ? io_status::end : io_status::blocked};
  }
  const auto count = std::min<std::size_t>(here, into.size());
  const auto at = static_cast<std::size_t>(p.read & (p.capacity - 1));
  const auto first = std::min<std::size_t>(count, p.capacity - at);
  std::memcpy(into.data(), p.data + at, first);
  if (first < count) std::memcpy(into.data() + first, p.data, count - first);
  p.read += count;
  // As TCP does: the sender hears of room once it is half the window; sooner with whatever goes back anyway.
  if (p.read - p.acknowledged >= options_.transport.window_bytes / 2 && !p.window_on_its_way) send_window(c, 1 - end);
  return {io_status::ok, count};
}

io_result network::write(connection& c, int end, std::span<const const_buffer> buffers) {
  auto& e = c.ends[end];
  if (broken(e.state)) return {io_status::failed};
  if (e.state == end_state::connecting) return {io_status::blocked};
  auto& p = c.pipes[end];
  if (p.finished) {
    fail(c, end, errc::unavailable, "written to after its end was announced");
    return {io_status::failed};
  }
  std::size_t total = 0;
  for (const auto& b : buffers) total += b.size;
  if (total == 0) return {io_status::ok};
  const auto under_way = p.written - p.acknowledged;
  const auto room = options_.transport.window_bytes > under_way ? options_.transport.window_bytes - under_way : 0;
  total = std::min<std::size_t>(total, room);
  if (total == 0) return {io_status::blocked};
  if (p.written - p.read + total > p.capacity) grow(p, p.written - p.read + total);
  auto left = total;
  for (const auto& b : buffers) {
    const auto count = std::min(left, b.size);
    if (count == 0) continue;
    const auto at = static_cast<std::size_t>(p.written & (p.capacity - 1));
    const auto first = std::min<std::size_t>(count, p.capacity - at);
    std::memcpy(p.data + at, b.data, first);
    if (first < count) std::memcpy(p.data, static_cast<const char*>(b.data) + first, count - first);
    p.written += count;
    left -= count;
  }
  if (core_.on(trace_level::all)) {
    const auto excerpt = first_line(buffers);
    core_.trace(e.host->name(),
                {"c", std::to_string(c.number), " send ", std::to_string(total), excerpt.empty() ? "" : "  ", excerpt});
  }
  send(c, end);
  return {io_status::ok, total};
}

void network::grow(pipe& p, std::uint64_t needed) {
  const auto capacity = std::max(smallest_ring, static_cast<std::uint32_t>(std::bit_ceil(needed)));
  char* ring = nullptr;
  if (capacity == smallest_ring && !rings_.empty()) {
    ring = rings_.back().second;
    rings_.pop_back();
  } else {
    ring = new char[capacity];
  }
  for (auto position = p.read; position < p.written;) {
    const auto from = position & (p.capacity - 1), to = position & (capacity - 1);
    const auto count = std::min({p.written - position, p.capacity - from, capacity - to});
    std::memcpy(ring + to, p.data + from, count);
    position += count;
  }
  delete[] p.data;
  p.data = ring;
  p.capacity = capacity;
}

void network::finish(connection& c, int end) {
  auto& p = c.pipes[end];
  if (c.ends[end].state != end_state::open || p.finished) return;
  p.finished = true;
  if (core_.on(trace_level::connections)) trace(c, end, "finish", 0);
  send(c, end);
}

void network::close(connection& c, int end) {
  auto& e = c.ends[end];
  e.owner = nullptr;
  if (broken(e.state)) return;
  const bool was_open = e.state == end_state::open;
  const auto& in = c.pipes[1 - end];
  const bool unread = in.delivered > in.read;
  if (core_.on(trace_level::connections)) trace(c, end, unread ? "close with reset" : "close", 0);
  if (was_open && !unread) finish(c, end);
  e.state = end_state::closed;
  if (was_open && unread) reset_to(c, 1 - end);
}

void network::abort(connection& c, int end) {
  if (broken(c.ends[end].state)) return;
  if (core_.on(trace_level::connections)) trace(c, end, "reset", 0);
  fail(c, end, errc::unavailable, "the stream was reset");
  reset_to(c, 1 - end);
}

void network::lose_all(const machine& m) {
  for (auto& c : connections_) {
    if (c->references == 0) continue;
    for (auto& e : c->ends) {
      if (e.host != &m || e.state == end_state::unborn || e.state == end_state::failed) continue;
      e.state = end_state::lost;
      e.reason = "its host lost its power";
      wake(e, e.reader);
      wake(e, e.writer);
    }
  }
}

void network::reset_between(const machine& a, const machine& b) {
  for (auto& c : connections_) {
    if (c->references == 0) continue;
    const auto *x = c->ends[0].host, *y = c->ends[1].host;
    if (!((x == &a && y == &b) || (x == &b && y == &a))) continue;
    for (const int end : {0, 1})
      if (c->ends[end].state == end_state::open) fail(*c, end, errc::unavailable, "connection reset by peer");
  }
}

void network::fail(connection& c, int end, errc code, const char* reason) {
  auto& e = c.ends[end];
  e.state = end_state::failed;
  e.failure = code;
  e.reason = reason;
  if (core_.on(trace_level::connections)) trace(c, end, reason, 0);
  wake(e, e.reader);
  wake(e, e.writer);
}

void network::wake(connection_end& e, io_waiter*& slot) noexcept {
  auto* waiter = slot;
  if (waiter == nullptr) return;
  waiter->detach();
  e.host->schedule(*waiter);
}

void network::trace(const connection& c, int end, std::string_view what, std::uint64_t bytes) {
  if (bytes > 0)
    core_.trace(c.ends[end].host->name(), {"c", std::to_string(c.number), " ", what, " ", std::to_string(bytes)});
  else
    core_.trace(c.ends[end].host->name(), {"c", std::to_string(c.number), " ", what});
}

}  // namespace weft::testkit
