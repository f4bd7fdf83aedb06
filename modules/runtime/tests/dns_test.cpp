// Names: literals, the hosts file, and DNS against a server of our own on loopback.
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/name_servers.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace weft {
namespace {
using namespace std::chrono_literals;

using bytes = std::string;
bytes u16(unsigned v) { return {static_cast<char>(v >> 8), static_cast<char>(v)}; }
bytes u32(unsigned v) { return u16(v >> 16) + u16(v & 0xffff); }
bytes labels(std::string_view name) {
  bytes out;
  while (!name.empty()) {
    const auto label = name.substr(0, name.find('.'));
    out += static_cast<char>(label.size());
    out += label;
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  return out + '\0';
}

struct dns_question {
  bytes id, section;  // as they came, to be repeated
  std::string name;
  unsigned type = 0;
};
dns_question parse_question(const bytes& message) {
  dns_question q{message.substr(0, 2), {}, {}, 0};
  std::size_t at = 12;
  while (message.at(at) != 0) {
    if (!q.name.empty()) q.name += '.';
    const auto length = static_cast<unsigned char>(message[at]);
    q.name += message.substr(at + 1, length);
    at += 1 + length;
  }
  q.section = message.substr(12, at + 5 - 12);
  q.type = static_cast<unsigned char>(message.at(at + 2));
  return q;
}
constexpr unsigned answered = 0x8180, truncated = 0x0200, no_such_name = 3, server_failed = 2;
bytes reply(const dns_question& q, unsigned flags, unsigned count = 0, const bytes& records = {}) {
  return q.id + u16(flags) + u16(1) + u16(count) + u16(0) + u16(0) + q.section + records;
}
// Of the name that was asked for.
bytes record(unsigned type, unsigned ttl, const bytes& data) {
  return u16(0xc00c) + u16(type) + u16(1) + u32(ttl) + u16(static_cast<unsigned>(data.size())) + data;
}

// Answers over UDP and TCP on one port of loopback; an empty answer is silence.
class fake_name_server {
 public:
  using handler = std::function<bytes(const dns_question&)>;
  handler over_udp, over_tcp;
  int asked = 0;

  // A port that is free for UDP may be taken for TCP, on a machine that does other things as well.
  fake_name_server() {
    for (int tries = 0; tries < 1000 && port_ == 0; ++tries) {
      if (socket_ >= 0) ::close(socket_);
      socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      const auto port = bound(socket_, 0);
      const int tcp = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (bound(tcp, port) == port) port_ = port;
      ::close(tcp);
    }
  }
  static std::uint16_t bound(int socket, std::uint16_t port) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in.sin_port = htons(port);
    socklen_t size = sizeof in;
    if (::bind(socket, reinterpret_cast<sockaddr*>(&in), size) != 0) return 0;
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&in), &size);
    return ntohs(in.sin_port);
  }
  fake_name_server(const fake_name_server&) = delete;
  fake_name_server& operator=(const fake_name_server&) = delete;
  ~fake_name_server() { ::close(socket_); }
  [[nodiscard]] std::string where() const { return "127.0.0.1:" + std::to_string(port_); }

  task<void> serve_udp(loop& l) {
    auto watched = l.watch(socket_).value();
    while (co_await watched->ready(io_direction::read)) {
      char room[1500];
      sockaddr_in from{};
      socklen_t size = sizeof from;
      const auto n = ::recvfrom(socket_, room, sizeof room, 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (n <= 0) continue;
      ++asked;
      const auto answer = over_udp(parse_question({room, static_cast<std::size_t>(n)}));
      if (!answer.empty()) ::sendto(socket_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }
  task<void> serve_tcp(loop& l) {
    auto taking = l.listen(address::loopback(port_)).value();
    std::vector<std::unique_ptr<stream>> open;
    while (auto accepted = co_await taking->accept()) {
      auto& s = *open.emplace_back(std::move(*accepted));
      bytes message;
      while (message.size() < 2 || message.size() < 2u + static_cast<unsigned char>(message[1])) {
        char room[512];
        const auto n = co_await s.read(room);
        if (!n || *n == 0) break;
        message.append(room, *n);
      }
      const auto answer = over_tcp(parse_question(message.substr(2)));
      for (const auto& part : {u16(static_cast<unsigned>(answer.size())), answer}) {  // in pieces, as TCP may
        const_buffer buffer{part};
        static_cast<void>(co_await s.write({&buffer, 1}));
        co_await yield(l);
      }
    }
  }

 private:
  int socket_ = -1;
  std::uint16_t port_ = 0;
};

class Dns : public testing::Test {
 protected:
  Dns() {
    server_.over_udp = [](const dns_question& q) { return reply(q, answered); };
    group_.spawn(server_.serve_udp(loop_));
    group_.spawn(server_.serve_tcp(loop_));
  }
  result<std::vector<address>> resolve(std::string host, context ctx = {}) {
    return loop_.run(loop_.resolve(std::move(ctx), std::move(host), 80));
  }
  result<std::vector<dns_record>> query(std::string name, dns_type type) {
    return loop_.run(loop_.query_dns({}, std::move(name), type));
  }
  fake_name_server server_;
  epoll_loop loop_{{.dns_servers = server_.where(), .dns_timeout = 250ms, .dns_tries = 1}};
  task_group group_{loop_};
};

TEST_F(Dns, LiteralsAndLocalhostNeedNoServer) {
  server_.over_udp = [](const dns_question&) { return bytes{}; };
  EXPECT_EQ(resolve("127.0.0.1").value(), std::vector{address::loopback(80)});
  EXPECT_EQ(resolve("::1").value(), std::vector{*address::parse("[::1]:80")});
  const auto local = resolve("localhost").value();
  EXPECT_NE(std::find(local.begin(), local.end(), address::loopback(80)), local.end());
  EXPECT_EQ(server_.asked, 0);
}

TEST_F(Dns, InterleavesBothFamilies) {
  server_.over_udp = [](const dns_question& q) {
    if (q.name != "svc.test") return reply(q, answered | no_such_name);
    if (q.type == 1)
      return reply(q, answered, 2, record(1, 60, {"\x0a\0\0\x01", 4}) + record(1, 60, {"\x0a\0\0\x02", 4}));
    return reply(q, answered, 1, record(28, 60, bytes(15, '\0') + '\x07'));
  };
  const auto found = resolve("svc.test").value();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_NE(found[0].type(), found[1].type());
  EXPECT_TRUE(std::ranges::all_of(found, [](const address& a) { return a.port() == 80; }));
  EXPECT_THAT(found, testing::Contains(*address::parse("10.0.0.2:80")));
  EXPECT_THAT(found, testing::Contains(*address::parse("[::7]:80")));
}

TEST_F(Dns, TellsAddressesWithTheirTimeToLive) {
  server_.over_udp = [](const dns_question& q) {
    const auto alias = record(5, 30, labels("other.test"));  // the chain that a server follows for us
    return reply(q, answered, 2, alias + record(1, 17, {"\x0a\0\0\x01", 4}));
  };
  const auto found = query("svc.test", dns_type::a).value();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].where, *address::parse("10.0.0.1:0"));
  EXPECT_EQ(found[0].ttl, 17s);
}

TEST_F(Dns, TellsServices) {
  server_.over_udp = [](const dns_question& q) {
    EXPECT_EQ(q.name, "_http._tcp.users.test");
    return reply(q, answered, 2,
                 record(33, 5, u16(10) + u16(60) + u16(8080) + labels("a.users.test")) +
                     record(33, 9, u16(20) + u16(0) + u16(8081) + labels("b.users.test")));
  };
  const auto found = query("_http._tcp.users.test", dns_type::srv).value();
  const std::vector<dns_record> expected{{.type = dns_type::srv,
                                          .ttl = 5s,
                                          .where = {},
                                          .target = "a.users.test",
                                          .port = 8080,
                                          .priority = 10,
                                          .weight = 60},
                                         {.type = dns_type::srv,
                                          .ttl = 9s,
                                          .where = {},
                                          .target = "b.users.test",
                                          .port = 8081,
                                          .priority = 20,
                                          .weight = 0}};
  EXPECT_EQ(found, expected);
}

TEST_F(Dns, ANameThatDoesNotExistIsNotFound) {
  server_.over_udp = [](const dns_question& q) { return reply(q, answered | no_such_name); };
  EXPECT_EQ(resolve("nobody.test").error().code(), errc::not_found);
  EXPECT_EQ(query("nobody.test", dns_type::srv).error().code(), errc::not_found);
  EXPECT_NE(resolve("nobody.test").error().describe().find("nobody.test"), std::string::npos);
}
TEST_F(Dns, ANameWithoutSuchRecordsIsNotFound) {
  EXPECT_EQ(resolve("empty.test").error().code(), errc::not_found);
  EXPECT_EQ(query("empty.test", dns_type::aaaa).error().code(), errc::not_found);
}

TEST_F(Dns, SilenceAndServerFailureAreUnavailable) {
  server_.over_udp = [](const dns_question&) { return bytes{}; };
  EXPECT_EQ(query("svc.test", dns_type::a).error().code(), errc::unavailable);
  EXPECT_EQ(resolve("svc.test").error().code(), errc::unavailable);
  server_.over_udp = [](const dns_question& q) { return reply(q, answered | server_failed); };
  EXPECT_EQ(query("svc.test", dns_type::a).error().code(), errc::unavailable);
}

TEST_F(Dns, AQuestionEndsWithItsContext) {
  server_.over_udp = [](const dns_question&) { return bytes{}; };
  EXPECT_EQ(resolve("svc.test", context{}.with_timeout(loop_, 5ms)).error().code(), errc::deadline_exceeded);
  cancel_source source;
  loop_.post([&] { source.cancel(); });
  EXPECT_EQ(resolve("svc.test", context{}.with_cancellation(source.token())).error().code(), errc::cancelled);
  EXPECT_EQ(resolve("svc.test", context{}.with_cancellation(source.token())).error().code(), errc::cancelled);
}

TEST_F(Dns, ALongAnswerIsFetchedOverTcp) {
  server_.over_udp = [](const dns_question& q) { return reply(q, answered | truncated); };
  server_.over_tcp = [](const dns_question& q) {
    bytes all;
    for (unsigned i = 0; i < 2000; ++i)
      all += record(1, 60,
                    "\x0a"
                    "\x01" +
                        u16(i));
    return reply(q, answered, 2000, all);
  };
  EXPECT_EQ(query("big.test", dns_type::a).value().size(), 2000u);
}

// Each is refused or ignored, and the question ends; none may hang, crash or read beyond the answer.
TEST_F(Dns, MalformedAnswersAreErrors) {
  const std::vector<std::function<bytes(const dns_question&)>> wrong{
      [](const dns_question& q) { return q.id; },
      [](const dns_question& q) { return reply(q, answered, 1).substr(0, 14); },
      [](const dns_question& q) { return reply(q, answered, 1); },
      [](const dns_question& q) { return reply(q, answered, 60000, record(1, 60, {"\x0a\0\0\x01", 4})); },
      [](const dns_question& q) { return reply(q, answered, 1, record(1, 60, "abc")); },
      [](const dns_question& q) {
        auto r = record(33, 60, u16(1) + u16(1) + u16(1) + labels("a.test"));
        return reply(q, answered, 1, r.substr(0, r.size() - 4));
      },
      [](const dns_question& q) {  // the target points at itself
        const auto at = 12 + q.section.size() + 12 + 6;
        return reply(q, answered, 1,
                     record(33, 60, u16(1) + u16(1) + u16(1) + u16(0xc000 | static_cast<unsigned>(at))));
      },
      [](const dns_question& q) {  // and beyond the end
        return reply(q, answered, 1, record(33, 60, u16(1) + u16(1) + u16(1) + u16(0xffff)));
      },
      [](const dns_question& q) { return reply(q, answered, 1, record(33, 60, {})); },
  };
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    SCOPED_TRACE(i);
    server_.over_udp = wrong[i];
    const auto type = i < 5 ? dns_type::a : dns_type::srv;
    const auto got = query("svc.test", type);
    ASSERT_FALSE(got) << i;
    EXPECT_TRUE(got.error().code() == errc::data_loss || got.error().code() == errc::unavailable)
        << got.error().describe();
    EXPECT_FALSE(resolve("svc.test"));
  }
}

TEST_F(Dns, ServersOfOnesOwnAreAskedBesideTheLoops) {
  fake_name_server other;
  other.over_udp = [](const dns_question& q) { return reply(q, answered, 1, record(1, 60, {"\x0a\0\0\x09", 4})); };
  group_.spawn(other.serve_udp(loop_));
  const auto servers = name_servers::open(loop_, other.where()).value();
  EXPECT_EQ(loop_.run(servers->query({}, "svc.test", dns_type::a)).value().at(0).where, *address::parse("10.0.0.9:0"));
  EXPECT_EQ(server_.asked, 0);
  EXPECT_EQ(query("svc.test", dns_type::a).error().code(), errc::not_found);
  EXPECT_EQ(other.asked, 1);
}

task<void> ask(name_servers& of, result<std::vector<dns_record>>& answer) {
  answer = co_await of.query({}, "svc.test", dns_type::a);
}

TEST_F(Dns, QuestionsEndWithTheirServers) {
  server_.over_udp = [](const dns_question&) { return bytes{}; };
  auto servers = name_servers::open(loop_, server_.where()).value();
  result<std::vector<dns_record>> answer;
  task_group asking{loop_};
  asking.spawn(ask(*servers, answer));
  loop_.run([](loop& l, int& asked) -> task<void> {
    while (asked == 0) co_await yield(l);
  }(loop_, server_.asked));
  servers.reset();
  loop_.run([](task_group& all) -> task<void> { co_await all.join(); }(asking));
  EXPECT_EQ(answer.error().code(), errc::cancelled);
}

TEST_F(Dns, ServersAreLiteralAddresses) {
  for (const auto* good : {"127.0.0.1", "127.0.0.1:5353", "::1", "[::1]:5353", "127.0.0.1,[::1]:5353"})
    EXPECT_TRUE(name_servers::open(loop_, good)) << good;
  for (const auto* wrong : {"", "dns.example", "127.0.0.1,", "127.0.0.1:0", "127.0.0.1:x", "unix:/run/dns", ",::1"}) {
    const auto refused = name_servers::open(loop_, wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().code(), errc::invalid_argument);
    EXPECT_NE(refused.error().remedy().find("127.0.0.1:8600"), std::string::npos);
  }
}

TEST(DnsOptions, AWrongServerListIsRefusedAtOnce) {
  EXPECT_THROW((epoll_loop{{.dns_servers = "not an address"}}), std::runtime_error);
}

}  // namespace
}  // namespace weft
