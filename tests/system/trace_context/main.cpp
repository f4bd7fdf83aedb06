// The service that W3C's tests of Trace Context ask for: POST /test with [{"url": ..., "arguments": ...}, ...] posts each
// of the arguments to its url, with the trace context of the request. All else is as it is by default.
#include <weft/discovery/service_client.hpp>
#include <weft/http/url.hpp>
#include <weft/json/value.hpp>
#include <weft/service.hpp>

#include <boost/describe/class.hpp>

namespace {

using namespace weft;

struct call {
  std::string url;
  json::value arguments;
};
BOOST_DESCRIBE_STRUCT(call, (), (url, arguments))

task<result<>> post(service::core& on, context ctx, call what) {
  WEFT_CO_TRY(const auto where, http::url::parse(what.url));
  const auto registry =
      discovery::make_registry(on.loop, "static:called=" + where.host + ":" + std::to_string(where.port));
  discovery::service_client called{
      on.loop, *registry, {.service = "called", .caller = "trace_context", .hosts = {}, .tracer = &on.spans}};
  WEFT_CO_TRY_VOID(co_await called.ready(ctx));
  http::request r{http::method::post, where.target};
  r.headers.set("Content-Type", "application/json");
  r.content = json::serialize(what.arguments);
  WEFT_CO_TRY(auto answered, co_await called.send(std::move(ctx), std::move(r)));
  WEFT_CO_TRY_VOID(co_await answered.content.text());
  co_return result<>{};
}

struct test_handler {
  service::core* on;

  task<result<http::response>> operator()(http::request& r) const {
    WEFT_CO_TRY(const auto calls, co_await r.json<std::vector<call>>());
    for (const auto& each : calls) WEFT_CO_TRY_VOID(co_await post(*on, r.context(), each));
    co_return http::response::text("done\n");
  }
};

}  // namespace

int main(int argc, char** argv) {
  service::application app{{.name = "trace_context"}, argc, argv};
  app.serve([](service::core& core) {
    http::router routes;
    routes.post("/test", test_handler{&core});
    return routes;
  });
  return app.run();
}
