#include <weft/http/instrumentation.hpp>
#include <weft/http/router.hpp>
#include <weft/runtime/epoll_loop.hpp>

#include <gtest/gtest.h>

#include <stdexcept>

namespace weft::http {
namespace {

task<result<response>> greet(request& r) {
  co_return response::text(std::string{r.context().correlation_id()} + " " +
                           observe::trace_id_text(r.context().trace()));
}
task<result<response>> break_down(request&) {
  throw std::runtime_error{"a bug with details"};
  co_return response{};
}
task<result<response>> fill(request&) {
  co_return fail(error{errc::resource_exhausted, "the disk is full"}.with_limit(limit_kind::space));
}
task<result<response>> refuse(request&) { co_return fail(errc::unavailable, "no database"); }

class Instrumentation : public testing::Test {
 protected:
  handler make(instrumentation_options options = {}) {
    router routes;
    routes.get("/users/{id}", greet);
    routes.get("/health", greet);
    routes.get("/bug", break_down);
    routes.get("/down", refuse);
    routes.get("/full", fill);
    routes.use(instrument(loop_, {.spans = &tracer_, .metrics = &metrics_, .log = &log_}, std::move(options)));
    return routes.as_handler();
  }
  struct sent {
    int status;
    std::string content, correlation;
  };
  static task<sent> collect(const handler& h, request& r) {
    auto reply = co_await h(r);
    if (!reply) co_return sent{0, reply.error().describe(), ""};
    auto text = co_await reply->content.text();
    co_return sent{to_int(reply->status), std::string{text.value()},
                   std::string{reply->headers.get("x-correlation-id").value_or("")}};
  }
  sent ask(const handler& h, std::string target, headers fields = {}, method m = method::get) {
    request r{m, target};
    r.headers = std::move(fields);
    return loop_.run(collect(h, r));
  }

  epoll_loop loop_;
  observe::memory_spans spans_;
  observe::tracer tracer_{loop_, spans_};
  observe::registry metrics_;
  std::shared_ptr<observe::memory_log> lines_ = std::make_shared<observe::memory_log>();
  observe::logger log_{loop_, lines_};
};

constexpr auto trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";

TEST_F(Instrumentation, ContinuesTheCallersTraceAndCorrelation) {
  const auto s =
      ask(make(), "/users/7?token=secret",
          {{"traceparent", std::string{"00-"} + trace_id + "-00f067aa0ba902b7-01"}, {"x-correlation-id", "abc"}});
  EXPECT_EQ(s.content, std::string{"abc "} + trace_id);
  EXPECT_EQ(s.correlation, "abc");
  const auto* span = spans_.find("GET /users/{id}");
  ASSERT_NE(span, nullptr);
  EXPECT_EQ(span->kind, observe::span_kind::server);
  EXPECT_EQ(observe::trace_id_text(span->position), trace_id);
  EXPECT_TRUE(span->parent_remote);
  ASSERT_NE(span->find("http.response.status_code"), nullptr);
  EXPECT_EQ(*span->find("http.response.status_code"), observe::attribute_value{200});
  const auto* line = lines_->find("request");
  ASSERT_NE(line, nullptr);
  EXPECT_EQ(line->field("path"), "/users/7");
  EXPECT_EQ(line->field("route"), "/users/{id}");
  EXPECT_EQ(line->field("status"), "200");
  EXPECT_EQ(line->correlation_id, "abc");
  EXPECT_EQ(observe::trace_id_text(line->trace), trace_id);
  EXPECT_EQ(line->json.find("secret"), std::string::npos);
}

TEST_F(Instrumentation, BeginsBothWhenTheyAreMissingOrMalformed) {
  const auto s = ask(make(), "/users/7", {{"traceparent", "00-0-0-01"}, {"X-Correlation-ID", "two words\n"}});
  EXPECT_EQ(s.correlation.size(), 36U);
  EXPECT_EQ(s.content.size(), 36U + 1 + 32);
  const auto edge = make({.traces = instrumentation_options::remote_traces::restarted});
  const auto again = ask(edge, "/users/7", {{"traceparent", std::string{"00-"} + trace_id + "-00f067aa0ba902b7-01"}});
  EXPECT_EQ(again.content.find(trace_id), std::string::npos);
}

TEST_F(Instrumentation, CountsByRouteNotByPath) {
  const auto h = make();
  for (const auto* path : {"/users/1", "/users/2", "/none/1", "/none/2"}) static_cast<void>(ask(h, path));
  request other{method::get, "/users/1"};
  other.set_method("BREW");
  static_cast<void>(loop_.run(collect(h, other)));
  const auto text = metrics_.expose();
  for (const auto* series : {"weft_http_server_requests_total{method=\"GET\",route=\"/users/{id}\",status=\"200\"} 2",
                             "weft_http_server_requests_total{method=\"GET\",route=\"unmatched\",status=\"404\"} 2",
                             "weft_http_server_requests_total{method=\"_OTHER\",route=\"unmatched\",status=\"501\"} 1",
                             "weft_http_server_requests_in_flight 0",
                             "weft_http_server_request_duration_seconds_count{method=\"GET\",route=\"/users/{id}\"} 2"})
    EXPECT_NE(text.find(series), std::string::npos) << series << "\n" << text;
}

TEST_F(Instrumentation, AnswersForAHandlerThatThrows) {
  const auto s = ask(make(), "/bug", {{"x-correlation-id", "abc"}});
  EXPECT_EQ(s.status, 500);
  EXPECT_EQ(s.correlation, "abc");
  EXPECT_EQ(s.content.find("details"), std::string::npos) << "for the log, not for the caller";
  const auto* line = lines_->find("the handler threw");
  ASSERT_NE(line, nullptr);
  EXPECT_EQ(line->field("exception"), "a bug with details");
  EXPECT_TRUE(line->trace.valid());
  EXPECT_EQ(spans_.find("GET /bug")->status, observe::span_status::error);
}

TEST_F(Instrumentation, ReportsErrors) {
  const auto s = ask(make(), "/down");
  EXPECT_EQ(s.status, 503);
  EXPECT_EQ(lines_->find("request")->field("error"), "no database");
  EXPECT_EQ(lines_->find("request")->level, observe::log_level::warning);
}

// G4: what does not pass by itself is an error in the log.
TEST_F(Instrumentation, LogsAFullDiskAsAnError) {
  EXPECT_EQ(ask(make(), "/full").status, 507);
  EXPECT_EQ(lines_->find("request")->level, observe::log_level::error);
  EXPECT_EQ(lines_->find("request")->field("error"), "the disk is full");
}

TEST_F(Instrumentation, IsQuietAboutHealthChecks) {
  EXPECT_EQ(ask(make(), "/health").status, 200);
  EXPECT_EQ(lines_->entries().size(), 0U);
  EXPECT_EQ(spans_.spans().size(), 0U);
}

TEST_F(Instrumentation, ExposesMetrics) {
  request r{method::get, "/metrics"};
  EXPECT_EQ(loop_.run(collect(expose_metrics(metrics_), r)).status, 200);
  const auto caught = catch_exceptions(&log_)(break_down);
  struct run {
    static task<errc> code(const handler& h, request& r) { co_return (co_await h(r)).error().code(); }
  };
  EXPECT_EQ(loop_.run(run::code(caught, r)), errc::internal);
  EXPECT_EQ(loop_.run(run::code(catch_exceptions(nullptr)(break_down), r)), errc::internal);
}

}  // namespace
}  // namespace weft::http
