// weft dlq and weft groups.
#include <weft/runtime/sleep.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "bench.hpp"

namespace weft::cli {
namespace {

using messaging::settlement;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

// Messages 1 to `count` of topic "orders.placed" fail in group "billing".
task<void> fail_some(bench& b, int count, std::string body = R"({"order":"o-1","cents":100})") {
  auto bus = co_await b.open();
  auto from = co_await b.consume(*bus, "billing", "orders.*");
  for (int i = 1; i <= count; ++i) {
    const auto sent = co_await b.run({"publish", "orders.placed", body, "--key", "k-" + std::to_string(i), "--id",
                                      "m-" + std::to_string(i), "--source", "/shop", "--header", "tenant=acme"});
    EXPECT_EQ(sent.status, exit_status::ok) << sent.notes;
    auto d = (co_await from->next({})).value();
    EXPECT_TRUE(co_await from->settle({}, d->tag, settlement::retry(0s, error{errc::unavailable, "no database"})));
    d = (co_await from->next({})).value();
    EXPECT_TRUE(co_await from->settle(
        {}, d->tag, settlement::dead_letter("no such customer", error{errc::not_found, "customer 7"})));
  }
}

TEST(DeadLetters, AreListed) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    EXPECT_THAT((co_await b.run({"dlq", "list"})).notes, HasSubstr("no dead letters"));
    co_await fail_some(b, 3);
    const auto text = co_await b.run({"dlq", "list"});
    EXPECT_EQ(text.status, exit_status::ok);
    EXPECT_THAT(text.out, testing::StartsWith("GROUP    NUMBER  AT                    TOPIC          KEY  ID   "
                                              "ATTEMPTS  REASON\nbilling       1  "));
    EXPECT_THAT(text.out, HasSubstr("orders.placed  k-3  m-3         2  no such customer\n"));

    const auto two = co_await b.run({"dlq", "list", "--group", "billing", "--limit", "2", "--json"});
    const auto list = two.parsed().as_array();
    EXPECT_EQ(list.size(), 2u);
    // Friction 16: the group as the other commands take it.
    EXPECT_EQ((co_await b.run({"dlq", "list", "billing", "--limit", "2", "--json"})).out, two.out);
    EXPECT_EQ(list[1].at("id").as_string(), "m-2");
    EXPECT_EQ(list[1].at("number").as_int64(), 2);
    EXPECT_EQ(two.notes, "there are more; --after 2 shows the next\n");
    const auto rest = co_await b.run({"dlq", "list", "--group", "billing", "--after", "2", "--json"});
    EXPECT_EQ(rest.parsed().as_array().size(), 1u);
    EXPECT_EQ(rest.notes, "");
  });
}

TEST(DeadLetters, AreShownWithAllThatIsKnownOfThem) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    co_await fail_some(b, 1);
    const auto text = co_await b.run({"dlq", "show", "billing", "1"});
    EXPECT_EQ(text.status, exit_status::ok) << text.notes;
    for (const auto* part :
         {"dead letter 1 of billing\n", "reason      no such customer\n", "key         k-1\n", "  attempt 1  ",
          "  unavailable: no database\n", "  not_found: customer 7\n", "  source    /shop\n", "  tenant    acme\n",
          "  ce-type: orders.placed\n", "body\n{\n  \"order\": \"o-1\",\n  \"cents\": 100\n}\n"})
      EXPECT_THAT(text.out, HasSubstr(part));

    const auto shown = (co_await b.run({"dlq", "show", "billing", "1", "--json"})).parsed();
    EXPECT_EQ(shown.at("reason").as_string(), "no such customer");
    EXPECT_EQ(shown.at("failures").as_array().size(), 2u);
    EXPECT_EQ(shown.at("failures").at(0).at("code").as_string(), "unavailable");
    EXPECT_EQ(shown.at("event").at("source").as_string(), "/shop");
    EXPECT_EQ(shown.at("headers").at("ce-tenant").as_string(), "acme");
    EXPECT_EQ(shown.at("body").at("cents").as_int64(), 100);
  });
}

TEST(DeadLetters, DoNotReachTheTerminalRaw) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    auto bus = co_await b.open();
    auto from = co_await b.consume(*bus, "billing", "#");
    co_await b.run({"publish", "orders.placed", "\x1b[2Jgone\x07" + std::string(100, 'x'), "--raw"});
    const auto d = (co_await from->next({})).value();
    EXPECT_TRUE(co_await from->settle({}, d->tag, settlement::dead_letter("bad\x1b[31m\nreason")));
    const auto list = co_await b.run({"dlq", "list"});
    EXPECT_THAT(list.out, HasSubstr("bad\\x1b[31m\\nreason"));
    const auto text = co_await b.run({"dlq", "show", "billing", "1", "--max-body", "20"});
    EXPECT_THAT(text.out, Not(HasSubstr("\x1b")));
    EXPECT_THAT(text.out, HasSubstr("\\x1b[2Jgone\\x07"));
    EXPECT_THAT(text.out, HasSubstr("(89 of 109 bytes are not shown)"));
  });
}

TEST(DeadLetters, AreReplayedAndPurged) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    co_await fail_some(b, 4);
    const auto one = co_await b.run({"dlq", "replay", "billing", "2"});
    EXPECT_EQ(one.out, "replayed 1 dead letter of billing\n");
    auto bus = co_await b.open();
    auto from = co_await b.consume(*bus, "billing", "orders.*");
    auto d = (co_await from->next({})).value();
    EXPECT_EQ(d->what->id, "m-2");
    EXPECT_EQ(d->attempt, 1u);
    EXPECT_TRUE(co_await from->settle({}, d->tag, settlement::ack()));

    EXPECT_EQ((co_await b.run({"dlq", "purge", "billing", "1", "3", "--json"})).parsed().at("purged").as_int64(), 2);
    const auto rest = co_await b.run({"dlq", "replay", "billing", "--all", "--json"});
    EXPECT_EQ(rest.parsed().at("replayed").as_int64(), 1);
    EXPECT_EQ((co_await from->next({})).value()->what->id, "m-4");
    EXPECT_EQ((co_await b.run({"dlq", "list", "--json"})).out, "[]\n");
  });
}

TEST(DeadLetters, ThatAreNotThereAreTold) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    co_await fail_some(b, 2);
    const auto group = co_await b.run({"dlq", "list", "--group", "mail"});
    EXPECT_EQ(group.status, exit_status::failed);
    EXPECT_THAT(group.notes, HasSubstr("no group 'mail'"));
    EXPECT_THAT(group.notes, HasSubstr("`weft groups` lists the groups"));
    for (const auto* what : {"show", "replay", "purge"}) {
      const auto number = co_await b.run({"dlq", what, "billing", "3", "--json"});
      EXPECT_EQ(number.status, exit_status::failed) << what;
      const auto problem = json::parse(number.notes).value().at("error");
      EXPECT_EQ(problem.at("code").as_string(), "not_found");
      EXPECT_EQ(problem.at("message").as_string(), "no dead letter 3 in group 'billing'");
    }
    EXPECT_EQ((co_await b.run({"dlq", "list", "--json"})).parsed().as_array().size(), 2u) << "nothing happened";
  });
}

TEST(Groups, ShowWhatWaits) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    EXPECT_EQ((co_await b.run({"groups"})).notes, "no groups\n");
    co_await fail_some(b, 1);
    co_await b.run({"publish", "orders.placed", "{}"});
    const auto list = (co_await b.run({"groups", "--json"})).parsed();
    EXPECT_EQ(list.at(0).at("group").as_string(), "billing");
    EXPECT_EQ(list.at(0).at("ready").as_int64(), 1);
    EXPECT_EQ(list.at(0).at("dead").as_int64(), 1);
    EXPECT_EQ(list.at(0).at("patterns").at(0).as_string(), "orders.*");
    EXPECT_THAT((co_await b.run({"groups"})).out, HasSubstr("billing      1          0        0     1"));
  });
}

TEST(Groups, AreClearedButForTheirDeadLetters) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    co_await fail_some(b, 1);
    for (int i = 0; i < 2; ++i) co_await b.run({"publish", "orders.placed", "{}"});
    co_await b.run({"publish", "orders.placed", "{}", "--delay", "1h"});
    EXPECT_EQ((co_await b.run({"groups", "clear", "billing"})).out, "cleared billing of 3 messages\n");
    const auto left = (co_await b.run({"groups", "--json"})).parsed();
    EXPECT_EQ(left.at(0).at("ready").as_int64(), 0);
    EXPECT_EQ(left.at(0).at("delayed").as_int64(), 0);
    EXPECT_EQ(left.at(0).at("dead").as_int64(), 1);
    EXPECT_EQ((co_await b.run({"groups", "clear", "billing", "--json"})).out,
              "{\"group\":\"billing\",\"cleared\":0}\n");
    const auto none = co_await b.run({"groups", "clear", "shipping"});
    EXPECT_EQ(none.status, exit_status::failed);
    EXPECT_THAT(none.notes, HasSubstr("no group 'shipping'"));
    EXPECT_THAT(none.notes, HasSubstr("`weft groups` lists the groups"));
  });
}

TEST(Groups, AreRemovedWhenTheyAreEmptyOrByForce) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    co_await fail_some(b, 1);
    co_await b.run({"publish", "orders.placed", "{}"});
    const auto full = co_await b.run({"groups", "remove", "billing"});
    EXPECT_EQ(full.status, exit_status::failed);
    EXPECT_THAT(full.notes, HasSubstr("group 'billing' has 1 message and 1 dead letter"));
    EXPECT_THAT(full.notes, HasSubstr("--force"));
    EXPECT_EQ((co_await b.run({"groups", "--json"})).parsed().at(0).at("ready").as_int64(), 1) << "nothing happened";
    EXPECT_EQ((co_await b.run({"groups", "remove", "billing", "--force"})).out, "removed billing\n");
    EXPECT_EQ((co_await b.run({"groups"})).notes, "no groups\n");
    EXPECT_THAT((co_await b.run({"groups", "remove", "billing"})).notes, HasSubstr("no group 'billing'"));
    {
      const auto bus = co_await b.open();
      const auto c = co_await b.consume(*bus, "billing", "orders.*");
      EXPECT_THAT((co_await b.run({"groups", "remove", "billing"})).notes, HasSubstr("has 1 consumers"));
    }
    EXPECT_EQ((co_await b.run({"groups", "remove", "billing", "--json"})).out,
              "{\"group\":\"billing\",\"removed\":1}\n");
  });
}

}  // namespace
}  // namespace weft::cli
