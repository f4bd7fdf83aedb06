#pragma once
// What an operation may know and say about the attempt it makes, and what a caller may say about its call.
//
//     guard.run(ctx, {.repeat = replay::unsafe}, [&](const context& ctx, attempt& a) -> task<result<reply>> {
//       auto host = pick(a.tried());                    // hosts that were tried already are avoided
//       a.set_peer(host.name());
//       return send(ctx, host, request);
//     });
#include <weft/resilience/decision_record.hpp>
#include <weft/resilience/outcome.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace weft::resilience {

// Where the answer came from.
enum class origin : std::uint8_t { call, cache, stale_cache, fallback };
BOOST_DESCRIBE_ENUM(origin, call, cache, stale_cache, fallback)

// Whether an operation may run after run() has returned.
enum class operation_lifetime : std::uint8_t {
  caller_frame,    // it refers to what its caller holds
  self_contained,  // it owns all it uses: a cache may refresh in the background with it
};

struct call_options {
  replay repeat = replay::safe;
  resilience::priority priority = priority::normal;
  operation_lifetime lifetime = operation_lifetime::caller_frame;
  std::uint32_t cost = 1;             // for rate limits
  std::string cache_key;              // empty: the cache is not asked
  std::string limit_key;              // for a rate limit with a store
  decision_record* record = nullptr;  // filled with what happened; must outlive the call
  origin* answered_from = nullptr;    // likewise
};

// Whose deadline an attempt has.
enum class deadline_kind : std::uint8_t {
  own,     // the policies': one that passes says that the callee is slow
  caller,  // the caller's, or what is left of the whole, and shorter than the policies': it says nothing
  only,    // the caller's, and the policies name none
};

class attempt {
 public:
  // `committed` is set with commit(), for whoever might start another copy meanwhile.
  attempt(std::uint32_t number, std::vector<std::string>& tried, bool* committed = nullptr) noexcept
      : number_{number}, tried_{tried}, all_committed_{committed} {}

  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }  // from 1; hedges count as well
  [[nodiscard]] bool was_tried(std::string_view peer) const noexcept {
    return std::ranges::find(tried_, peer) != tried_.end();
  }
  [[nodiscard]] const std::vector<std::string>& tried() const noexcept { return tried_; }

  // To whom it goes; an attempt that starts after it knows.
  void set_peer(std::string peer) {
    peer_ = std::move(peer);
    tried_.push_back(peer_);
  }
  // It was provably not processed, so that anything may be sent again.
  void not_processed() noexcept { not_processed_ = true; }
  // The answer is handed on, or the body can no longer be replayed: no further attempt.
  void commit() noexcept {
    committed_ = true;
    if (all_committed_ != nullptr) *all_committed_ = true;
  }
  // The instance that was asked is to blame, and others of its service answer: no matter for a breaker of the service.
  // Going on elsewhere then is no retry storm, so that it is never refused for want of budget.
  void blame_peer() noexcept { peer_fault_ = true; }
  // What came of it says nothing about the callee: it was given too little time.
  void says_nothing() noexcept { says_nothing_ = true; }
  [[nodiscard]] deadline_kind deadline() const noexcept { return deadline_; }
  void set_deadline(deadline_kind k) noexcept { deadline_ = k; }
  // A policy on this side refused it, so it says nothing about the callee; another host may take it.
  void refused_locally() noexcept { refused_ = not_processed_ = true; }
  // The callee said when to come again, or not to.
  void retry_after(duration d) noexcept { retry_after_ = d; }
  void push_back() noexcept { push_back_ = true; }

  // Of a hedged attempt: which copy of it answered.
  void answered_by(std::uint32_t number, std::string peer) {
    number_ = number;
    peer_ = std::move(peer);
  }

  [[nodiscard]] const std::string& peer() const noexcept { return peer_; }
  void amend(outcome_view& o) const noexcept {
    o.not_processed |= not_processed_;
    o.committed |= committed_;
    o.push_back |= push_back_;
    if (retry_after_) o.retry_after = retry_after_;
    o.peer_fault |= peer_fault_;
    if (refused_ || says_nothing_) o.verdict = verdict::ignored;
    if (deadline_ != deadline_kind::own && o.code == errc::deadline_exceeded) o.verdict = verdict::ignored;
  }

 private:
  std::uint32_t number_;
  bool not_processed_ = false, committed_ = false, refused_ = false, push_back_ = false;
  bool peer_fault_ = false, says_nothing_ = false;
  deadline_kind deadline_ = deadline_kind::own;
  std::optional<duration> retry_after_;
  std::vector<std::string>& tried_;
  bool* all_committed_;
  std::string peer_;
};

}  // namespace weft::resilience
