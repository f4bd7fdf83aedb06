#pragma once
// Calls to another service: finds a healthy instance, balances, and carries what every call between services carries,
// inside the policies it is given.
//
//     service_client posts{loop, *registry, {.service = "posts", .caller = "users"},
//                          resilience::timeout{.after = 2s},
//                          resilience::retry{.max_attempts = 3, .base_delay = 50ms},
//                          resilience::circuit_breaker{.failure_ratio = 0.5, .break_for = 30s},
//                          resilience::timeout{.after = 500ms}};
//     auto of_user = co_await posts.get<std::vector<post>>(ctx, "/api/posts/user/7");
//
// Each attempt goes to an instance that the call has not tried, while there is one, and tells the instance's health
// what came of it. What is sent along: X-Service-Name (the caller), X-Correlation-ID and traceparent of the context,
// X-Request-Timeout-Ms (what is left of the deadline), and Authorization when there is a token source. A request is
// sent again only if that is right (base/replay.hpp): it is idempotent or carries Idempotency-Key, or certainly was not
// processed. Content that is streamed, or larger than `replay_bytes`, is sent again in the last case only.
//
// A circuit_breaker among the policies counts calls, not attempts, and is about the service: a failure of one instance
// while others answer is a matter for outlier detection and retries (docs/decisions/0006). Before the registry has
// answered for the first time calls wait for it, within their deadline.
//
// get() and post() read an answer's content within the attempt, so that content which stalls or breaks off is tried
// elsewhere and counts against the instance, as a head that does not come. send() hands content on as it arrives,
// unless service_call::content asks for all of it.
//
// The error of a call that failed tells what happened: "try 1 to 10.0.0.3:80 timed out after 300 ms; ...". A span of
// the tracer has the same as events, and the metrics count it by reason (resilience/metrics.hpp; the pipeline is the
// service). weft_client_calls_total{service,code} counts the calls by how they ended, and
// weft_client_call_duration_seconds{service} has their time.
//
// A cache and a fallback belong to a value rather than to a response: put a pipeline of that type around get().
// One loop. The registry, token keeper, tracer and metrics outlive it.
#include <weft/discovery/cluster.hpp>
#include <weft/http/bearer_token.hpp>
#include <weft/http/client.hpp>
#include <weft/http/outcome.hpp>
#include <weft/observe/span.hpp>
#include <weft/resilience/pipeline.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace weft::discovery {

struct service_client_options {
  std::string service;  // whom to call: its name in the registry
  std::string caller;   // who we are
  host_set_options hosts;
  std::optional<health_check> check;  // none: the registry's word and outlier detection
  http::client_options http;
  std::size_t replay_bytes = 64 * 1024;  // content beyond it is sent again only when it certainly was not taken
  // How long a first call without a deadline waits for the registry's first answer; one that has a deadline waits for
  // as long as it has.
  duration registry_timeout = std::chrono::seconds{10};
  // Of an answer that is read whole: more is errc::resource_exhausted, not tried again, and nobody's fault.
  std::size_t content_limit = http::body::default_limit;
  http::token_keeper* token = nullptr;
  const observe::tracer* tracer = nullptr;
  observe::registry* metrics = nullptr;
};

// What of an answer belongs to the attempt, and so to the policies.
enum class answer_content : std::uint8_t {
  streamed,  // its head; the caller reads the content as it arrives
  whole,     // its content too, in bytes at most service_client_options::content_limit
};

// What a single call wants.
struct service_call {
  std::string_view key{};     // keeps what belongs together on one instance, with a consistent balancer
  std::string_view subset{};  // by name
  resilience::priority priority = resilience::priority::normal;
  answer_content content = answer_content::streamed;  // of send(); get() and post() take it whole
  resilience::decision_record* record = nullptr;      // filled with what happened; must outlive the call
  json::decode_options decode = {};                   // of get() and post()
};

class service_client {
 public:
  // Throws std::invalid_argument when options or the order of the policies cannot work.
  template <class... Policies>
  service_client(loop& l, registry& where, service_client_options options, Policies... outermost_first)
      : service_client{l, where, options,
                       std::make_unique<resilience::pipeline<http::response>>(l, options.service,
                                                                              std::move(outermost_first)...)} {}
  // With policies of configuration, which may change meanwhile: policy_set::at(). Throws std::invalid_argument for
  // null.
  service_client(loop& l, registry& where, service_client_options options,
                 std::shared_ptr<resilience::policy_source> policies);
  ~service_client();
  service_client(const service_client&) = delete;
  service_client& operator=(const service_client&) = delete;

  // Until the registry has answered for the first time; ready_now() says whether it has.
  task<result<>> ready(context ctx);
  [[nodiscard]] bool ready_now() const noexcept { return instances().registry().known; }

  // Any status is a response; an error is a failure to get one, after all attempts.
  task<result<http::response>> send(context ctx, http::request r, service_call call = {});
  template <class T>
  task<result<T>> get(context ctx, std::string path, service_call call = {});
  template <class T, class Content>
  task<result<T>> post(context ctx, std::string path, const Content& content, service_call call = {});

  [[nodiscard]] const cluster& instances() const noexcept;
  [[nodiscard]] const resilience::pipeline<http::response>& policies() const noexcept;
  [[nodiscard]] http::client_stats connections() const noexcept;
  [[nodiscard]] const service_client_options& options() const noexcept;

 private:
  service_client(loop& l, registry& where, service_client_options options,
                 std::unique_ptr<resilience::pipeline<http::response>> policies);
  task<result<http::response>> post_json(context ctx, std::string path, std::string json, service_call call);
  struct impl;
  std::unique_ptr<impl> impl_;
};

template <class T>
task<result<T>> service_client::get(context ctx, std::string path, service_call call) {
  call.content = answer_content::whole;
  auto answer = co_await send(std::move(ctx), http::request{http::method::get, path}, call);
  if (!answer) co_return fail(std::move(answer).error());
  co_return co_await answer->template as<T>(options().content_limit, call.decode);
}

template <class T, class Content>
task<result<T>> service_client::post(context ctx, std::string path, const Content& content, service_call call) {
  auto answer = co_await post_json(std::move(ctx), std::move(path), json::encode(content), call);
  if (!answer) co_return fail(std::move(answer).error());
  co_return co_await answer->template as<T>(options().content_limit, call.decode);
}

}  // namespace weft::discovery
