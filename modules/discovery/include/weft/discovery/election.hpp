#pragma once
// One leader among several candidates, by a session and a lock in Consul's keys
// (https://developer.hashicorp.com/consul/docs/dynamic-app-config/sessions/application-leader-election).
//
//     leader_election election{consul, {.key = "service/posts/leader", .value = my_id}};
//     election.on_change = [&](bool leading) { ... };
//     work.spawn(election.run(ctx));                 // until the context ends, which gives leadership up
//     if (election.leading()) { ... }                // ask before every act, and act fast
//
// A leader believes in itself only as long as its session certainly lives: for its TTL since it last asked for renewal.
// Consul waits at least that long before it ends a session, so two never lead at once, if clocks run at the same speed.
// What must not happen twice all the same needs a fence: fence() grows with each new holder of the lock.
#include <weft/base/saturating.hpp>
#include <weft/discovery/consul.hpp>
#include <weft/runtime/backoff.hpp>

#include <functional>
#include <string>

namespace weft::discovery::consul {

struct election_options {
  std::string key;
  std::string value{};  // for whoever reads the key: who leads
  session_options session;
  // After a failure, and after a lock was refused. Further failures in a row wait longer, up to four times as long.
  duration retry = std::chrono::seconds{5};
};

// Who leads by when, as a sans-I/O core: the driver reports what Consul said, with the time before it asked.
class election_state {
 public:
  explicit election_state(duration ttl) noexcept : ttl_{ttl} {}

  enum class need : std::uint8_t {
    session,  // create one
    lock,     // try to acquire the key
    change,   // wait until the key is free
    nothing,  // it leads
  };
  [[nodiscard]] need next(steady_time now) const noexcept;
  [[nodiscard]] bool leading(steady_time now) const noexcept { return locked_ && now < valid_until(); }
  [[nodiscard]] const std::string& session() const noexcept { return session_; }
  [[nodiscard]] steady_time renew_at() const noexcept { return later(asked_, ttl_ / 2); }
  [[nodiscard]] steady_time valid_until() const noexcept { return later(asked_, ttl_); }

  void created(std::string session, steady_time asked);
  void renewed(steady_time asked) noexcept;  // of the session there is
  void ended() noexcept;                     // the session is gone, or has not been renewed in time
  // What the key says: the session that holds it, empty when none does.
  void seen(std::string_view holder) noexcept;

 private:
  duration ttl_;
  std::string session_;
  steady_time asked_{};
  bool locked_ = false, free_ = true;
};

class leader_election {
 public:
  leader_election(api& consul, election_options options);  // throws std::invalid_argument
  leader_election(const leader_election&) = delete;
  leader_election& operator=(const leader_election&) = delete;

  // Takes part until the context ends; then gives the lock and the session back, for at most 2 s.
  [[nodiscard]] task<void> run(context ctx);

  [[nodiscard]] bool leading() const noexcept;
  // Of the lock as this candidate took it last; 0 before.
  [[nodiscard]] std::uint64_t fence() const noexcept { return fence_; }
  [[nodiscard]] const std::string& session() const noexcept { return state_.session(); }
  std::function<void(bool leading)> on_change;  // what it throws is dropped, here and below
  // What went wrong; it tries again by itself.
  std::function<void(const error&)> on_problem;

 private:
  static task<void> keep_session(leader_election& self, context ctx);
  static task<void> contend(leader_election& self, context ctx);
  task<result<>> step(context ctx);
  task<result<>> open_session(context ctx);
  task<result<>> take_lock(context ctx);
  task<result<>> await_change(context ctx);
  task<void> give_back();
  void tell();
  void tell_problem(const error& e);

  api& consul_;
  election_options options_;
  election_state state_;
  blocking_query query_;
  backoff delays_;
  std::uint64_t fence_ = 0;
  bool told_ = false;
};

}  // namespace weft::discovery::consul
