// What a broker refuses, for what reason and in what words; and relays that come after one that died.
#include "suite.hpp"

namespace weft::messaging {

using namespace std::chrono_literals;

// A6: the words of a refusal may be anything. They hold up neither their message nor the others.
TEST_P(Outbox, ParksWhatIsRefusedInWordsThatNoDatabaseTakes) {
  const std::map<std::string, std::string> words{{"cut", "no exchange 'caf\xc3"},
                                                 {"nul", std::string{"a\0b", 3}},
                                                 {"long", std::string(3'000'000, 'x')},
                                                 {"bytes", "\xff\xfe\x80"}};
  bus->verdict = [&](const outgoing& o) -> result<> {
    if (const auto said = words.find(o.what.id); said != words.end()) return fail(errc::invalid_argument, said->second);
    return {};
  };
  std::vector<outgoing> all;
  for (const auto& [id, said] : words) all.push_back(message_of(id, id));
  for (int i = 0; i < 20; ++i) all.push_back(message_of(std::to_string(i)));
  add(std::move(all));
  start_relay();
  until_count("weft_outbox WHERE state = 0", 0);
  EXPECT_EQ(bus->taken().size(), 20u);  // none was published twice
  const auto parked = run(out->parked(context{})).value();
  ASSERT_EQ(parked.size(), words.size());
  for (const auto& p : parked) EXPECT_LE(p.reason.size(), 2048u);
}

// F9: a message that is larger than the server takes is parked, whoever finds out; its key goes on.
TEST_P(Outbox, ParksWhatIsTooLargeForTheServer) {
  bus->verdict = [](const outgoing& o) -> result<> {
    if (o.what.id == "large")
      return fail(error{errc::resource_exhausted, "larger than the maximum"}.with_limit(limit_kind::size));
    return {};
  };
  add({message_of("1", "k"), message_of("large", "k"), message_of("3", "k")});
  start_relay();
  until_count("weft_outbox WHERE state = 0", 0);
  EXPECT_EQ(bus->first_by_key().at("k"), (std::vector<std::string>{"1", "3"}));
  EXPECT_EQ(count("weft_outbox WHERE state = 2"), 1);
}

// F9: what the broker lacks for a while (an exchange, room, a permission) is waited for, and parks nothing.
TEST_P(Outbox, WaitsForWhatTheBrokerLacks) {
  error lacks{errc::not_found, "no exchange 'events'"};
  int failures = 5;
  bus->verdict = [&](const outgoing&) -> result<> {
    if (--failures >= 0) return fail(lacks);
    return {};
  };
  start_relay();
  for (const auto& each :
       {lacks, error{errc::permission_denied, "not yet"}, error{errc::failed_precondition, "declare the exchange"},
        error{errc::resource_exhausted, "full"},
        error{errc::resource_exhausted, "no disk"}.with_limit(limit_kind::space)}) {
    lacks = each;
    failures = 5;
    add({message_of("1", "k"), message_of("2", "k"), message_of("3")});
    until_empty();
  }
  EXPECT_EQ(run(out->depth(context{})).value().parked, 0u);
  // One that nobody takes was asked not to be lost so.
  lacks = error{errc::not_found, "no group takes the topic"};
  failures = 1;
  auto asked = message_of("asked");
  asked.if_unroutable = unroutable::refuse;
  add({asked});
  until_count("weft_outbox WHERE state = 2", 1);
}

TEST_P(Outbox, TakesOverRowsThatWaitWithoutAnybodyTellingIt) {
  bus->hold_answers();
  start_relay({.lease = 1h, .poll = 1h});
  for (int i = 0; i < 30; ++i) add(std::to_string(i), "key-" + std::to_string(i % 3));
  until([&] { return bus->taken().size() == 3; }, "the first of each key are with the broker");
  relays.clear();  // dies
  auto& second = start_relay({.lease = 60ms, .poll = 1h, .first_pause = 10ms, .longest_pause = 50ms});
  EXPECT_EQ(second.statistics().leases, 0u);
  bus->release_answers();
  expire_leases();
  until_empty();
  EXPECT_EQ(second.statistics().published, 30u);
}

}  // namespace weft::messaging
