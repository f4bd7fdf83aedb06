#pragma once
// Load balancing: which of the eligible hosts takes the next call.
//
//     auto b = make_balancer({.kind = algorithm::least_request}, loop.random());
//     b->assign(hosts, now);                                  // whenever the eligible hosts or their weights change
//     host* h = b->pick({.now = now, .tried = tried});        // null: every host has been tried, or there is none
//
// Sans-I/O: time and randomness come from the caller, hosts count their own calls (host.hpp). A balancer belongs to one
// loop. What it picks does not depend on the order in which hosts are listed. Hosts of weight 0 are never picked.
#include <weft/discovery/host.hpp>
#include <weft/runtime/rng.hpp>

#include <memory>
#include <optional>
#include <span>

namespace weft::discovery {

enum class algorithm : std::uint8_t {
  round_robin,    // in turn, by weight, evenly spread (earliest deadline first, as Envoy's)
  random,         // by weight
  least_request,  // of two distinct random hosts the one with fewer calls under way for its weight (P2C)
  peak_ewma,      // of two distinct random hosts the one with the lower latency * calls under way (Finagle's)
  ring_hash,      // the same key goes to the same host; when a host leaves, only its keys move (ketama's ring)
  maglev,         // the same, faster and more even; when a host leaves, few other keys move too (NSDI 2016)
};
[[nodiscard]] std::string_view to_string(algorithm a) noexcept;

// A host that is new gets its share gradually: its weight is multiplied by
// max(least, (age / window) ^ (1 / aggression)). For the first four algorithms.
struct slow_start {
  duration window{};      // zero: off
  double aggression = 1;  // 1: linear; above, faster at first
  double least = 0.1;
};

struct balancing {
  algorithm kind = algorithm::least_request;
  slow_start warm_up;
  // peak_ewma: how fast latency is forgotten, and what a failed call counts as if it was faster than that.
  duration ewma_decay = std::chrono::seconds{10};
  duration failure_penalty = std::chrono::seconds{1};
  // ring_hash: points on the ring for each unit of weight; if that makes too many, fewer for all.
  std::uint32_t ring_points = 160;
  std::uint32_t ring_max_points = 1 << 20;
  std::uint32_t maglev_table = 65'537;  // a prime, well above the number of hosts
  // ring_hash and maglev: no host has more than this times its fair share of the calls under way; the call goes to the
  // next host instead. Above 1, 1.25 is usual; 0: unbounded. (Mirrokni, Thorup, Zadimoghaddam, 2016)
  double load_bound = 0;

  // errc::invalid_argument names the field.
  [[nodiscard]] result<> validate() const;
};

struct pick_context {
  steady_time now{};
  std::optional<std::uint64_t> key;  // stable_hash of what is to stay together; none: random
  std::span<const host_ptr> tried;   // not these
};

class balancer {
 public:
  virtual ~balancer() = default;
  balancer(const balancer&) = delete;
  balancer& operator=(const balancer&) = delete;

  virtual void assign(std::span<const host_ptr> hosts, steady_time now) = 0;
  [[nodiscard]] virtual host* pick(const pick_context& context) = 0;

 protected:
  balancer() = default;
};

// `random` outlives the balancer.
[[nodiscard]] std::unique_ptr<balancer> make_balancer(const balancing& options, rng& random);

// The weight of a host now, with slow start.
[[nodiscard]] double effective_weight(const host& h, const slow_start& warm_up, steady_time now) noexcept;

}  // namespace weft::discovery
