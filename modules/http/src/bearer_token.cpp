#include <weft/base/saturating.hpp>
#include <weft/http/bearer_token.hpp>
#include <weft/runtime/guarded.hpp>

#include <algorithm>

namespace weft::http {

token_keeper::token_keeper(loop& l, token_source source, token_keeper_options options)
    : loop_{l},
      source_{std::move(source)},
      options_{options},
      pauses_{{.initial = std::max<duration>(options.retry_after / 20, std::chrono::milliseconds{1}),
               .max = std::max<duration>(options.retry_after, std::chrono::milliseconds{1})}},
      fetched_{l},
      tasks_{l} {}

void token_keeper::start_fetching() {
  if (fetching_) return;
  fetching_ = true;
  tasks_.spawn(fetch());
}

task<void> token_keeper::fetch() {
  auto got = co_await guarded_await(source_, tasks_.derive(context{}.with_timeout(loop_, options_.fetch_timeout)));
  fetching_ = false;
  if (got && got->expires <= loop_.wall_now()) got = fail(errc::unavailable, "the token that was fetched has expired");
  if (got) {
    failure_.reset();
    pauses_.reset();
    token_ = *std::move(got);
    refresh_at_ = context::no_deadline;
    if (token_->expires != wall_time::max()) {
      const duration life = time_between(loop_.wall_now(), token_->expires);
      refresh_at_ = later(loop_.now(), life - std::min(options_.refresh_before, life / 5));
    }
  } else {
    failure_ = std::move(got).error();
    refresh_at_ = later(loop_.now(), pauses_.next(loop_.now(), loop_.random()));
  }
  fetched_.pulse();
}

task<result<std::string>> token_keeper::authorization(context ctx) {
  for (;;) {
    const bool good = token_ && loop_.wall_now() < token_->expires;
    if (good) {
      if (loop_.now() >= refresh_at_) start_fetching();
      co_return "Bearer " + token_->value;
    }
    const bool pausing = failure_ && loop_.now() < refresh_at_;
    if (!fetching_ && !pausing) start_fetching();
    if (fetching_) WEFT_CO_TRY_VOID(co_await fetched_.wait(ctx));
    if (failure_ && !fetching_ && !(token_ && loop_.wall_now() < token_->expires))
      co_return fail(failure_->with_operation("fetching the service's token").as_unprocessed());
  }
}

}  // namespace weft::http
