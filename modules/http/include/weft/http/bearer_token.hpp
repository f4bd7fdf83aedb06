#pragma once
// Tokens that a service shows to others. A source fetches one; a keeper holds it until shortly before it expires.
//
//     http::token_keeper token{loop, [&](context ctx) { return issuer.fetch(std::move(ctx)); }};
//     WEFT_CO_TRY(auto field, co_await token.authorization(ctx));       // "Bearer eyJ..."
//
// However many calls ask at once, one fetch is under way, and a source that fails has its pauses. A new token is
// fetched while the old one is still good; when that fails, the old one serves until it expires. Tokens are secrets: they appear in no error and no log.
#include <weft/base/error.hpp>
#include <weft/runtime/backoff.hpp>
#include <weft/runtime/loop.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <functional>
#include <optional>
#include <string>

namespace weft::http {

struct bearer_token {
  std::string value;
  wall_time expires = wall_time::max();
};

using token_source = std::function<task<result<bearer_token>>(context)>;

struct token_keeper_options {
  duration refresh_before = std::chrono::seconds{60};  // its end, or a fifth of its life if that is shorter
  // The longest pause after fetches that failed; the first is a twentieth of it, each the double of the one before.
  // Meanwhile the old token serves, or without a good one, calls fail with what the last fetch failed with.
  duration retry_after = std::chrono::seconds{5};
  duration fetch_timeout = std::chrono::seconds{10};
};

class token_keeper {
 public:
  token_keeper(loop& l, token_source source, token_keeper_options options = {});
  token_keeper(const token_keeper&) = delete;
  token_keeper& operator=(const token_keeper&) = delete;

  // The value of an Authorization field. Without a good token, waits for one until `ctx` ends.
  task<result<std::string>> authorization(context ctx);
  // The issuer's word no longer counts (a 401 came back): the next call fetches anew.
  void forget() noexcept { token_.reset(); }
  [[nodiscard]] std::uint32_t failures() const noexcept { return pauses_.failures(); }  // of fetches, in a row

 private:
  void start_fetching();
  task<void> fetch();

  loop& loop_;
  token_source source_;
  token_keeper_options options_;
  std::optional<bearer_token> token_;
  steady_time refresh_at_{};  // with a good token; without one, when the source may be asked again
  backoff pauses_;
  bool fetching_ = false;
  std::optional<error> failure_;
  event fetched_;
  task_group tasks_;
};

}  // namespace weft::http
