// weft tail.
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>

#include <boost/json/object.hpp>

#include "bench.hpp"

namespace weft::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;

task<void> run_into(bench& b, std::vector<std::string> arguments, context ctx, answer& into) {
  into = co_await b.run(std::move(arguments), {}, std::move(ctx));
}

// What tail says to what is published while it runs.
template <class Body>
task<answer> tailed(bench& b, std::vector<std::string> arguments, Body body) {
  answer said;
  cancel_source stop;
  task_group work{b.l};
  work.spawn(run_into(b, std::move(arguments), context{}.with_cancellation(stop.token()), said));
  EXPECT_TRUE(co_await weft::sleep(b.l, {}, 1ms));
  co_await body(b);
  EXPECT_TRUE(co_await weft::sleep(b.l, {}, 1ms));
  stop.cancel();
  co_await work.join();
  co_return said;
}

task<void> publish_two(bench& b) {
  co_await b.run({"publish", "user.created", R"({ "id": 7 })", "--key", "7", "--id", "first"});
  co_await b.run({"publish", "user.deleted", "line\nbreak", "--raw", "--id", "second"});
}

TEST(Tail, PrintsALineForEachMessage) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    co_await publish_two(b);
    const auto said = co_await tailed(b, {"tail", "user.*"}, publish_two);
    EXPECT_EQ(said.status, exit_status::ok) << said.notes;
    EXPECT_EQ(said.notes, "following user.*; Ctrl-C ends it\n");
    EXPECT_EQ(std::ranges::count(said.out, '\n'), 2) << said.out;
    EXPECT_THAT(said.out, HasSubstr("Z  user.created  7  first  user.created  {\"id\":7}\n"));
    EXPECT_THAT(said.out, HasSubstr("Z  user.deleted  -  second  -  line\\nbreak\n"));
  });
}

TEST(Tail, PrintsJsonLines) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    const auto said = co_await tailed(b, {"tail", "#", "--json"}, publish_two);
    const auto end = said.out.find('\n');
    const auto first = json::parse(said.out.substr(0, end)).value();
    const auto second = json::parse(said.out.substr(end + 1)).value();
    EXPECT_EQ(first.at("event").at("type").as_string(), "user.created");
    EXPECT_EQ(first.at("body").at("id").as_int64(), 7);
    EXPECT_EQ(second.at("body").as_string(), "line\nbreak");
    EXPECT_FALSE(second.as_object().contains("event"));
  });
}

TEST(Tail, EndsAfterACount) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    answer said;
    task_group work{l};
    work.spawn(run_into(b, {"tail", "#", "--count", "1", "--json"}, {}, said));
    EXPECT_TRUE(co_await weft::sleep(l, {}, 1ms));
    co_await publish_two(b);
    co_await work.join();
    EXPECT_EQ(said.parsed().at("id").as_string(), "first");
  });
}

// A consumer whose group was lost with its connection, once.
class interrupted_consumer final : public messaging::consumer {
 public:
  explicit interrupted_consumer(std::unique_ptr<consumer> of) : of_{std::move(of)} {}
  task<result<std::optional<messaging::raw_delivery>>> next(context ctx) override {
    if (!std::exchange(told_, true)) co_return fail(errc::aborted, "the group was lost with its connection");
    co_return co_await of_->next(std::move(ctx));
  }
  [[nodiscard]] std::optional<messaging::raw_delivery> try_next() override { return of_->try_next(); }
  task<result<>> settle(context ctx, messaging::delivery_tag tag, messaging::settlement how) override {
    return of_->settle(std::move(ctx), tag, std::move(how));
  }
  task<result<>> stop(context ctx) override { return of_->stop(std::move(ctx)); }

 private:
  std::unique_ptr<consumer> of_;
  bool told_ = false;
};

class interrupted_broker final : public messaging::broker {
 public:
  explicit interrupted_broker(std::unique_ptr<broker> of) : of_{std::move(of)} {}
  [[nodiscard]] const messaging::broker_features& features() const noexcept override { return of_->features(); }
  task<std::vector<result<>>> publish(context ctx, std::vector<messaging::outgoing> batch) override {
    return of_->publish(std::move(ctx), std::move(batch));
  }
  task<result<std::unique_ptr<messaging::consumer>>> subscribe(context ctx, messaging::subscription what) override {
    WEFT_CO_TRY(auto made, co_await of_->subscribe(std::move(ctx), std::move(what)));
    co_return std::make_unique<interrupted_consumer>(std::move(made));
  }
  task<void> close(context ctx) override { return of_->close(std::move(ctx)); }

 private:
  std::unique_ptr<broker> of_;
};

task<result<std::unique_ptr<messaging::broker>>> open_interrupted(loop& l, context ctx, std::string) {
  WEFT_CO_TRY(auto made, co_await messaging::memory_brokers()(l, std::move(ctx), "memory:"));
  co_return std::make_unique<interrupted_broker>(std::move(made));
}

// F12: it goes on, and says that something may be missing.
TEST(Tail, SaysThatAConnectionWasLostAndGoesOn) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    b.brokers = {};
    b.brokers.add("memory", open_interrupted);
    const auto said = co_await tailed(b, {"tail", "#"}, publish_two);
    EXPECT_EQ(said.status, exit_status::ok);
    EXPECT_THAT(said.notes, HasSubstr("the connection was lost"));
  });
}

TEST(Tail, TakesNothingFromOthersAndLeavesNothingBehind) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    auto bus = co_await b.open();
    auto from = co_await b.consume(*bus, "mail", "#");
    co_await tailed(b, {"tail", "#"}, publish_two);
    EXPECT_TRUE(from->try_next());
    EXPECT_TRUE(from->try_next());
    const auto groups = (co_await b.run({"groups", "--json"})).parsed();
    EXPECT_EQ(groups.as_array().size(), 1u);
  });
}

TEST(Tail, ShowsBinaryDataAndCutsWhatIsLong) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    const auto publish_bytes = [](bench& at) -> task<void> {
      co_await at.run({"publish", "blobs", "\xff\x01" + std::string(50, 'a'), "--raw"});
    };
    EXPECT_THAT((co_await tailed(b, {"tail", "#", "--max-body", "4"}, publish_bytes)).out,
                HasSubstr("  \\xff\\x01aa…\n"));
    const auto said = co_await tailed(b, {"tail", "#", "--json"}, publish_bytes);
    EXPECT_THAT(std::string{said.parsed().at("body_base64").as_string()}, StartsWith("/wFhYWFh"));
  });
}

TEST(Tail, RefusesAWrongPattern) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    const auto said = co_await b.run({"tail", "orders.#x"});
    EXPECT_EQ(said.status, exit_status::wrong_usage);
    EXPECT_THAT(said.notes, HasSubstr("orders.#x"));
  });
}

}  // namespace
}  // namespace weft::cli
