#include <weft/net/endpoint.hpp>

#include <gtest/gtest.h>

namespace weft::net {
namespace {

TEST(Endpoint, ReadsWhatUsersWrite) {
  const auto same = [](std::string_view text, const endpoint& expected) {
    const auto got = endpoint::parse(text);
    ASSERT_TRUE(got) << got.error().describe();
    EXPECT_EQ(*got, expected) << text << " became " << got->to_string();
    EXPECT_EQ(endpoint::parse(got->to_string()).value(), *got);
  };
  same("http://Users.Internal:8080", {"http", "users.internal", 8080, {}});
  same("HTTPS://users/", {"https", "users", 443, {}});
  same("http://[::1]", {"http", "::1", 80, {}});
  same("tls://[2001:DB8::0:1]:5671", {"tls", "2001:db8::1", 5671, {}});
  same("127.0.0.1:6379", {"tcp", "127.0.0.1", 6379, {}});
  same("order_service:1", {"tcp", "order_service", 1, {}});
  same("unix:/run/weft.sock", {"unix", {}, 0, "/run/weft.sock"});
  same("unix:///run/weft.sock", {"unix", {}, 0, "/run/weft.sock"});
  EXPECT_TRUE(endpoint::parse("https://a")->encrypted());
  EXPECT_FALSE(endpoint::parse("http://a")->encrypted());
}

TEST(Endpoint, SaysWhatIsWrong) {
  for (const auto* text : {"",
                           "host",
                           "tcp://host",
                           "http://",
                           "http://:80",
                           "http://host:",
                           "http://host:0",
                           "http://host:65536",
                           "http://host:8o",
                           "http://host:80:80",
                           "http://ho st",
                           "http://[::1",
                           "http://[::1]80",
                           "http://[1.2.3.4]:80",
                           "http://a..b",
                           "1http://host",
                           "http://user:secret@host",
                           "http://host/path",
                           "unix:",
                           "http://h\nost:1"}) {
    const auto got = endpoint::parse(text);
    ASSERT_FALSE(got) << text;
    EXPECT_EQ(got.error().code(), errc::invalid_argument);
    EXPECT_FALSE(got.error().message().empty());
    EXPECT_FALSE(got.error().remedy().empty());
  }
  EXPECT_FALSE(endpoint::parse("unix:/" + std::string(200, 'x')));
}

}  // namespace
}  // namespace weft::net
