#include "publisher.hpp"

#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>

#include <algorithm>
#include <cstdio>

namespace weft::system_tests {

namespace {

constexpr duration patience = std::chrono::seconds{20}, pause = std::chrono::milliseconds{100};

}  // namespace

task<result<std::unique_ptr<publisher>>> publisher::open(loop& l, context ctx, std::string file, numbering what) {
  if (what.keys % workers != 0 || what.keys / workers < batch || what.count % what.keys != 0)
    co_return fail(errc::invalid_argument, "the keys must be a multiple of 4, at least 256, and the messages of them");
  WEFT_CO_TRY(auto book, co_await storage::open(l, ctx, "sqlite:" + file));
  WEFT_CO_TRY_VOID(co_await book->execute(ctx,
                                          "CREATE TABLE IF NOT EXISTS confirmed (worker INTEGER PRIMARY KEY, position "
                                          "INTEGER NOT NULL, attempts INTEGER NOT NULL)"));
  for (std::int64_t w = 0; w < workers; ++w)
    WEFT_CO_TRY_VOID(co_await book->execute(ctx, "INSERT OR IGNORE INTO confirmed VALUES ($1, 0, 0)", {w}));
  co_return std::unique_ptr<publisher>{new publisher{l, std::move(book), what}};
}

// A worker goes through its keys, and through them again, each time one message further.
std::int64_t publisher::number_of(std::int64_t worker, std::int64_t position) const noexcept {
  const auto own_keys = what_.keys / workers;
  return (position / own_keys) * what_.keys + worker * own_keys + position % own_keys;
}

task<result<>> publisher::run(context ctx, messaging::broker& to, double rate) {
  std::vector<result<>> outcomes(static_cast<std::size_t>(workers));
  task_group group{loop_};
  for (std::int64_t w = 0; w < workers; ++w)
    group.spawn(work(*this, ctx, to, w, rate / static_cast<double>(workers), outcomes[static_cast<std::size_t>(w)]));
  co_await group.join();
  for (auto& each : outcomes) WEFT_CO_TRY_VOID(std::move(each));
  co_return result<>{};
}

task<void> publisher::work(publisher& self, context ctx, messaging::broker& to, std::int64_t worker, double rate,
                           result<>& outcome) {
  outcome = co_await publish_all(self, ctx, to, worker, rate);
}

task<result<>> publisher::publish_all(publisher& self, context ctx, messaging::broker& to, std::int64_t worker,
                                      double rate) {
  WEFT_CO_TRY(const auto found,
              co_await self.book_->query(ctx, "SELECT position FROM confirmed WHERE worker = $1", {worker}));
  WEFT_CO_TRY(auto position, found[0].get<std::int64_t>(0));
  const auto own_keys = self.what_.keys / workers;
  const auto began = self.loop_.now();
  const auto first = position;
  while (position < self.share()) {
    std::vector<std::int64_t> numbers;
    // To the end of the round, so that no key is twice in a batch.
    const auto end = std::min(position + batch, (position / own_keys + 1) * own_keys);
    for (auto p = position; p < end; ++p) numbers.push_back(self.number_of(worker, p));
    WEFT_CO_TRY(const auto attempts, co_await self.confirm(ctx, to, std::move(numbers)));
    position = end;
    WEFT_CO_TRY_VOID(co_await self.book_->execute(
        ctx, "UPDATE confirmed SET position = $2, attempts = attempts + $3 WHERE worker = $1",
        {worker, position, attempts}));
    const auto due = began + std::chrono::duration_cast<duration>(
                                 std::chrono::duration<double>{static_cast<double>(position - first) / rate});
    if (due > self.loop_.now()) WEFT_CO_TRY_VOID(co_await weft::sleep(self.loop_, ctx, due - self.loop_.now()));
  }
  co_return result<>{};
}

// How many messages it took to have all of them confirmed.
task<result<std::int64_t>> publisher::confirm(context ctx, messaging::broker& to, std::vector<std::int64_t> numbers) {
  std::int64_t attempts = 0;
  for (;;) {
    std::vector<messaging::outgoing> batch_now;
    for (const auto n : numbers)
      batch_now.push_back({.what = what_.make(n), .if_unroutable = messaging::unroutable::refuse});
    attempts += static_cast<std::int64_t>(numbers.size());
    const auto outcomes = co_await to.publish(ctx.with_timeout(loop_, patience), std::move(batch_now));
    std::vector<std::int64_t> again;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (outcomes.at(i)) continue;
      if (again.empty()) std::fprintf(stderr, "publishing: %s\n", outcomes[i].error().describe().c_str());
      again.push_back(numbers[i]);
    }
    if (again.empty()) co_return attempts;
    numbers = std::move(again);
    WEFT_CO_TRY_VOID(co_await weft::sleep(loop_, ctx, pause));
  }
}

task<result<publisher::figures>> publisher::counted(context ctx) {
  WEFT_CO_TRY(const auto sums, co_await book_->query(ctx, "SELECT sum(position), sum(attempts) FROM confirmed"));
  WEFT_CO_TRY(const auto confirmed, sums[0].get<std::int64_t>(0));
  WEFT_CO_TRY(const auto attempts, sums[0].get<std::int64_t>(1));
  co_return figures{confirmed, attempts};
}

}  // namespace weft::system_tests
