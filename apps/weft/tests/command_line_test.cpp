// Command lines: what is understood, and what is said about what is not.
#include "command_line.hpp"

#include <algorithm>
#include <cstdlib>
#include <ostream>
#include <streambuf>

#include "bench.hpp"

namespace weft::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

answer say(std::vector<std::string> arguments) {
  answer said;
  scenario([&](loop& l) -> task<void> {  // weft-style: closure outlives the coroutine
    bench b{l};
    said = co_await b.run_as_it_is(arguments);
  });
  return said;
}

TEST(CommandLine, HelpsEverywhere) {
  const std::vector<std::vector<std::string>> commands{{},
                                                       {"dlq"},
                                                       {"dlq", "list"},
                                                       {"dlq", "show"},
                                                       {"dlq", "replay"},
                                                       {"dlq", "purge"},
                                                       {"groups"},
                                                       {"groups", "clear"},
                                                       {"groups", "remove"},
                                                       {"tail"},
                                                       {"publish"},
                                                       {"schema"},
                                                       {"schema", "check"},
                                                       {"schema", "add"},
                                                       {"schema", "show"},
                                                       {"schema", "diff"}};
  for (auto command : commands) {
    const bool leaf = command.size() == 2 || (command.size() == 1 && command[0] != "dlq" && command[0] != "schema");
    command.emplace_back("--help");
    const auto said = say(command);
    EXPECT_EQ(said.status, exit_status::ok) << command.front();
    EXPECT_EQ(said.notes, "");
    EXPECT_THAT(said.out, HasSubstr("--help"));
    if (leaf) EXPECT_THAT(said.out, HasSubstr("Examples:\n  weft ")) << command.front();
  }
}

TEST(CommandLine, TellsItsVersion) {
  const auto said = say({"--version"});
  EXPECT_EQ(said.status, exit_status::ok);
  EXPECT_THAT(said.out, testing::MatchesRegex("weft [0-9.]+\n"));
}

TEST(CommandLine, SaysWhatIsWrong) {
  struct attempt {
    std::vector<std::string> arguments;
    std::string_view why;
  };
  for (const auto& each : std::vector<attempt>{
           {{}, "weft --help says how to use it"},
           {{"dlq"}, "weft dlq --help says how to use it"},
           {{"mend"}, "mend"},
           {{"dlq", "list", "--limit", "0"}, "--limit"},
           {{"dlq", "show", "billing"}, "number is required"},
           {{"dlq", "show", "billing", "seven"}, "seven"},
           {{"dlq", "replay", "billing", "1", "--all"}, "--all"},
           {{"dlq", "purge", "billing"}, "name the dead letters by their numbers, or say --all"},
           {{"tail", "#", "--count", "-1"}, "--count"},
           {{"groups", "--timeout", "0s"}, "--timeout"},
           {{"groups"}, "--broker URL or the environment variable WEFT_BROKER names it"},
           {{"groups", "--broker", "kafka://localhost"}, "no broker for 'kafka:'"},
           {{"groups", "--broker", "localhost"}, "no broker for 'localhost:'"},
           {{"schema", "add", "a", "1", "-", "--compatibility", "some"}, "some"},
       }) {
    const auto said = say(each.arguments);
    EXPECT_EQ(said.status, exit_status::wrong_usage) << each.why;
    EXPECT_EQ(said.out, "");
    EXPECT_THAT(said.notes, HasSubstr(std::string{each.why}));
  }
}

// Friction 16: a command that is nearly one.
TEST(CommandLine, SuggestsCommands) {
  EXPECT_THAT(say({"gruops"}).notes, HasSubstr("there is no command 'gruops'; did you mean 'groups'?"));
  EXPECT_THAT(say({"dlq", "lst"}).notes, HasSubstr("there is no command 'lst'; did you mean 'list'?"));
  EXPECT_THAT(say({"schema", "chekc"}).notes, HasSubstr("did you mean 'check'?"));
  EXPECT_THAT(say({"mend"}).notes, Not(HasSubstr("did you mean")));
}

// Friction 16: whoever asks for JSON gets it for mistakes as well.
TEST(CommandLine, SaysMistakesAsJson) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"gruops", "--json"},
                                             {"groups", "--json", "--timeout", "0s"},
                                             {"dlq", "show", "--json"},
                                             {"groups", "--json"},
                                             {"schema", "check", "--json", "--registry", "none"}}) {
    const auto said = say(arguments);
    EXPECT_NE(said.status, exit_status::ok);
    EXPECT_EQ(said.out, "");
    const auto problem = json::parse(said.notes);
    ASSERT_TRUE(problem) << said.notes;
    EXPECT_FALSE(problem->at("error").at("message").as_string().empty());
  }
}

// A stream whose device is full.
class full_device : public std::streambuf {
  int_type overflow(int_type) override { return traits_type::eof(); }
  int sync() override { return -1; }
};

// G9: what was asked for did not arrive, so that it is no success, whatever the command.
TEST(CommandLine, FailsWhenItsOutputIsLost) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"groups", "--broker", "memory:"},
                                                                     {"groups", "--broker", "memory:", "--json"},
                                                                     {"dlq", "list", "--json", "--broker", "memory:"},
                                                                     {"publish", "a.b", "1", "--broker", "memory:"},
                                                                     {"--version"},
                                                                     {"schema", "check", "--help"}}) {
    scenario([&](loop& l) -> task<void> {  // weft-style: closure outlives the coroutine
      bench b{l};
      full_device device;
      std::ostream out{&device};
      std::ostringstream notes;
      text_source from{"", 16};
      EXPECT_EQ(co_await cli::run(l, {}, arguments, {out, notes, from, b.brokers}), exit_status::failed)
          << arguments[0];
      EXPECT_THAT(notes.str(), HasSubstr("standard output cannot be written")) << arguments[0];
    });
  }
}

TEST(CommandLine, TakesTheBrokerOfTheEnvironmentUnlessItIsToldAnother) {
  ::setenv("WEFT_BROKER", "elsewhere:", 1);
  EXPECT_THAT(say({"groups"}).notes, HasSubstr("no broker for 'elsewhere:'"));
  EXPECT_EQ(say({"groups", "--broker", "memory:"}).status, exit_status::ok);
  ::unsetenv("WEFT_BROKER");
}

TEST(CommandLine, ShowsNoPassword) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"groups", "--broker", "nothing://weft:secret@host/vhost"},
                                             {"groups", "--broker", "nothing://weft:secret@host", "--json"},
                                             {"groups", "amqp://weft:secret@host"},
                                             {"groups", "--broker", "nothing://weft:sec@ret/@host"},
                                             {"tail", "amqp://weft:secret@host", "--broker", "memory:"}}) {
    const auto said = say(arguments);
    EXPECT_THAT(said.notes, Not(HasSubstr("ret@"))) << said.notes;
    EXPECT_THAT(said.notes, Not(HasSubstr("ret/"))) << said.notes;
    EXPECT_NE(said.status, exit_status::ok);
  }
}

// G9: following a file of sqlite: would keep its service out, and show nothing for ever.
TEST(CommandLine, DoesNotFollowAFileOfSqlite) {
  const auto said = say({"tail", "#", "--broker", "sqlite:orders.db"});
  EXPECT_EQ(said.status, exit_status::failed);
  EXPECT_THAT(said.notes, HasSubstr("a file of sqlite: belongs to one process"));
}

TEST(KnownBrokers, SayWhyMemoryIsNoUse) {
  scenario([](loop& l) -> task<void> {
    const auto known = known_brokers();
    const auto opened = co_await known.open(l, {}, "memory:");
    EXPECT_EQ(opened.error().code(), errc::invalid_argument);
    EXPECT_EQ(opened.error().message(), "memory: is a broker inside one process, and this is another one");
  });
}

TEST(Text, LosesPasswordsOnly) {
  EXPECT_EQ(without_passwords("amqp://weft:secret@host:5672/v and amqp://host:5672/ x"),
            "amqp://weft:***@host:5672/v and amqp://host:5672/ x");
  EXPECT_EQ(without_passwords("sqlite:file.db 'amqps://u:p@q@h'"), "sqlite:file.db 'amqps://u:***@h'");
  EXPECT_EQ(without_passwords("://"), "://");
}

// A11: a time beyond what a clock can count is as long as there is, not one in the past.
TEST(Text, HasTimesThatDoNotWrapRound) {
  const auto longest = parse_time("99999999999h", "--timeout").value();
  EXPECT_GT(std::chrono::nanoseconds{longest}, std::chrono::years{290});
  EXPECT_EQ(parse_time("5s", "--timeout").value(), std::chrono::seconds{5});
  EXPECT_FALSE(parse_time("-5s", "--timeout"));
}

TEST(Text, IsSafeToShow) {
  EXPECT_EQ(one_line("a\tb\r\nc\x1b[0m\x7f\xc2\x9bü\xff", 100), "a\\tb\\r\\nc\\x1b[0m\\x7f\\xc2\\x9bü\\xff");
  EXPECT_EQ(several_lines("a\tb\n\r", 100), "a\tb\n\\r");
  EXPECT_EQ(one_line("äöü", 4), "äö…");
}

TEST(Lines, ComeOutOfAnyPieces) {
  const std::string_view text = "one\n\ntwo\r\nthree";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    line_splitter lines;
    std::vector<std::string> all;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      EXPECT_TRUE(lines.feed(text.substr(at, piece)));
      while (auto line = lines.next()) all.push_back(*line);
    }
    EXPECT_EQ(all.size(), 3u);
    lines.end();
    while (auto line = lines.next()) all.push_back(*line);
    EXPECT_THAT(all, testing::ElementsAre("one", "", "two", "three")) << piece;
    EXPECT_EQ(lines.number(), 4u);
  }
  line_splitter small{4};
  EXPECT_TRUE(small.feed("123\n1234"));
  EXPECT_EQ(small.next(), "123");
  const auto refused = small.feed("5");
  EXPECT_EQ(refused.error().message(), "line 2 is longer than 4 bytes");
}

}  // namespace
}  // namespace weft::cli
