#pragma once
// Question and answer over messages: the question waits in a queue until somebody takes it, the answer comes to an
// inbox of the asker's own. The deadline of the asker's context travels along, and so do trace and correlation id.
//
//     inline constexpr messaging::procedure<price_query, price> get_price{"prices.get"};
//
//     answer(router, get_price, {.group = "prices"},
//            [&](const context& ctx, const price_query& q) { return look_up(ctx, q); });
//
//     requester ask{loop, *broker};
//     WEFT_CO_TRY_VOID(co_await ask.start(ctx));
//     auto p = co_await ask(ctx.with_timeout(loop, 2s), get_price, {.sku = "a"});       // result<price>
//     co_await ask.stop(ctx);
//
// errc::deadline_exceeded when no answer comes, errc::not_found at once where the broker can tell that nobody listens;
// an error of the answering side comes back with its code and message. A question is asked at most once by the
// requester. When the inbox is lost with its connection, the questions that wait fail with errc::unavailable, since their
// answers may be lost too; new ones wait until there is an inbox again. The broker may deliver it again when the answering side dies, so answers should be repeatable. A question
// whose deadline has passed is dropped. Needs feature ephemeral. Belongs to one loop.
#include <weft/messaging/router.hpp>
#include <weft/messaging/topic.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weft::messaging {

namespace rpc_header {
inline constexpr std::string_view reply_to = "weft-reply-to";  // the topic of the inbox
inline constexpr std::string_view request = "weft-request-id";
inline constexpr std::string_view timeout = "weft-timeout-ms";  // what was left when it was asked
inline constexpr std::string_view status = "weft-status";       // of the answer: "ok", or a canonical code
}  // namespace rpc_header

struct requester_options {
  std::string inbox_prefix = "weft.reply";              // the inbox is a topic of its own below it
  duration default_timeout = std::chrono::seconds{30};  // when the context has no deadline
  std::size_t max_pending = 10'000;                     // beyond: errc::resource_exhausted
  const observe::logger* log = nullptr;                 // outlives the requester
};

class requester {
 public:
  // Both outlive the requester.
  requester(loop& l, broker& to, requester_options options = {});
  ~requester();
  requester(const requester&) = delete;
  requester& operator=(const requester&) = delete;

  [[nodiscard]] task<result<>> start(context ctx);
  // Who still waits gets errc::cancelled.
  task<void> stop(context ctx);

  template <class Request, class Reply>
  [[nodiscard]] task<result<Reply>> operator()(context ctx, procedure<Request, Reply> what, const Request& question,
                                               std::string key = {}) {
    return decoded<Reply>(ask_json(std::move(ctx), std::string{what.name}, json::encode(question), std::move(key)));
  }
  [[nodiscard]] task<result<std::string>> ask_json(context ctx, std::string topic, std::string question,
                                                   std::string key);
  [[nodiscard]] std::size_t pending() const noexcept { return pending_.size(); }

 private:
  struct waiting_call {
    explicit waiting_call(loop& l) : done{l} {}
    weft::event done;
    message_ptr answer;
    std::optional<error> lost;  // instead
  };
  struct pending_entry;

  template <class Reply>
  static task<result<Reply>> decoded(task<result<std::string>> text) {
    WEFT_CO_TRY(const auto answer, co_await std::move(text));
    co_return json::decode<Reply>(std::string_view{answer});
  }
  [[nodiscard]] result<outgoing> question_message(const context& ctx, std::string topic, std::string question,
                                                  std::string key, const std::string& id) const;
  task<void> take_answers(context ctx);
  void take_answer(const raw_delivery& d);
  [[nodiscard]] task<result<std::unique_ptr<consumer>>> open_inbox(context ctx);
  // There is no inbox until it is opened again.
  [[nodiscard]] task<bool> renew_inbox(context ctx);
  void fail_pending(const error& why);

  loop& loop_;
  broker& broker_;
  requester_options options_;
  std::string inbox_;
  std::unique_ptr<consumer> consumer_;
  std::map<std::string, std::shared_ptr<waiting_call>, std::less<>> pending_;
  std::unique_ptr<task_group> tasks_;
  weft::event ready_;  // there is an inbox
  bool stopped_ = false;
};

namespace detail {
using json_answer = std::function<task<result<std::string>>(const context&, const std::string&)>;
void answer_json(router& at, std::string_view topic, subscribe_options options, json_answer call);

template <class Request, class Reply>
task<result<std::string>> answer_typed(const std::function<task<result<Reply>>(const context&, const Request&)>& call,
                                       const context& ctx, const std::string& text) {
  WEFT_CO_TRY(const auto question, json::decode<Request>(std::string_view{text}));
  WEFT_CO_TRY(const auto reply, co_await call(ctx, question));
  co_return json::encode(reply);
}
}  // namespace detail

// Before the router's start.
template <class Request, class Reply>
void answer(
    router& at, const procedure<Request, Reply>& what, subscribe_options options,
    std::function<task<result<std::type_identity_t<Reply>>>(const context&, const std::type_identity_t<Request>&)>
        call) {
  detail::answer_json(at, what.name, std::move(options),
                      [call = std::move(call)](const context& ctx, const std::string& text) {
                        return detail::answer_typed<Request, Reply>(call, ctx, text);
                      });
}

}  // namespace weft::messaging
