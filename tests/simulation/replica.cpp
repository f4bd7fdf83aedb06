#include "replica.hpp"

#include <weft/json.hpp>

#include <algorithm>

namespace counter {

using namespace weft;
using namespace std::chrono_literals;

// Counts who has answered, until a majority has.
class replica::quorum {
 public:
  quorum(loop& l, std::size_t needed, std::size_t asked) : changed_{l}, needed_{needed}, pending_{asked} {}

  void answered(bool success) {
    --pending_;
    if (success && needed_ > 0) --needed_;
    changed_.pulse();
  }
  task<result<>> reached(context ctx) {
    while (needed_ > 0) {
      if (pending_ < needed_) co_return fail(errc::unavailable, "no majority of the replicas can be reached");
      WEFT_CO_TRY_VOID(co_await changed_.wait(ctx));
    }
    co_return result<>{};
  }

 private:
  event changed_;
  std::size_t needed_, pending_;
};

replica::replica(loop& l, disk& d, const std::vector<std::string>& peers, flaw planted)
    : loop_{l}, flaw_{planted}, journal_{l, d, planted}, background_{l} {
  for (const auto& peer : peers)
    peers_.push_back(std::make_unique<http::client>(
        l, http::client_options{.base_url = "http://" + peer, .connect_timeout = 300ms, .response_timeout = 500ms}));
  routes_.post("/increments", [this](http::request& r) { return increment(r); });
  routes_.get("/counter", [this](http::request& r) { return read(r); });
  routes_.post("/replica/operations", [this](http::request& r) { return store(r); });
  routes_.get("/replica/operations", [this](http::request& r) { return list(r); });
}

task<void> replica::run() {
  if (!co_await journal_.recover()) co_return;
  background_.spawn(journal_.run());
  http::server server{loop_, routes_.as_handler()};
  if (!server.listen(address::any(80))) co_return;
  co_await background_.join();
}

replica::answer replica::increment(http::request& r) {
  WEFT_CO_TRY(auto wanted, co_await r.json<operation>());
  const auto ctx = r.context().with_timeout(loop_, 800ms);
  WEFT_CO_TRY_VOID(co_await make_durable(ctx, {std::move(wanted)}));
  co_return http::response{http::status::no_content};
}

replica::answer replica::read(http::request& r) {
  const auto ctx = r.context().with_timeout(loop_, 800ms);
  WEFT_CO_TRY(auto all, co_await collect(ctx));
  reading now;
  for (const auto& o : all) now.value += o.amount;
  if (flaw_ != flaw::reads_without_write_back) WEFT_CO_TRY_VOID(co_await make_durable(ctx, std::move(all)));
  co_return http::response::json(now);
}

replica::answer replica::store(http::request& r) {
  WEFT_CO_TRY(auto sent, co_await r.json<operations>());
  WEFT_CO_TRY_VOID(co_await journal_.add(r.context().with_timeout(loop_, 500ms), std::move(sent.operations)));
  co_return http::response{http::status::no_content};
}

replica::answer replica::list(http::request&) { co_return http::response::json(operations{journal_.all()}); }

task<result<>> replica::make_durable(context ctx, std::vector<operation> all) {
  const auto content = json::encode(operations{all});
  WEFT_CO_TRY_VOID(co_await journal_.add(ctx, std::move(all)));
  quorum q{loop_, flaw_ == flaw::minority_is_enough ? 0 : (peers_.size() + 1) / 2, peers_.size()};
  task_group calls{loop_};
  for (auto& peer : peers_) calls.spawn(send_to_peer(ctx, *peer, content, q));
  co_return co_await q.reached(ctx);
}

task<void> replica::send_to_peer(context ctx, http::client& peer, const std::string& content, quorum& q) {
  http::request message{http::method::post, "/replica/operations", content};
  message.headers.set("content-type", "application/json");
  const auto answered = co_await peer.send(std::move(ctx), std::move(message));
  q.answered(answered && answered->ok());
}

task<result<std::vector<operation>>> replica::collect(context ctx) {
  std::vector<operation> all = journal_.all();
  quorum q{loop_, (peers_.size() + 1) / 2, peers_.size()};
  task_group calls{loop_};
  for (auto& peer : peers_) calls.spawn(ask_peer(ctx, *peer, all, q));
  WEFT_CO_TRY_VOID(co_await q.reached(ctx));
  std::ranges::sort(all, {}, &operation::id);
  const auto repeated = std::ranges::unique(all, {}, &operation::id);
  all.erase(repeated.begin(), repeated.end());
  co_return all;
}

task<void> replica::ask_peer(context ctx, http::client& peer, std::vector<operation>& into, quorum& q) {
  const auto answered = co_await peer.get<operations>(std::move(ctx), "/replica/operations");
  if (answered) into.insert(into.end(), answered->operations.begin(), answered->operations.end());
  q.answered(answered.has_value());
}

}  // namespace counter
