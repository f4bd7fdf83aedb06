#include "ask.hpp"

#include <weft/http/fault_injection.hpp>

#include <gtest/gtest.h>

namespace weft::http {
namespace {
using namespace std::chrono_literals;
using testing::ask;

task<result<response>> fine(request&) { co_return response::text("fine"); }

class FaultInjection : public ::testing::Test {
 protected:
  epoll_loop loop_{{.seed = 7}};
  fault_injector faults_;
  handler h_ = inject_faults(loop_, faults_)(fine);
  handler control_ = fault_control(faults_);
};

TEST_F(FaultInjection, IsOffUntilTold) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ask(loop_, h_, method::get, "/").content, "fine");
  EXPECT_FALSE(faults_.active());
}

TEST_F(FaultInjection, AnswersTheShareItWasTold) {
  ASSERT_TRUE(faults_.set({{.error_percent = 25, .error_status = 502}}));
  int failed = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto s = ask(loop_, h_, method::get, "/");
    if (s.status == 502) {
      ++failed;
      EXPECT_EQ(s.field("x-injected-fault"), "error");
    }
  }
  EXPECT_GT(failed, 200);
  EXPECT_LT(failed, 300);
}

TEST_F(FaultInjection, MatchesPathAndMethod) {
  ASSERT_TRUE(faults_.set({{.path = "/api/", .method = "POST", .error_percent = 100},
                           {.path = "/slow", .delay_percent = 100, .delay_ms = 2},
                           {.path = "/cut", .abort_percent = 100},
                           {.path = "/debug", .error_percent = 100}}));
  EXPECT_EQ(ask(loop_, h_, method::post, "/api/x").status, 503);
  EXPECT_EQ(ask(loop_, h_, method::get, "/api/x").status, 200);
  EXPECT_EQ(ask(loop_, h_, method::post, "/other").status, 200);
  const auto before = loop_.now();
  EXPECT_EQ(ask(loop_, h_, method::get, "/slow").field("x-injected-fault"), "delay");
  EXPECT_GE(loop_.now() - before, 2ms);
  EXPECT_EQ(ask(loop_, h_, method::get, "/cut").content, "data_loss") << "the connection is cut after the head";
  EXPECT_EQ(ask(loop_, h_, method::get, "/debug/faults").status, 200) << "so that they can be taken back";
}

TEST_F(FaultInjection, IsSetOverHttp) {
  EXPECT_EQ(ask(loop_, control_, method::get, "/debug/faults").content, "[]");
  const auto set = ask(loop_, control_, method::post, "/debug/faults", {},
                       R"([{"path":"/api/","error_percent":100,"error_status":500}])");
  EXPECT_EQ(set.status, 200);
  EXPECT_EQ(ask(loop_, h_, method::get, "/api/x").status, 500);
  EXPECT_NE(ask(loop_, control_, method::get, "/").content.find("\"error_status\":500"), std::string::npos);
  EXPECT_EQ(ask(loop_, control_, method::post, "/", {}, R"({"error_percent":100})").status, 200) << "one rule";
  EXPECT_EQ(ask(loop_, h_, method::get, "/x").status, 503);
  EXPECT_EQ(ask(loop_, control_, method::delete_, "/").content, "[]");
  EXPECT_EQ(ask(loop_, h_, method::get, "/x").status, 200);
  EXPECT_EQ(ask(loop_, control_, method::put, "/").status, 405);
}

TEST_F(FaultInjection, RefusesWhatIsOutOfBounds) {
  ASSERT_TRUE(faults_.set({{.path = "/kept"}}));
  for (const auto* text :
       {R"([{"error_percent":101}])", R"([{"delay_percent":-1}])", R"([{"path":"api"}])", R"([{"method":"BREW"}])",
        R"([{"error_status":200}])", R"([{"delay_ms":600001}])", R"([{"error_precent":1}])", "{", "", "7"}) {
    const auto s = ask(loop_, control_, method::post, "/", {}, text);
    EXPECT_EQ(s.status, 400) << text << " " << s.content;
  }
  const auto s = ask(loop_, control_, method::post, "/", {}, R"([{}, {"error_percent":101}])");
  EXPECT_NE(s.content.find("fault 1: error_percent: expected 0 to 100"), std::string::npos) << s.content;
  ASSERT_EQ(faults_.faults().size(), 1U);
  EXPECT_EQ(faults_.faults()[0].path, "/kept");
  EXPECT_FALSE(faults_.set(std::vector<fault>(fault_injector::max_faults + 1)));
}

}  // namespace
}  // namespace weft::http
