// F12: questions and answers over a connection that is lost.
#include <weft/messaging/rpc.hpp>
#include <weft/runtime/sleep.hpp>

#include "model_scene.hpp"

namespace weft::messaging {
namespace {

class AmqpRpc : public ModelScene {
 protected:
  AmqpRpc() : asking_{open()}, answering_{open()}, router_{on(), *answering_}, ask_{on(), *asking_} {
    detail::answer_json(router_, "prices.get", {.group = "prices", .concurrency = 10},
                        [this](const context& ctx, const std::string& q) { return answer(on(), ctx, q); });
    EXPECT_TRUE(run(router_.start(in())));
    EXPECT_TRUE(run(ask_.start(in())));
  }
  ~AmqpRpc() override {
    run(ask_.stop(in()));
    EXPECT_TRUE(run(router_.stop(in())));
  }
  static task<result<std::string>> answer(loop& l, context ctx, std::string question) {
    if (question == "\"slow\"") WEFT_CO_TRY_VOID(co_await sleep(l, ctx, 5s));
    co_return question;
  }
  result<std::string> ask(const std::string& question, duration time = 30s) {
    return run(ask_.ask_json(in(time), "prices.get", question, {}));
  }

  std::unique_ptr<amqp_broker> asking_, answering_;
  router router_;
  requester ask_;
};

task<void> ask_into(requester& r, context ctx, std::string question, std::optional<result<std::string>>& into) {
  into = co_await r.ask_json(std::move(ctx), "prices.get", std::move(question), {});
}

TEST_F(AmqpRpc, WhoWaitsWhenTheInboxIsLostIsTold) {
  EXPECT_EQ(ask("1"), "1");
  std::optional<result<std::string>> slow;
  task_group asking{on()};
  asking.spawn(ask_into(ask_, in(60s), "\"slow\"", slow));
  sim_.run_for(1s);
  EXPECT_FALSE(slow);
  rabbit_.cut();
  sim_.run_for(3s);
  ASSERT_TRUE(slow);
  EXPECT_EQ(slow->error().code(), errc::unavailable);
  EXPECT_EQ(ask("2"), "2");
}

// The first question afterwards waits until its answer can come.
TEST_F(AmqpRpc, AQuestionWaitsForTheInbox) {
  for (int i = 0; i < 20; ++i) {
    rabbit_.cut();
    sim_.run_for(10ms + i * 10ms);  // the loss has been heard of
    EXPECT_EQ(ask("3"), "3") << i;
    EXPECT_EQ(ask("4"), "4") << i;
  }
}

}  // namespace
}  // namespace weft::messaging
