// Orders of middleware that would silently do nothing are refused when the routes are made, with the remedy.
#include <weft/http/compression.hpp>
#include <weft/http/cors.hpp>
#include <weft/http/instrumentation.hpp>
#include <weft/http/limits.hpp>
#include <weft/http/router.hpp>
#include <weft/http/trusted_fields.hpp>
#include <weft/runtime/epoll_loop.hpp>

#include <gtest/gtest.h>

namespace weft::http {
namespace {

task<result<response>> fine(request&) { co_return response::text("fine"); }

class MiddlewareOrder : public testing::Test {
 protected:
  // What is said of this order; empty when it is taken.
  static std::string problem(const std::vector<middleware>& around) {
    router routes;
    routes.get("/", fine);
    for (const auto& m : around) routes.use(m);
    try {
      static_cast<void>(routes.as_handler());
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "";
  }
  middleware instrumented() { return instrument(loop_, {}); }
  middleware timed() { return limit_time(loop_); }

  epoll_loop loop_;
};

TEST_F(MiddlewareOrder, TakesWhatWorks) {
  EXPECT_EQ(problem({strip_untrusted(), instrumented(), timed(), cors({.origins = {"https://example.com"}}),
                     compress_responses(), decompress_requests(), limit_content(1024)}),
            "");
  EXPECT_EQ(problem({limit_content(10), limit_content(5)}), "");
  EXPECT_EQ(problem({timed(), timed()}), "") << "the shorter one holds";
}

TEST_F(MiddlewareOrder, RefusesWhatRespondsUnseen) {
  EXPECT_EQ(problem({timed(), instrumented()}),
            "router: limit_time around instrument responds without a log line, metrics and a correlation id; use "
            "instrument first");
  EXPECT_NE(problem({catch_exceptions(nullptr), instrumented()}), "");
}

TEST_F(MiddlewareOrder, RefusesLimitsThatDoNotHold) {
  EXPECT_EQ(
      problem({limit_content(1024), decompress_requests()}),
      "router: limit_content around decompress_requests limits the compressed body alone; use limit_content after "
      "decompress_requests");
  EXPECT_NE(problem({limit_content(10), limit_content(20)}).find("never allows the 20 bytes"), std::string::npos);
}

// G4: whoever raises the limit of one route has to raise the server's.
TEST_F(MiddlewareOrder, TellsOfLimitsBeyondTheServers) {
  EXPECT_EQ(problem({served_within(1024), limit_content(1024)}), "");
  EXPECT_EQ(problem({served_within(1024), instrumented(), limit_content(1025)}),
            "router: limit_content never allows its 1025 bytes, since the server refuses more than 1024; raise the "
            "server's max_body_bytes, or lower this limit");
  EXPECT_EQ(problem({served_within(1024), decompress_requests(), limit_content(2048)}), "")
      << "what is small for the server may be large here";
}

TEST_F(MiddlewareOrder, RefusesTheSameTwice) {
  EXPECT_NE(problem({instrumented(), instrumented()}), "");
  EXPECT_NE(problem({compress_responses(), compress_responses()}), "");
  EXPECT_NE(problem({decompress_requests(), decompress_requests()}), "");
}

TEST_F(MiddlewareOrder, LooksAcrossRoutersAndRoutes) {
  router uploads;
  uploads.use(decompress_requests());
  uploads.post("/large", fine, {limit_content(2048)});
  router routes;
  routes.mount("/uploads", uploads);
  EXPECT_NO_THROW(static_cast<void>(routes.as_handler()));
  EXPECT_THROW(routes.check_order({decompress_requests()}), std::invalid_argument);
  routes.use(limit_content(1024));
  try {
    static_cast<void>(routes.as_handler());
    ADD_FAILURE() << "taken";
  } catch (const std::invalid_argument& e) {
    EXPECT_TRUE(
        std::string_view{e.what()}.starts_with("route POST /uploads/large: limit_content around "
                                               "decompress_requests "))
        << e.what();
  }
  EXPECT_THROW(static_cast<void>(wrap(fine, {compress_responses(), compress_responses()})), std::invalid_argument);
  EXPECT_THROW(routes.get("/", fine, {timed(), instrumented()}), std::invalid_argument);
}

}  // namespace
}  // namespace weft::http
