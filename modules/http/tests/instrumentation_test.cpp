#include "http_harness.hpp"

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

void burn(const loop& l, duration time) {
  for (const auto begin = l.clock(); l.clock() - begin < time;) {
  }
}
struct burns {
  loop& l;
  duration before{}, after{};
  task<result<response>> operator()(request&) const {
    burn(l, before);
    if (after > duration::zero()) {
      co_await sleep(l, {}, 1ms);
      burn(l, after);
      co_await sleep(l, {}, 1ms);
    }
    co_return response::text("burnt");
  }
};
task<void> ask_over_the_network(loop& l, address to, std::string text, std::string& said) {
  wire w{(co_await l.connect({}, to)).value()};
  co_await w.send(std::move(text));
  said = co_await w.rest();
}
double milliseconds_in(std::string_view text) { return std::stod(std::string{text}); }

// G1: a handler that burns 200 ms without suspending showed 0, and what blocked the loop was invisible.
TEST_F(Instrumentation, MeasuresAndNamesWhatBlocksTheLoop) {
  router routes;
  routes.get("/burn/{id}", burns{loop_, 30ms});
  routes.get("/later", burns{loop_, 0ms, 30ms});
  routes.get("/quick", greet);
  routes.use(instrument(loop_, {.metrics = &metrics_, .log = &log_}, {.stall_threshold = 25ms}));
  http::server server{loop_, routes.as_handler()};
  ASSERT_TRUE(server.listen(address::loopback(0)));
  std::string said;
  loop_.run(ask_over_the_network(loop_, server.local(), get("/quick", "Connection: close\r\n"), said));
  EXPECT_EQ(lines_->find("the loop stood still"), nullptr);
  loop_.run(ask_over_the_network(loop_, server.local(), get("/burn/7", "Connection: close\r\n"), said));
  loop_.run(settle(loop_, 1ms));
  EXPECT_TRUE(said.contains("burnt"));
  const auto* request = lines_->find("request");
  ASSERT_NE(request, nullptr);
  EXPECT_GE(milliseconds_in(request->field("duration_ms")), 30.0);
  const auto* stall = lines_->find("the loop stood still");
  ASSERT_NE(stall, nullptr);
  EXPECT_EQ(stall->level, observe::log_level::warning);
  EXPECT_EQ(stall->field("route"), "/burn/{id}");
  EXPECT_GE(milliseconds_in(stall->field("duration_ms")), 30.0);
  EXPECT_TRUE(metrics_.expose().contains("weft_http_server_stalls_total{route=\"/burn/{id}\"} 1\n"));
  loop_.run(ask_over_the_network(loop_, server.local(), get("/later", "Connection: close\r\n"), said));
  EXPECT_TRUE(metrics_.expose().contains("weft_http_server_stalls_total{route=\"/later\"} 1\n")) << metrics_.expose();
}

// G12
TEST_F(Instrumentation, ReportsWhatIsRefusedBeforeRouting) {
  http::server server{
      loop_,
      make(),
      {.max_body_bytes = 10, .on_refused = instrument_refusals(loop_, {.metrics = &metrics_, .log = &log_})}};
  ASSERT_TRUE(server.listen(address::loopback(0)));
  struct refusal_case {
    std::string text, method, path;
    int status;
  };
  const std::string id = "X-Correlation-ID: abc\r\n";
  const refusal_case cases[] = {
      {"POST /users/7?token=secret HTTP/1.1\r\nHost: h\r\n" + id + "Content-Length: 11\r\n\r\n", "POST", "/users/7",
       413},
      {"GET /" + std::string(10'000, 'a') + " HTTP/1.1\r\n\r\n", "GET", "/" + std::string(255, 'a'), 414},
      {"GET / HTTP/1.1\r\nHost: h\r\n" + id + "X: " + std::string(40'000, 'a') + "\r\n\r\n", "GET", "", 431},
      {"GET /users/7 HTTP/2.0\r\nHost: h\r\n\r\n", "GET", "/users/7", 505},
      {"GET /a\x80 HTTP/1.1\r\nHost: h\r\n\r\n", "GET", "", 400},
      {"nonsense\r\n\r\n", "", "", 400},
      {"GET / HTTP/1.1\r\nHost: a b\r\n" + id + "\r\n", "GET", "/", 400},
      {"POST / HTTP/1.1\r\nHost: h\r\nExpect: more\r\n\r\n", "POST", "/", 417}};
  for (const auto& c : cases) {
    std::string said;
    loop_.run(ask_over_the_network(loop_, server.local(), c.text, said));
    const auto code = std::to_string(c.status);
    EXPECT_TRUE(said.starts_with("HTTP/1.1 " + code)) << said;
    EXPECT_TRUE(said.contains("X-Correlation-ID: ")) << said;
    const auto* line = lines_->find("request");
    ASSERT_NE(line, nullptr) << c.text.substr(0, 60);
    EXPECT_EQ(line->field("status"), code);
    EXPECT_EQ(line->field("method"), c.method);
    EXPECT_EQ(line->field("path"), c.path);
    EXPECT_FALSE(line->field("refused").empty());
    EXPECT_EQ(line->field("peer"), "127.0.0.1");
    EXPECT_FALSE(line->correlation_id.empty());
    EXPECT_TRUE(said.contains("X-Correlation-ID: " + line->correlation_id + "\r\n")) << said;
    EXPECT_EQ(line->json.find("secret"), std::string::npos);
    const auto label = c.method.empty() ? "_OTHER" : c.method;
    EXPECT_TRUE(metrics_.expose().contains("weft_http_server_requests_total{method=\"" + label +
                                           "\",route=\"unmatched\",status=\"" + code + "\"}"))
        << metrics_.expose();
    if (c.text.contains(id) && c.status != 431) EXPECT_EQ(line->correlation_id, "abc");
    lines_->clear();
  }
}

}  // namespace
}  // namespace weft::http
