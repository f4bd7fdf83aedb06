#include <weft/amqp/options.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::amqp {
namespace {
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

TEST(Url, SeveralHostsCredentialsVirtualHostAndParameters) {
  const auto o = connection_options::parse(
                     "amqp://anna:p%40ss@h1:5673,h2,[::1]:7/a%2fb?heartbeat=7&frame_max=8192&channel_max=9"
                     "&connection_timeout=1500")
                     .value();
  ASSERT_EQ(o.hosts.size(), 3u);
  EXPECT_EQ(o.hosts[0].authority(), "h1:5673");
  EXPECT_EQ(o.hosts[1].authority(), "h2:5672");
  EXPECT_EQ(o.hosts[2].authority(), "[::1]:7");
  EXPECT_EQ(o.user, "anna");
  EXPECT_EQ(o.password, "p@ss");
  EXPECT_EQ(o.virtual_host, "a/b");
  EXPECT_EQ(o.heartbeat, 7s);
  EXPECT_EQ(o.frame_max, 8192u);
  EXPECT_EQ(o.channel_max, 9);
  EXPECT_EQ(o.connect_timeout, 1500ms);
  EXPECT_EQ(o.to_string(), "amqp://anna@h1:5673,h2:5672,[::1]:7/a/b");
}

TEST(Url, Defaults) {
  for (const auto* each : {"amqp://localhost", "amqp://localhost/", "amqp://localhost/%2f", "amqp://localhost/%2F?"}) {
    const auto o = connection_options::parse(each).value();
    EXPECT_EQ(o.hosts[0].authority(), "localhost:5672");
    EXPECT_EQ(o.virtual_host, "/");
    EXPECT_EQ(o.user, "guest");
    EXPECT_EQ(o.password, "guest");
  }
  const auto secure = connection_options::parse("amqps://localhost?verify=verify_none").value();
  EXPECT_EQ(secure.hosts[0].authority(), "localhost:5671");
  EXPECT_TRUE(secure.tls);
}

TEST(Url, WrongOnesNameThePartAndNeverThePassword) {
  const auto problem = [](std::string_view url) {
    const auto o = connection_options::parse(url);
    return o ? std::string{"none"} : o.error().describe();
  };
  EXPECT_THAT(problem("http://localhost"), HasSubstr("amqp://"));
  EXPECT_THAT(problem("amqp://a:hush%zz@localhost"), HasSubstr("the password"));
  EXPECT_THAT(problem("amqp://a:hush@"), HasSubstr("a host is empty"));
  EXPECT_THAT(problem("amqp://a:hush@h1,,h2"), HasSubstr("a host is empty"));
  EXPECT_THAT(problem("amqp://a:hush@h:99999"), HasSubstr("a host is not"));
  EXPECT_THAT(problem("amqp://a:hush@h/a/b"), HasSubstr("%2f"));
  EXPECT_THAT(problem("amqp://a:hush@h?heartbeat=never"), HasSubstr("heartbeat"));
  EXPECT_THAT(problem("amqp://a:hush@h?heartbeat"), HasSubstr("without ="));
  EXPECT_THAT(problem("amqp://a:hush@h?colour=red"), HasSubstr("colour"));
  EXPECT_THAT(problem("amqp://a:hush@h?frame_max=100"), HasSubstr("frame_max"));
  EXPECT_THAT(problem("amqp://a:hush@h?auth_mechanism=magic"), HasSubstr("auth_mechanism"));
  for (const auto* each : {"amqp://a:1/hush@h", "amqp://a:1?hush=1@h", "amqp://a:hu@sh/x@h"})
    EXPECT_THAT(problem(each), HasSubstr("%40"));
  EXPECT_THAT(problem("amqps://a:hush@h?certfile=x"), HasSubstr("belong together"));
  EXPECT_THAT(problem("amqps://a:hush@h?cacertfile=/no/such/file"), HasSubstr("/no/such/file"));
  for (const auto* each : {"amqp://a:hush%zz@h", "amqp://a:hush@", "amqp://a:hush@h?x=1", "amqp://a:hush@h:0:0",
                           "amqp://a:1/hush@h", "amqp://a:1?hush=1@h", "amqp://a:1?heartbeat=hush@h"})
    EXPECT_THAT(problem(each), Not(HasSubstr("hush")));
}

TEST(Url, OptionsAreValidated) {
  connection_options o;
  EXPECT_THAT(o.validate().error().describe(), HasSubstr("hosts"));
  o.hosts.push_back(net::endpoint::parse("tls://h:1").value());
  EXPECT_THAT(o.validate().error().describe(), HasSubstr("tls"));
}

}  // namespace
}  // namespace weft::amqp
