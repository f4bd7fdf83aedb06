#pragma once
// A transaction as one call, run again when it conflicts with another.
//
//     using storage::transaction;
//     auto left = co_await storage::transact(db, ctx, [](transaction& tx, context c) -> task<result<std::int64_t>> {
//       WEFT_CO_TRY(const auto found, co_await tx.query(c, "SELECT amount FROM accounts WHERE id = 'a' FOR UPDATE"));
//       WEFT_CO_TRY(const auto amount, (*found.begin()).get<std::int64_t>("amount"));
//       ...
//       co_return amount;
//     });
//
// The work runs once for each try, so it may change nothing but the database. It commits when the work ends well, rolls
// back when it gives an error. errc::aborted, of the work or of the commit, means another try, after a growing pause;
// so does a connection that is lost where that can change nothing: before the commit, or, since the caller says that it
// only reads (access::read_only), at any time.
#include <weft/base/replay.hpp>
#include <weft/runtime/backoff.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/storage/database.hpp>

#include <chrono>
#include <utility>

namespace weft::storage {

struct transact_options {
  transaction_options transaction = {};
  unsigned tries = 5;
  duration first_pause = std::chrono::milliseconds{5};  // doubled each time, the upper half of it drawn
  duration max_pause = std::chrono::seconds{1};
};

namespace detail {
[[nodiscard]] inline bool may_run_again(const error& problem, access mode) noexcept {
  if (problem.code() == errc::aborted) return true;
  const auto again = mode == access::read_only ? replay::safe : replay::unsafe;
  const bool lost = problem.code() == errc::unavailable || problem.code() == errc::unknown;
  return lost && may_send_again(again, effect_of(problem));
}
}  // namespace detail

template <class Work>
auto transact(database& db, context ctx, Work work, transact_options options = {})
    -> std::invoke_result_t<Work&, transaction&, context> {
  backoff pauses{{.initial = options.first_pause, .max = options.max_pause}};
  for (unsigned attempt = 1;; ++attempt) {
    WEFT_CO_TRY(auto tx, co_await db.begin(ctx, options.transaction));
    auto done = co_await work(tx, ctx);
    if (done) {
      auto committed = co_await tx.commit(ctx);
      if (committed) co_return done;
      done = fail(std::move(committed).error());
    } else {
      static_cast<void>(co_await tx.rollback(ctx));
    }
    if (!detail::may_run_again(done.error(), options.transaction.mode) || attempt >= options.tries) co_return done;
    if (!co_await sleep(db.owner(), ctx, pauses.next(db.owner().now(), db.owner().random()))) co_return done;
  }
}

}  // namespace weft::storage
