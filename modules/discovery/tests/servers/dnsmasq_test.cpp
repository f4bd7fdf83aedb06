// Against a real name server, started for each test with records of its own.
#include <weft/discovery/cluster.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>

#include <gtest/gtest.h>

#include <pwd.h>
#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "hosts.hpp"
#include "process.hpp"

namespace weft::discovery {
namespace {

std::string dnsmasq_path() {
  for (const auto* at : {"/usr/sbin/dnsmasq", "/usr/bin/dnsmasq", "/usr/local/sbin/dnsmasq"})
    if (std::filesystem::exists(at)) return at;
  return {};
}

// It need not become another user, who might not read the records.
std::string user_name() {
  const auto* entry = getpwuid(getuid());
  return entry != nullptr ? entry->pw_name : "";
}

class Dnsmasq : public testing::Test {
 protected:
  void SetUp() override {
    if (dnsmasq_path().empty()) {
      if (std::getenv("CI") != nullptr) FAIL() << "dnsmasq is missing; ./dev setup installs it";
      GTEST_SKIP() << "dnsmasq is missing; ./dev setup installs it";
    }
    // UDP and TCP ports are apart, but who holds one rarely lacks the other.
    epoll_loop any;
    port_ = free_ports(any, 1).front();
    file_ = testing::TempDir() + "weft-dnsmasq-" + std::to_string(port_);
    loop_.emplace(epoll_loop_options{.dns_servers = "127.0.0.1:" + std::to_string(port_)});
  }
  void TearDown() override {
    server_.reset();
    for (const auto* end : {".records", ".log", ".pid"}) std::filesystem::remove(file_ + end);
  }

  void serve(const std::string& records) {
    server_.reset();
    std::ofstream{file_ + ".records"} << records;
    server_.emplace(
        std::vector<std::string>{dnsmasq_path(), "--keep-in-foreground", "--log-facility=-",
                                 "--conf-file=" + file_ + ".records", "--pid-file=" + file_ + ".pid",
                                 "--user=" + user_name(), "--port=" + std::to_string(port_),
                                 "--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts",
                                 "--no-poll", "--local=/weft.test/", "--local-ttl=1", "--cache-size=0"},
        file_ + ".log");
    ASSERT_TRUE(server_->started());
  }
  task<std::vector<std::string>> first(std::string url, std::string service) {
    return first_of(*loop_, std::move(url), std::move(service));
  }
  static task<std::vector<std::string>> first_of(loop& l, std::string url, std::string service) {
    const auto r = make_registry(l, url);
    const auto w = r->watch(service);
    for (int i = 0; i < 100; ++i) {  // until the server is up
      auto seen = co_await w->next(context{}.with_timeout(l, 20s));
      if (seen) co_return list(*seen);
    }
    co_return std::vector<std::string>{"no answer"};
  }
  static std::vector<std::string> list(const snapshot& s) {
    std::vector<std::string> all;
    for (const auto& i : s.instances) all.push_back(i.id + " " + std::to_string(i.weight));
    return all;
  }

  std::uint16_t port_ = 0;
  std::string file_;
  std::optional<epoll_loop> loop_;
  std::optional<server_process> server_;
};

TEST_F(Dnsmasq, FindsAddressesAndServiceRecords) {
  serve(
      "host-record=posts.weft.test,127.0.0.1\nhost-record=posts.weft.test,127.0.0.2\n"
      "host-record=p1.weft.test,127.0.0.1\nhost-record=p2.weft.test,127.0.0.2\n"
      "srv-host=_feed._tcp.weft.test,p1.weft.test,8081,10,75\nsrv-host=_feed._tcp.weft.test,p2.weft.test,8082,10,25\n");
  EXPECT_EQ(loop_->run(first("dns:///?domain=weft.test&port=80", "posts")),
            (std::vector<std::string>{"127.0.0.1:80 1", "127.0.0.2:80 1"}));
  EXPECT_EQ(loop_->run(first("dns:///?domain=weft.test", "feed")),
            (std::vector<std::string>{"p1.weft.test:8081 75", "p2.weft.test:8082 25"}));
  EXPECT_EQ(loop_->run(first("dns:///?domain=weft.test&port=80", "nobody")), std::vector<std::string>{});
}

TEST_F(Dnsmasq, IsAskedByThoseWhoNameIt) {
  serve(
      "host-record=posts.weft.test,127.0.0.1\n"
      "host-record=p1.weft.test,127.0.0.1\nhost-record=p2.weft.test,127.0.0.2,::1\n"
      "srv-host=_feed._tcp.weft.test,p1.weft.test,8081,10,75\nsrv-host=_feed._tcp.weft.test,p2.weft.test,8082,20,25\n");
  epoll_loop elsewhere{{.dns_servers = "127.0.0.1:1"}};  // where nobody answers
  const auto server = "dns://127.0.0.1:" + std::to_string(port_);
  EXPECT_EQ(elsewhere.run(first_of(elsewhere, server + "/?domain=weft.test&port=80", "posts")),
            std::vector<std::string>{"127.0.0.1:80 1"});
  EXPECT_EQ(elsewhere.run(first_of(elsewhere, "dns://127.0.0.1:1," + server.substr(6) + "?domain=weft.test", "feed")),
            (std::vector<std::string>{"127.0.0.1:8081 75", "127.0.0.2:8082 25", "[::1]:8082 25"}));
}

TEST_F(Dnsmasq, SeesAChangeAfterTheTimeToLiveAndOutlivesTheServer) {
  serve("host-record=posts.weft.test,127.0.0.1\n");
  const auto r = make_registry(*loop_, "dns:///?domain=weft.test&port=80");
  cluster posts{*loop_, r->watch("posts"), {.service = "posts"}};
  const auto picks = [&](std::string wanted) {
    for (int i = 0; i < 3000; ++i) {
      if (const auto p = posts.pick(); p && p->target().id == wanted) return true;
      EXPECT_TRUE(
          loop_->run([](loop& l) -> task<bool> { co_return (co_await sleep(l, {}, 10ms)).has_value(); }(*loop_)));
    }
    return false;
  };
  EXPECT_TRUE(picks("127.0.0.1:80"));
  server_.reset();
  for (int i = 0; i < 3000 && posts.registry().current; ++i)
    EXPECT_TRUE(loop_->run([](loop& l) -> task<bool> { co_return (co_await sleep(l, {}, 10ms)).has_value(); }(*loop_)));
  EXPECT_FALSE(posts.registry().current);
  EXPECT_TRUE(picks("127.0.0.1:80"));
  serve("host-record=posts.weft.test,127.0.0.9\n");
  EXPECT_TRUE(picks("127.0.0.9:80"));
}

}  // namespace
}  // namespace weft::discovery
