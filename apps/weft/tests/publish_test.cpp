// weft publish.
#include <weft/messaging/cloud_events.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fstream>

#include "bench.hpp"

namespace weft::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

// All that waits for the consumer, acknowledged.
task<std::vector<messaging::message>> take_all(messaging::consumer& from) {
  std::vector<messaging::message> list;
  while (auto d = from.try_next()) {
    list.push_back(*d->what);
    EXPECT_TRUE(co_await from.settle({}, d->tag, messaging::settlement::ack()));
  }
  co_return list;
}

std::vector<std::string> bodies(const std::vector<messaging::message>& list) {
  std::vector<std::string> all;
  for (const auto& m : list) all.push_back(m.body);
  return all;
}

TEST(Publish, MakesAnEventOfJson) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    auto bus = co_await b.open();
    auto from = co_await b.consume(*bus, "all", "#");
    const auto said = co_await b.run({"publish", "user.created", R"({"id":7})", "--key", "7", "--type", "user.made",
                                      "--source", "/users", "--subject", "users/7", "--header", "tenant=acme",
                                      "--header", "plan=a=b", "--schema-version", "3", "--json"});
    EXPECT_EQ(said.status, exit_status::ok) << said.notes;
    const auto got = co_await take_all(*from);
    EXPECT_EQ(said.parsed().at("id").as_string(), got.at(0).id);
    const auto e = messaging::to_event(got.at(0)).value();
    EXPECT_EQ(e.type, "user.made");
    EXPECT_EQ(e.source, "/users");
    EXPECT_EQ(e.subject, "users/7");
    EXPECT_EQ(e.get("tenant"), "acme");
    EXPECT_EQ(e.get("plan"), "a=b");
    EXPECT_EQ(e.schema_version(), 3u);
    EXPECT_EQ(e.data, R"({"id":7})");
    EXPECT_EQ(got.at(0).key, "7");

    EXPECT_EQ((co_await b.run({"publish", "user.created", "[1,2]", "--id", "mine"})).out,
              "published mine to user.created\n");
    EXPECT_THAT(bodies(co_await take_all(*from)), ElementsAre("[1,2]"));
  });
}

TEST(Publish, SendsRawDataAsItIs) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    auto bus = co_await b.open();
    auto from = co_await b.consume(*bus, "all", "#");
    co_await b.run({"publish", "blobs", "-", "--raw", "--content-type", "text/plain", "--header", "x-color=red"},
                   std::string{"not\0json, and longer than a piece", 33});
    const auto got = co_await take_all(*from);
    EXPECT_EQ(got.at(0).body, (std::string{"not\0json, and longer than a piece", 33}));
    EXPECT_EQ(got.at(0).content_type, "text/plain");
    EXPECT_EQ(got.at(0).fields, (messaging::headers{{"x-color", "red"}}));
  });
}

TEST(Publish, ReadsFiles) {
  const auto file = testing::TempDir() + "weft_publish_test.json";
  std::ofstream{file} << R"({"from":"a file"})";
  scenario([&](loop& l) -> task<void> {  // weft-style: closure outlives the coroutine
    bench b{l};
    auto bus = co_await b.open();
    auto from = co_await b.consume(*bus, "all", "#");
    EXPECT_EQ((co_await b.run({"publish", "a", "@" + file})).status, exit_status::ok);
    EXPECT_THAT(bodies(co_await take_all(*from)), ElementsAre(R"({"from":"a file"})"));
    const auto missing = co_await b.run({"publish", "a", "@/not/there"});
    EXPECT_EQ(missing.status, exit_status::wrong_usage);
    EXPECT_THAT(missing.notes, HasSubstr("/not/there: No such file"));
  });
}

TEST(Publish, RefusesWhatMakesNoSense) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    struct attempt {
      std::vector<std::string> arguments;
      exit_status status;
      std::string_view why;
    };
    const std::vector<attempt> attempts{
        {{"publish", "a", "{"}, exit_status::wrong_usage, "the data is not JSON"},
        {{"publish", "a b", "{}"}, exit_status::wrong_usage, "topic"},
        {{"publish", "a", "{}", "--header", "Upper=1"}, exit_status::wrong_usage, "Upper"},
        {{"publish", "a", "{}", "--header", "none"}, exit_status::wrong_usage, "write --header name=value"},
        {{"publish", "a", "{}", "--source", "not a uri"}, exit_status::wrong_usage, "--source"},
        {{"publish", "a", "{}", "--delay", "soon"}, exit_status::wrong_usage, "--delay: 'soon' is no time"},
        {{"publish", "a", "{}", "--priority", "10"}, exit_status::wrong_usage, "--priority"},
        {{"publish", "a", "{}", "--content-type", "x/y"}, exit_status::wrong_usage, "--raw"},
        {{"publish", "a", "{}", "--lines"}, exit_status::wrong_usage, "--lines reads standard input"},
        {{"publish", "a", "-", "--lines", "--id", "1"}, exit_status::wrong_usage, "--id names one message"},
        {{"publish", "a", "{}", "--mandatory"}, exit_status::failed, "no group takes 'a'"},
        {{"publish", "a", "{}", "--raw", "--mandatory"}, exit_status::failed, "no group takes 'a'"},
    };
    for (const auto& each : attempts) {
      const auto said = co_await b.run(each.arguments);
      EXPECT_EQ(said.status, each.status) << each.why;
      EXPECT_THAT(said.notes, HasSubstr(std::string{each.why}));
      EXPECT_EQ(said.out, "");
    }
  });
}

TEST(Publish, DelaysInTheBroker) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    auto bus = co_await b.open();
    auto from = co_await b.consume(*bus, "all", "#");
    for (const auto* how : {"--source=/a", "--raw"})
      EXPECT_EQ((co_await b.run({"publish", "a", "1", "--delay", "5s", how})).status, exit_status::ok);
    EXPECT_TRUE(co_await weft::sleep(l, {}, 4900ms));
    EXPECT_FALSE(from->try_next());
    EXPECT_TRUE(co_await weft::sleep(l, {}, 200ms));
    EXPECT_EQ((co_await take_all(*from)).size(), 2u);
  });
}

TEST(Publish, TakesALineForAMessage) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    auto bus = co_await b.open();
    auto from = co_await b.consume(*bus, "all", "#");
    const auto said = co_await b.run({"publish", "a", "-", "--lines", "--batch", "2", "--key", "k", "--json"},
                                     "{\"n\":1}\n{\"n\":2}\r\n\n{\"n\":3}\n{\"n\":4}\n{\"n\":5}");
    EXPECT_EQ(said.status, exit_status::ok) << said.notes;
    EXPECT_EQ(said.parsed().at("published").as_int64(), 5);
    EXPECT_THAT(bodies(co_await take_all(*from)),
                ElementsAre(R"({"n":1})", R"({"n":2})", R"({"n":3})", R"({"n":4})", R"({"n":5})"));
    const auto nothing = co_await b.run({"publish", "a", "-", "--lines"}, "");
    EXPECT_EQ(nothing.status, exit_status::ok);
    EXPECT_EQ(nothing.out, "published 0 messages to a\n");
  });
}

TEST(Publish, StopsAtALineThatIsWrong) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    auto bus = co_await b.open();
    auto from = co_await b.consume(*bus, "all", "#");
    const auto said = co_await b.run({"publish", "a", "-", "--lines"}, "1\n2\n\nthree\n4\n5\n");
    EXPECT_EQ(said.status, exit_status::failed);
    EXPECT_EQ(said.out, "published 2 messages to a\n");
    EXPECT_THAT(said.notes, HasSubstr("line 4: invalid_argument: the data is not JSON"));
    EXPECT_THAT(said.notes, HasSubstr("nothing beyond line 4 was published"));
    EXPECT_THAT(bodies(co_await take_all(*from)), ElementsAre("1", "2"));
  });
}

// A source that never ends, and counts how often it is asked.
class endless final : public byte_source {
 public:
  task<result<std::string>> read(context) override {
    ++asked;
    co_return "{}\n{}\n{}\n{}\n";
  }
  int asked = 0;
};

task<void> publish_endlessly(loop& l, bench& b, context ctx, endless& input, std::ostringstream& out,
                             exit_status& status) {
  status = co_await cli::run(l, ctx, {"publish", "a", "-", "--lines", "--broker", "memory:small?max_messages=10"},
                             {out, out, input, b.brokers});
}

TEST(Publish, ReadsNoFasterThanTheBrokerTakes) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    auto bus = (co_await b.brokers.open(l, {}, "memory:small?max_messages=10")).value();
    auto from = co_await b.consume(*bus, "all", "#");
    endless input;
    std::ostringstream out;
    exit_status status{};
    cancel_source stop;
    task_group work{l};
    work.spawn(publish_endlessly(l, b, context{}.with_cancellation(stop.token()), input, out, status));
    EXPECT_TRUE(co_await weft::sleep(l, {}, 1s));
    EXPECT_EQ(input.asked, 3) << "8 messages are there, 2 of the third batch fit, 2 wait";
    EXPECT_EQ((co_await take_all(*from)).size(), 10u);
    EXPECT_TRUE(co_await weft::sleep(l, {}, 1s));
    EXPECT_EQ(input.asked, 6) << "room for ten more";
    stop.cancel();
    co_await work.join();
    EXPECT_EQ(status, exit_status::failed);
    EXPECT_THAT(std::move(out).str(), HasSubstr("published "));
  });
}

}  // namespace
}  // namespace weft::cli
