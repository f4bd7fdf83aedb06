#include <weft/base/saturating.hpp>
#include <weft/base/utf8.hpp>
#include <weft/messaging/rpc.hpp>
#include <weft/observe/correlation.hpp>
#include <weft/observe/trace_context.hpp>
#include <weft/runtime/backoff.hpp>
#include <weft/runtime/guarded.hpp>
#include <weft/runtime/sleep.hpp>

#include <charconv>

namespace weft::messaging {

namespace {

constexpr std::string_view correlation_header = "correlationid";

errc parse_code(std::string_view name) {
  for (unsigned code = 1; code <= static_cast<unsigned>(errc::unauthenticated); ++code)
    if (to_string(static_cast<errc>(code)) == name) return static_cast<errc>(code);
  return errc::unknown;
}

}  // namespace

requester::requester(loop& l, broker& to, requester_options options)
    : loop_{l}, broker_{to}, options_{std::move(options)}, ready_{l} {}
requester::~requester() { tasks_.reset(); }

task<result<std::unique_ptr<consumer>>> requester::open_inbox(context ctx) {
  return broker_.subscribe(std::move(ctx),
                           {.patterns = {inbox_}, .order = ordering::none, .lives = lifetime::ephemeral});
}

task<result<>> requester::start(context ctx) {
  WEFT_CO_TRY_VOID(require(broker_.features(), {feature::ephemeral}, "request and reply"));
  inbox_ = options_.inbox_prefix + "." + loop_.random().make_uuid_v4().to_string();
  WEFT_CO_TRY(consumer_, co_await open_inbox(std::move(ctx)));
  ready_.set();
  tasks_ = std::make_unique<task_group>(loop_);
  tasks_->spawn(take_answers(tasks_->derive(context{})));
  co_return result<>{};
}

task<void> requester::stop(context ctx) {
  stopped_ = true;
  if (consumer_) static_cast<void>(co_await consumer_->stop(std::move(ctx)));
  fail_pending(error{errc::cancelled, "the requester was stopped"});
  ready_.set();
  if (tasks_) co_await tasks_->stop();
}

void requester::fail_pending(const error& why) {
  for (const auto& [id, call] : pending_) {
    if (!call->answer && !call->lost) call->lost = why;
    call->done.set();
  }
}

task<bool> requester::renew_inbox(context ctx) {
  ready_.reset();
  fail_pending(error{errc::unavailable, "the inbox was lost, and with it perhaps the answer"});
  backoff pauses;
  for (;;) {
    auto made = co_await open_inbox(ctx);
    if (stopped_) co_return false;
    if (made) {
      consumer_ = *std::move(made);
      ready_.set();
      co_return true;
    }
    if (!co_await sleep(loop_, ctx, pauses.next(loop_.now(), loop_.random()))) co_return false;
  }
}

void requester::take_answer(const raw_delivery& d) {
  const auto id = d.what->fields.get(rpc_header::request);
  const auto call = pending_.find(id);
  if (call == pending_.end()) {  // its deadline has passed, or it failed when the inbox was lost
    if (options_.log != nullptr) options_.log->info("an answer came for which nobody waits", {{"request", id}});
    return;
  }
  call->second->answer = d.what;
  call->second->done.set();
}

task<void> requester::take_answers(context ctx) {
  backoff pauses;
  while (!stopped_ && ctx.check(loop_.now())) {
    auto got = co_await consumer_->next(ctx);
    if (got && *got) {
      pauses.succeeded(loop_.now());
      take_answer(**got);
      static_cast<void>(co_await consumer_->settle(ctx, (**got).tag, settlement::ack()));
    } else if (got) {  // the consumer has ended
      if (stopped_ || !co_await renew_inbox(ctx)) co_return;
    } else if (got.error().code() == errc::aborted) {  // it was lost, and is there again
      fail_pending(error{errc::unavailable, "the inbox was lost, and with it perhaps the answer"});
    } else if (!co_await sleep(loop_, ctx, pauses.next(loop_.now(), loop_.random()))) {
      co_return;
    }
  }
}

result<outgoing> requester::question_message(const context& ctx, std::string topic, std::string question,
                                             std::string key, const std::string& id) const {
  outgoing out;
  auto& m = out.what;
  m.id = id;
  m.topic = std::move(topic);
  m.key = std::move(key);
  m.content_type = json_content_type;
  m.body = std::move(question);
  m.fields.append(rpc_header::reply_to, inbox_);
  m.fields.append(rpc_header::request, id);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(ctx.remaining(loop_.now()));
  m.fields.append(rpc_header::timeout, std::to_string(left.count()));
  if (!ctx.correlation_id().empty()) m.fields.append(correlation_header, std::string{ctx.correlation_id()});
  if (ctx.trace().valid()) {
    auto trace = observe::inject(ctx.trace());
    m.fields.append(observe::traceparent_header, std::move(trace.traceparent));
    if (!trace.tracestate.empty()) m.fields.append(observe::tracestate_header, std::move(trace.tracestate));
  }
  const auto& has = broker_.features().set;
  if (has.has(feature::expiry)) m.time_to_live = left;
  if (has.has(feature::mandatory)) out.if_unroutable = unroutable::refuse;
  return out;
}

// Who waits for an answer, until the wait ends however it ends.
struct requester::pending_entry {
  requester& owner;
  std::string id;
  std::shared_ptr<waiting_call> call;
  pending_entry(requester& r, std::string name)
      : owner{r}, id{std::move(name)}, call{std::make_shared<waiting_call>(r.loop_)} {
    owner.pending_.emplace(id, call);
  }
  pending_entry(const pending_entry&) = delete;
  pending_entry& operator=(const pending_entry&) = delete;
  ~pending_entry() { owner.pending_.erase(id); }
};

task<result<std::string>> requester::ask_json(context ctx, std::string topic, std::string question, std::string key) {
  WEFT_ASSERT(consumer_ != nullptr, "a requester was used before its start");
  if (stopped_) co_return fail(errc::failed_precondition, "the requester was stopped");
  if (pending_.size() >= options_.max_pending)
    co_return fail(errc::resource_exhausted, std::to_string(pending_.size()) + " questions wait for their answers");
  if (!ctx.has_deadline()) ctx = ctx.with_timeout(loop_, options_.default_timeout);
  const pending_entry waits{*this, loop_.random().make_uuid_v7(loop_.wall_now()).to_string()};
  if (const auto inbox = co_await ready_.wait(ctx); !inbox)
    co_return fail(error{inbox.error().code(), "there is no inbox for the answer"}.with_operation("asking " + topic));
  if (const auto there = co_await consumer_->attached(ctx); !there)
    co_return fail(
        error{there.error().code(), "the inbox has no connection"}.as_unprocessed().with_operation("asking " + topic));
  if (stopped_) co_return fail(errc::cancelled, "the requester was stopped");
  waits.call->lost.reset();  // of an inbox before this one: nothing was asked yet
  waits.call->done.reset();
  WEFT_CO_TRY(auto out, question_message(ctx, topic, std::move(question), std::move(key), waits.id));
  if (const auto sent = co_await publish_one(broker_, ctx, std::move(out)); !sent)
    co_return fail(sent.error().with_operation("asking " + topic));
  if (const auto came = co_await waits.call->done.wait(ctx); !came)
    co_return fail(error{came.error().code(), "no answer came"}.with_operation("asking " + topic));
  if (waits.call->answer == nullptr) co_return fail(waits.call->lost->with_operation("asking " + topic));
  const auto& answer = *waits.call->answer;
  const auto status = answer.fields.get(rpc_header::status);
  if (status != "ok") co_return fail(error{parse_code(status), answer.body}.with_operation("asking " + topic));
  co_return answer.body;
}

namespace detail {

namespace {

context context_of(const context& ctx, const message& question, loop& l) {
  auto own = ctx;
  const auto left = question.fields.get(rpc_header::timeout);
  std::int64_t ms = 0;
  if (std::from_chars(left.data(), left.data() + left.size(), ms).ec == std::errc{} && ms >= 0 && ms < 86'400'000)
    own = own.with_timeout(l, std::chrono::milliseconds{ms});
  if (const auto correlation = question.fields.get(correlation_header); !correlation.empty())
    own = observe::correlation::ensure(own, correlation, l.random());
  if (const auto parent = question.fields.get(observe::traceparent_header); !parent.empty()) {
    const auto state = question.fields.get(observe::tracestate_header);
    auto position = observe::extract({&parent, 1}, {&state, state.empty() ? 0U : 1U});
    if (position.valid()) own = own.with_trace(std::move(position));
  }
  return own;
}

message answer_message(const message& question, const result<std::string>& said, loop& l) {
  message m;
  m.id = l.random().make_uuid_v7(l.wall_now()).to_string();
  m.topic = question.fields.get(rpc_header::reply_to);
  m.fields.append(rpc_header::request, std::string{question.fields.get(rpc_header::request)});
  m.fields.append(rpc_header::status, std::string{said ? "ok" : to_string(said.error().code())});
  m.content_type = said ? json_content_type : "text/plain";
  m.body = said ? *said : clean_text(said.error().message(), 8192);
  return m;
}

// Until the broker has the answer, or the question's deadline has passed. The handler is not called again for it.
task<result<>> send_answer(broker& to, loop& l, context until, message answer) {
  backoff pauses{{.initial = std::chrono::milliseconds{50}, .max = std::chrono::seconds{1}}};
  const auto if_unroutable = to.features().set.has(feature::mandatory) ? unroutable::refuse : unroutable::drop;
  for (;;) {
    const auto sent = co_await publish_one(to, until, {.what = answer, .if_unroutable = if_unroutable});
    // The inbox may be lost with its connection, and come back.
    const bool again = !sent && (sent.error().transient() || sent.error().code() == errc::not_found);
    if (!again || !co_await sleep(l, until, pauses.next(l.now(), l.random()))) co_return sent;
  }
}

task<result<>> answer_one(const json_answer& call, router& at, const context& ctx, const raw_delivery& d) {
  const auto& question = *d.what;
  if (question.fields.get(rpc_header::reply_to).empty())
    co_return fail(errc::invalid_argument, "a question without the header weft-reply-to");
  auto& l = at.home();
  const auto own = context_of(ctx, question, l);
  if (!own.check(l.now())) co_return result<>{};  // nobody waits for the answer
  auto said = co_await guarded_await(call, own, question.body);
  if (!said && ctx.cancellation().cancelled()) co_return fail(said.error());
  const auto until =
      ctx.detached().with_deadline(own.has_deadline() ? own.deadline() : later(l.now(), std::chrono::seconds{10}));
  auto sent = co_await send_answer(at.source(), l, until, answer_message(question, said, l));
  if (!sent && sent.error().code() == errc::resource_exhausted && said) {
    said = fail(error{errc::resource_exhausted, "the answer is too large"}.with_limit(limit_kind::size));
    sent = co_await send_answer(at.source(), l, until, answer_message(question, said, l));
  }
  if (!sent && at.log() != nullptr)
    at.log()->warning("an answer reached nobody", {{"topic", question.topic}, {"error", sent.error().describe()}});
  co_return result<>{};
}

}  // namespace

void answer_json(router& at, std::string_view topic, subscribe_options options, json_answer call) {
  at.on_raw(topic, std::move(options), [call = std::move(call), &at](const context& ctx, const raw_delivery& d) {
    return answer_one(call, at, ctx, d);
  });
}

}  // namespace detail

}  // namespace weft::messaging
