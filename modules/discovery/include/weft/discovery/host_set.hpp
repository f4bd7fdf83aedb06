#pragma once
// The hosts of one service as one loop sees them: from the registry's snapshots, the results of checks and of calls to
// the host that takes the next call, and the reason why it is that one. Sans-I/O: cluster.hpp feeds it.
//
//     host_set posts{"posts", {.local_zone = "eu-1"}, loop.random()};
//     posts.update(latest, now);                       // a snapshot of the registry
//     WEFT_TRY(picked p, posts.pick({.key = stable_hash(user)}, now));
//     ...                                              // the call to p.target().where
//     p.end(outcome, now, latency);
//
// A host is picked when it is healthy: usable in the registry, good at its checks, not ejected, not draining. When too
// few are, the trouble may be ours, and all that do not drain share the calls (panic). One loop.
//
// A call that has tried all healthy hosts goes to an ejected one before it goes to the same again: after a rolling
// restart that one may be back. When it answers well its ejection ends.
//
// Of instances with different priorities those of the lowest take the calls, as long as one of them is healthy and was
// not tried by this call; then those of the next. While a later priority has a healthy instance there is no panic.
#include <weft/discovery/balancer.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::discovery {

// Hosts that carry all of these labels.
struct subset {
  std::string name;
  label_map labels;
};
// Where calls go whose subset has no host.
enum class subset_fallback : std::uint8_t {
  none,            // they fail
  any,             // to every host
  default_subset,  // to the subset of that name
};

struct host_set_options {
  balancing balance;
  std::optional<outlier_options> outlier = outlier_options{};  // none: off
  // With less than this many per cent of the hosts healthy, all are used. 0: never.
  double panic_threshold_percent = 50;

  // Calls stay in this zone as far as it can carry them: this factor times its healthy share of weight, at most all;
  // what is beyond goes to the other zones. At 1.4 two of seven hosts may fail before any call leaves. Empty: zones do
  // not matter.
  std::string local_zone;
  double zone_overprovisioning = 1.4;

  std::vector<subset> subsets;
  subset_fallback fallback = subset_fallback::none;
  std::string default_subset;

  // errc::invalid_argument names the field.
  [[nodiscard]] result<> validate() const;
};

struct pick_request {
  std::string_view subset{};           // by name; empty: all hosts
  std::optional<std::uint64_t> key{};  // what is to stay together, see stable_hash
  std::span<const host_ptr> tried{};   // avoided as long as there is another
};

enum class pick_reason : std::uint8_t {
  balanced,
  zone_local,       // the own zone
  zone_spill,       // another zone, since the own cannot carry all
  subset_fallback,  // the subset has no host
  panic,            // too few are healthy to trust the signs
  standby,          // of a later priority, since those before have no healthy instance, or this call has tried them
  last_resort,      // ejected, and this call has tried all others
  all_tried,        // every host was tried before
};
inline constexpr std::size_t pick_reasons = static_cast<std::size_t>(pick_reason::all_tried) + 1;
[[nodiscard]] std::string_view to_string(pick_reason r) noexcept;

class host_set;

// A call to a host. It counts as under way until end(), or until this is destroyed, which says nothing about the host.
class [[nodiscard]] picked {
 public:
  picked() = default;
  picked(picked&& other) noexcept = default;
  picked& operator=(picked&& other) noexcept;
  ~picked() { release(); }

  [[nodiscard]] const instance& target() const noexcept { return host_->info; }
  [[nodiscard]] const host_ptr& where() const noexcept { return host_; }
  [[nodiscard]] pick_reason reason() const noexcept { return reason_; }

  // What cannot be blamed on the host (classify() in outlier.hpp) neither counts against it nor as its latency.
  void end(const resilience::outcome_view& outcome, steady_time now, duration latency);

 private:
  friend class host_set;
  struct link final : boost::intrusive_ref_counter<link, boost::thread_unsafe_counter> {
    host_set* set = nullptr;  // null once it is gone
  };
  picked(host_ptr h, boost::intrusive_ptr<link> l, pick_reason r) noexcept;
  void release() noexcept;

  host_ptr host_;
  boost::intrusive_ptr<link> link_;
  pick_reason reason_ = pick_reason::balanced;
};

// What happened to a host, for metrics and logs.
struct host_event {
  enum class kind : std::uint8_t { joined, left, ejected, returned, check_failed, check_passed };
  kind what;
  const host& which;
  std::string_view why;  // of an ejection or a failed check, for people
  std::optional<ejection_cause> cause{};
};
[[nodiscard]] std::string_view to_string(host_event::kind k) noexcept;

struct host_counts {
  std::size_t known = 0, healthy = 0, ejected = 0, check_failed = 0, critical = 0, draining = 0;
};

class host_set {
 public:
  // Throws std::invalid_argument when the options are wrong. `random` outlives the set.
  host_set(std::string service, host_set_options options, rng& random);
  ~host_set();
  host_set(const host_set&) = delete;
  host_set& operator=(const host_set&) = delete;

  // A host stays itself as long as its id and its place do.
  void update(const snapshot& now_there, steady_time now);
  // By an active check. A host that passes again starts slowly.
  void check_passed(host& h, steady_time now);
  void check_failed(host& h, std::string_view why);
  // Each outlier_options::interval.
  void sweep(steady_time now);

  // errc::unavailable says how the hosts are; errc::invalid_argument: no such subset. Never reached a host:
  // unprocessed().
  [[nodiscard]] result<picked> pick(const pick_request& request, steady_time now);

  // Whether the service is well without that host, so that a failure there is a matter of the host alone: there are
  // others in the subset, and calls to them did not mostly fail. Of hosts that were not called yet, and of those that
  // failed a while ago while the service answers, the best is thought, ejected or not.
  [[nodiscard]] bool others_answer(const host& failed, std::string_view subset, steady_time now) const;

  [[nodiscard]] const std::string& service() const noexcept { return service_; }
  [[nodiscard]] const host_set_options& options() const noexcept { return options_; }
  [[nodiscard]] std::span<const host_ptr> hosts() const noexcept { return hosts_; }  // by id
  [[nodiscard]] host_counts count() const noexcept;
  // "3 instances, 1 healthy; posts-1: 5 failures in a row, for 30 s; posts-2: failing its health check"
  [[nodiscard]] std::string describe() const;

  std::function<void(const host_event&)> on_event;

 private:
  friend class picked;
  struct tier;
  struct group;
  void ended(host& h, call_result outcome, duration latency, steady_time now);
  void returned(host& h, steady_time now);
  [[nodiscard]] bool forgotten(const host& h, steady_time now) const;
  void tell(host_event::kind what, const host& h, std::string_view why = {}, std::optional<ejection_cause> cause = {});
  [[nodiscard]] group* find_group(std::string_view subset);
  void rebuild(group& g, steady_time now);
  void sort_into_tiers(group& g);
  void fill(tier& t, bool healthy_elsewhere, const std::vector<host_ptr>& members, steady_time now);
  [[nodiscard]] std::optional<picked> pick_of(const group& g, const pick_request& request, steady_time now);
  [[nodiscard]] std::optional<picked> pick_in(const tier& t, const pick_context& context, const pick_request& request);
  [[nodiscard]] picked make_picked(host* h, pick_reason reason);
  [[nodiscard]] std::optional<picked> pick_ejected(const group& g, const pick_request& request);
  [[nodiscard]] std::unexpected<error> nothing_to_pick(const group& g) const;

  std::string service_;
  host_set_options options_;
  rng& random_;
  std::vector<host_ptr> hosts_;
  std::vector<std::unique_ptr<group>> groups_;  // the first: all hosts
  outlier_detector outliers_;
  boost::intrusive_ptr<picked::link> link_;
  std::uint64_t version_ = 1;  // of what groups are built from
  bool first_update_ = true;
  steady_time last_good_ = steady_time::min();  // answer of any host
};

}  // namespace weft::discovery
