// Where settings come from, and what is said when they are wrong.
#include <weft/service/config.hpp>
#include <weft/service/secret.hpp>
#include <weft/service/secret_url.hpp>

#include <gtest/gtest.h>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>

namespace {

using namespace weft;
using namespace std::chrono_literals;
using service::config_sources;

enum class level { debug, info, warning };
BOOST_DESCRIBE_ENUM(level, debug, info, warning)

struct web {
  std::string address = "0.0.0.0";
  std::uint16_t port = 8080;
  bool compress = true;
  std::chrono::milliseconds patience = 5s;
  void check(service::config_check& c) const { c.require(patience > 0s, "patience", "must be longer than 0s"); }
};
BOOST_DESCRIBE_STRUCT(web, (), (address, port, compress, patience))

struct peer {
  std::string url;
  double weight = 1;
};
BOOST_DESCRIBE_STRUCT(peer, (), (url, weight))

struct base_settings {
  web http;
};
BOOST_DESCRIBE_STRUCT(base_settings, (), (http))

struct settings : base_settings {
  level log = level::info;
  std::vector<peer> peers;
  std::map<std::string, int> quotas;
  std::optional<std::string> region;
  service::secret password;
  struct inner {
    int b = 0;
    int b_c = 0;
  } a;
  struct other {
    int c = 0;
  } a_b;
  void check(service::config_check& c) const {
    c.require(region != "moon", "region", "there is no data centre on the moon");
  }
};
BOOST_DESCRIBE_STRUCT(settings::inner, (), (b, b_c))
BOOST_DESCRIBE_STRUCT(settings::other, (), (c))
BOOST_DESCRIBE_STRUCT(settings, (base_settings), (log, peers, quotas, region, password, a, a_b))

struct linked {
  service::secret_url broker;
};
BOOST_DESCRIBE_STRUCT(linked, (), (broker))

class config : public testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) {
    const auto path = testing::TempDir() + name;
    std::ofstream{path} << text;
    return path;
  }
  // What is said of a file's text, with the file's folder left out.
  std::string problems(const std::string& yaml, std::vector<std::string> arguments = {}) {
    auto loaded = service::load<settings>({.files = {file("market.yaml", yaml)}, .arguments = std::move(arguments)});
    if (loaded) return "none";
    std::string text{loaded.error().message()};
    for (auto at = text.find(testing::TempDir()); at != text.npos; at = text.find(testing::TempDir()))
      text.erase(at, testing::TempDir().size());
    return text;
  }
};

TEST_F(config, defaults_are_weaker_than_files_environment_and_flags) {
  config_sources sources;
  ASSERT_TRUE(service::load<settings>(sources));
  EXPECT_EQ((*service::load<settings>(sources))->http.port, 8080);
  sources.files = {file("first.yaml", "http:\n  port: 1\n  address: 127.0.0.1\nlog: debug\n")};
  EXPECT_EQ((*service::load<settings>(sources))->http.port, 1);
  sources.files.push_back(file("second.yaml", "http: {port: 2}\n"));
  EXPECT_EQ((*service::load<settings>(sources))->http.port, 2);
  sources.environment = {{"WEFT_HTTP_PORT", "3"}, {"PATH", "/bin"}};
  EXPECT_EQ((*service::load<settings>(sources))->http.port, 3);
  sources.arguments = {"--http.port=4"};
  auto all = service::load<settings>(sources);
  EXPECT_EQ((*all)->http.port, 4);
  EXPECT_EQ((*all)->http.address, "127.0.0.1");
  EXPECT_EQ((*all)->log, level::debug);
}

TEST_F(config, values_take_the_type_of_their_setting) {
  auto loaded = service::load<settings>({.files = {file("types.yaml", R"(
http: {address: 10, port: 443, compress: false, patience: 250ms}
log: warning
peers:
  - &first {url: http://a, weight: 2}
  - *first
  - url: "true"
quotas: {eu: 1, "us": 2}
region: no
password: 1234
)")}});
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ((*loaded)->http.address, "10");
  EXPECT_EQ((*loaded)->http.patience, 250ms);
  EXPECT_FALSE((*loaded)->http.compress);
  ASSERT_EQ((*loaded)->peers.size(), 3u);
  EXPECT_EQ((*loaded)->peers[1].weight, 2);
  EXPECT_EQ((*loaded)->peers[2].url, "true");
  EXPECT_EQ((*loaded)->quotas.at("us"), 2);
  EXPECT_EQ((*loaded)->region, "no");
  EXPECT_EQ((*loaded)->password.reveal(), "1234");
}

TEST_F(config, a_wrong_value_names_file_line_and_field) {
  EXPECT_EQ(problems("log: info\nhttp:\n  port: eighty\n"),
            "market.yaml:3:9: http.port: expected a whole number from 0 to 65535, got \"eighty\"");
  EXPECT_EQ(problems("http: {port: 70000}"),
            "market.yaml:1:14: http.port: expected a whole number from 0 to 65535, got \"70000\"");
  EXPECT_EQ(problems("http: {port: \"80\"}"),
            "market.yaml:1:14: http.port: expected a whole number from 0 to 65535, got the text \"80\"; leave the "
            "quotes out");
  EXPECT_EQ(problems("http: {compress: yes}"), "market.yaml:1:18: http.compress: expected true or false, got \"yes\"");
  EXPECT_EQ(problems("peers:\n- url: a\n- url: b\n  weight: heavy\n"),
            "market.yaml:4:11: peers[1].weight: expected a number, got \"heavy\"");
  EXPECT_EQ(problems("http: 8080"), "market.yaml:1:7: http: expected a section of settings, got \"8080\"");
  EXPECT_EQ(problems("peers: {a: 1}"), "market.yaml:1:8: peers: expected a list, got a section");
  EXPECT_EQ(problems("http: {port: }"),
            "market.yaml:1:14: http.port: expected a whole number from 0 to 65535, got nothing");
  EXPECT_EQ(problems("http: {patience: 0s}\nregion: moon"),
            "market.yaml:1:18: http.patience: must be longer than 0s\n"
            "market.yaml:2:9: region: there is no data centre on the moon");
  EXPECT_EQ(problems("region: moon"), "market.yaml:1:9: region: there is no data centre on the moon");
}

TEST_F(config, an_unknown_key_names_the_closest_one) {
  EXPECT_EQ(problems("http:\n  prot: 80\n"), "market.yaml:2:9: http.prot: unknown field; did you mean \"port\"?");
  EXPECT_EQ(problems("log: verbose"),
            "market.yaml:1:6: log: \"verbose\" is not one of its values; known are debug, info, warning");
  EXPECT_EQ(problems("peers: [{url: a}, {uri: b}]"),
            "market.yaml:1:25: peers[1].uri: unknown field; did you mean \"url\"?");
}

TEST_F(config, all_problems_are_told_at_once) {
  EXPECT_EQ(problems("http: {port: x, prot: 1}\nlog: loud\npeers: [{wait: 1}]\nregion: eu\n",
                     {"--http.patience=5", "--cores=2"}),
            "--cores: no such setting; --help lists them\n"
            "market.yaml:1:14: http.port: expected a whole number from 0 to 65535, got \"x\"\n"
            "market.yaml:1:23: http.prot: unknown field; did you mean \"port\"?\n"
            "--http.patience: http.patience: expected a duration such as \"250ms\", \"5s\" or \"1m\" (units ns us ms s "
            "m h d)\n"
            "market.yaml:2:6: log: \"loud\" is not one of its values; known are debug, info, warning\n"
            "market.yaml:3:16: peers[0].wait: unknown field; known are url, weight");
}

TEST_F(config, variables_and_flags_are_named_in_problems) {
  auto loaded =
      service::load<settings>({.environment = {{"WEFT_HTTP_PORT", "eighty"}}, .arguments = {"--http.compress=maybe"}});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().message(),
            "WEFT_HTTP_PORT: http.port: expected a whole number from 0 to 65535, got \"eighty\"\n"
            "--http.compress: http.compress: expected true or false, got \"maybe\"");
  EXPECT_EQ(problems("", {"--http.prot=1"}), "--http.prot: no such setting; did you mean --http.port?");
  EXPECT_EQ(problems("", {"--set", "http.port"}), "--set http.port: expected name=value");
  EXPECT_EQ(problems("", {"--http.port"}), "--http.port: expected a value after it");
  EXPECT_EQ(problems("", {"start"}), "start: not a flag; settings are given as --name=value, and --help lists them");
}

TEST_F(config, a_variable_that_may_be_two_settings_asks_for_two_underscores) {
  auto loaded = service::load<settings>({.environment = {{"WEFT_A_B_C", "1"}}});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().message(), "WEFT_A_B_C: may be a.b_c or a_b.c; write WEFT_A__B_C or WEFT_A_B__C");
}

TEST_F(config, an_unknown_variable_is_a_warning) {
  auto loaded = service::load<settings>({.environment = {{"WEFT_HTTP_PROT", "1"}, {"WEFT_A__B", "2"}}});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->warnings(),
            std::vector<std::string>{"WEFT_HTTP_PROT names no setting; did you mean WEFT_HTTP_PORT?"});
  EXPECT_EQ((*loaded)->a.b, 2);
}

TEST_F(config, lists_and_maps_are_yaml_in_flags_and_variables) {
  auto loaded = service::load<settings>({.environment = {{"WEFT_QUOTAS", "{eu: 3}"}},
                                         .arguments = {"--peers", "[{url: a}, {url: b}]", "--set", "quotas.us=4"}});
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ((*loaded)->peers.size(), 2u);
  EXPECT_EQ((*loaded)->quotas, (std::map<std::string, int>{{"eu", 3}, {"us", 4}}));
}

TEST_F(config, a_value_may_stand_in_the_environment_or_a_file) {
  const auto key = file("key", "s3cret\n");
  auto loaded = service::load<settings>(
      {.files = {file("references.yaml",
                      "password: ${file:" + key + "}\nhttp: {port: \"${env:MY_PORT}\"}\nregion: $${x}")},
       .environment = {{"MY_PORT", "99"}}});
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ((*loaded)->password.reveal(), "s3cret");
  EXPECT_EQ((*loaded)->http.port, 99);
  EXPECT_EQ((*loaded)->region, "${x}");
  EXPECT_EQ(problems("password: ${env:NOT_THERE}"),
            "market.yaml:1:11: password: refers to the environment variable NOT_THERE, which is not set; "
            "set it, or write $${ for a plain ${");
  auto wrong = service::load<settings>(
      {.files = {file("wrong.yaml", "http: {port: '${env:TOKEN}'}")}, .environment = {{"TOKEN", "hunter2"}}});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message().find("hunter2"), std::string_view::npos) << wrong.error().message();
}

TEST_F(config, what_is_not_wanted_of_yaml_is_refused_with_its_place) {
  EXPECT_EQ(problems("log: info\nlog: debug\n"), "market.yaml:2:1: the key \"log\" appears twice");
  EXPECT_EQ(problems("log: !!str info"), "market.yaml:1:6: tags are not read; the setting's own type decides");
  EXPECT_EQ(problems("---\nlog: info\n---\nlog: debug\n"),
            "market.yaml:3:1: a second document begins here; put each into a file of its own");
  EXPECT_EQ(
      problems("a: &x {b: 1}\nhttp: {<<: *x}\n"),
      "market.yaml:2:8: merge keys are not read; repeat the fields, or lay a second file over this one with --config");
  EXPECT_EQ(problems("log: info\n\xC3\xA4\xFF: 1"), "market.yaml:2:2: not UTF-8");
  EXPECT_EQ(problems("[a]: 1"), "market.yaml:1:1: a key must be text");
  EXPECT_EQ(problems("- a"), "market.yaml:1:1: expected settings, as in \"http:\", at the top");
  EXPECT_TRUE(problems("http: {port: 1").starts_with("market.yaml:1:")) << problems("http: {port: 1");
  EXPECT_EQ(problems("x: &a [*a]"), "market.yaml:1:8: the alias stands within what it refers to");
}

TEST_F(config, hostile_yaml_is_bounded) {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char name = 'b'; name < 'k'; ++name) {
    const std::string before(1, static_cast<char>(name - 1));
    bomb += std::string{name} + ": &" + name + " [";
    for (int i = 0; i < 10; ++i) bomb += (i == 0 ? "*" : ", *") + before;
    bomb += "]\n";
  }
  EXPECT_NE(problems(bomb).find("counting what aliases stand for"), std::string::npos) << problems(bomb);
  EXPECT_NE(problems("a: " + std::string(1000, '[') + std::string(1000, ']')).find("nested deeper than 32 levels"),
            std::string::npos)
      << problems("a: " + std::string(1000, '[') + std::string(1000, ']'));
  EXPECT_EQ(problems(std::string(2 << 20, '#')), "market.yaml: larger than 1048576 bytes");
  EXPECT_TRUE(problems(std::string("a: \0b", 5)) != "");
  auto missing = service::load<settings>({.files = {testing::TempDir() + "not_there.yaml"}});
  ASSERT_FALSE(missing);
  EXPECT_TRUE(missing.error().message().ends_with("not_there.yaml: No such file or directory"));
}

TEST_F(config, prints_every_setting_with_its_place_and_without_secrets) {
  auto loaded = service::load<settings>({.files = {file("print.yaml", "password: hunter2\nhttp:\n  port: 1\n")},
                                         .environment = {{"WEFT_REGION", "eu west"}},
                                         .arguments = {"--log=debug"}});
  ASSERT_TRUE(loaded);
  auto text = loaded->print();
  text.replace(text.find(testing::TempDir()), testing::TempDir().size(), "");
  text.replace(text.find(testing::TempDir()), testing::TempDir().size(), "");
  EXPECT_EQ(text,
            "http:\n"
            "  address: \"0.0.0.0\"\n"
            "  port: 1  # print.yaml:3:9\n"
            "  compress: true\n"
            "  patience: \"5s\"\n"
            "log: debug  # --log\n"
            "peers: []\n"
            "quotas: {}\n"
            "region: \"eu west\"  # WEFT_REGION\n"
            "password: \"[redacted]\"  # print.yaml:1:11\n"
            "a:\n"
            "  b: 0\n"
            "  b_c: 0\n"
            "a_b:\n"
            "  c: 0\n");
}

TEST_F(config, reading_again_tells_what_changed) {
  const auto path = file("live.yaml", "http: {port: 1}\npassword: old\nregion: eu\n");
  auto before = service::load<settings>({.files = {path}});
  ASSERT_TRUE(before);
  file("live.yaml", "http: {port: 1, compress: false}\npassword: new\nlog: info\n");
  auto after = before->reread();
  ASSERT_TRUE(after);
  EXPECT_EQ(after->changes_since(*before), (std::vector<std::string>{"http.compress", "password", "region"}));
  file("live.yaml", "http: {port: x}\n");
  EXPECT_FALSE(before->reread());
  EXPECT_EQ((*before)->http.port, 1);
}

TEST_F(config, a_new_password_in_a_url_is_a_change_that_is_told_without_it) {
  const auto path = file("linked.yaml", "broker: amqp://weft:old@rabbit/\n");
  auto before = service::load<linked>({.files = {path}});
  ASSERT_TRUE(before);
  EXPECT_TRUE(before->print().starts_with("broker: \"amqp://weft:[redacted]@rabbit/\"")) << before->print();
  file("linked.yaml", "broker: amqp://weft:new@rabbit/\n");
  auto after = before->reread();
  ASSERT_TRUE(after);
  EXPECT_EQ(after->changes_since(*before), (std::vector<std::string>{"broker"}));
}

TEST_F(config, the_command_line_may_ask_for_something_else) {
  const auto asked = [](std::vector<std::string> arguments) {
    auto loaded = service::load<settings>({.arguments = std::move(arguments)});
    return loaded ? loaded->request() : service::config_request::run;
  };
  EXPECT_EQ(asked({}), service::config_request::run);
  EXPECT_EQ(asked({"--print-config"}), service::config_request::print_config);
  EXPECT_EQ(asked({"--print-config-schema", "--nonsense"}), service::config_request::print_schema);
  EXPECT_EQ(asked({"--check-config", "--help"}), service::config_request::help);
}

TEST(secret, is_never_written) {
  const service::secret key{"hunter2"};
  EXPECT_EQ(json::encode(key), "\"[redacted]\"");
  EXPECT_EQ(testing::PrintToString(key), "[redacted]");
  EXPECT_EQ(key.reveal(), "hunter2");
}

}  // namespace
