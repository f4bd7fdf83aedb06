// Instances from DNS, in virtual time: TTLs are honoured, within bounds, and the last answer outlives the name server.
#include <weft/discovery/cluster.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit/simulation.hpp>

#include <gtest/gtest.h>

#include "hosts.hpp"

namespace weft::discovery {
namespace {

dns_record a(std::string_view ip, std::chrono::seconds ttl) {
  return {.type = dns_type::a, .ttl = ttl, .where = address::parse_host(ip, 0).value()};
}
dns_record srv(std::string target, std::uint16_t port, std::uint16_t priority, std::uint16_t weight,
               std::chrono::seconds ttl = 5s) {
  return {.type = dns_type::srv,
          .ttl = ttl,
          .target = std::move(target),
          .port = port,
          .priority = priority,
          .weight = weight};
}

class DnsRegistry : public testing::Test {
 protected:
  std::unique_ptr<registry> open(std::string_view url) { return make_registry(host_.loop(), url); }
  result<snapshot> next(watch& w, duration within = 1h) {
    return sim_.run(host_, w.next(context{}.with_timeout(host_.loop(), within)));
  }
  std::vector<std::string> ids(const result<snapshot>& s) {
    std::vector<std::string> all;
    if (!s) return {std::string{to_string(s.error().code())}};
    for (const auto& i : s->instances) all.push_back(i.id);
    return all;
  }
  using names = std::vector<std::string>;

  testkit::simulation sim_{1};
  testkit::host& host_ = sim_.add_host("caller");
};

TEST_F(DnsRegistry, AddressesOfBothFamilies) {
  sim_.set_dns("posts.svc.test", {a("10.9.0.1", 5s),
                                  a("10.9.0.2", 5s),
                                  {.type = dns_type::aaaa, .ttl = 5s, .where = address::parse_host("::7", 0).value()}});
  const auto w = open("dns:///?domain=svc.test&port=8080")->watch("posts");
  EXPECT_EQ(ids(next(*w)), (names{"10.9.0.1:8080", "10.9.0.2:8080", "[::7]:8080"}));
  const auto only4 = open("dns:///?domain=svc.test&port=8080&family=4")->watch("posts");
  EXPECT_EQ(ids(next(*only4)), (names{"10.9.0.1:8080", "10.9.0.2:8080"}));
}

TEST_F(DnsRegistry, AChangeIsSeenWhenTheTimeToLiveIsOver) {
  sim_.set_dns("posts.svc.test", {a("10.9.0.1", 20s), a("10.9.0.2", 60s)});
  const auto w = open("dns:///?domain=svc.test&port=80")->watch("posts");
  EXPECT_EQ(next(*w)->instances.size(), 2u);
  const auto asked = sim_.now();
  sim_.set_dns("posts.svc.test", {a("10.9.0.3", 20s)});
  EXPECT_EQ(ids(next(*w)), names{"10.9.0.3:80"});
  EXPECT_GE(sim_.now() - asked, 20s);  // the lowest of the answer
  EXPECT_LT(sim_.now() - asked, 21s);
}

TEST_F(DnsRegistry, TheTimeToLiveIsBounded) {
  sim_.set_dns("posts.svc.test", {a("10.9.0.1", 0s)});
  const auto w = open("dns:///?domain=svc.test&port=80&min_ttl=10s&max_ttl=30s")->watch("posts");
  EXPECT_TRUE(next(*w));
  auto asked = sim_.now();
  sim_.set_dns("posts.svc.test", {a("10.9.0.2", 86'400s)});
  EXPECT_TRUE(next(*w));
  EXPECT_GE(sim_.now() - asked, 10s);
  EXPECT_LT(sim_.now() - asked, 11s);
  asked = sim_.now();
  sim_.set_dns("posts.svc.test", {a("10.9.0.3", 60s)});
  EXPECT_TRUE(next(*w));
  EXPECT_GE(sim_.now() - asked, 30s);
  EXPECT_LT(sim_.now() - asked, 31s);
}

TEST_F(DnsRegistry, ServiceRecordsWithTheirPrioritiesAndWeights) {
  sim_.set_dns("_posts._tcp.svc.test", {srv("p3.svc.test", 8083, 20, 1), srv("p1.svc.test", 8081, 10, 75),
                                        srv("p2.svc.test", 8082, 10, 0), srv("p1.svc.test", 8081, 30, 5)});
  const auto w = open("dns:///?domain=svc.test")->watch("posts");
  const auto found = next(*w).value().instances;
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].where.to_string(), "tcp://p1.svc.test:8081");
  EXPECT_EQ(found[0].weight, 75u);
  EXPECT_EQ(found[0].priority, 10u);
  EXPECT_EQ(found[1].weight, 1u);
  EXPECT_EQ(found[1].priority, 10u);
  EXPECT_EQ(found[2].priority, 20u);
}

TEST_F(DnsRegistry, AServerOfItsOwnIsAskedForTheTargetsToo) {
  sim_.set_dns("_posts._tcp.svc.test",
               {srv("p1.svc.test", 8081, 10, 75, 1h), srv("p1.svc.test", 8082, 10, 5, 1h),
                srv("10.9.0.9", 8083, 20, 1, 1h), srv("gone.svc.test", 8084, 10, 1, 1h), srv(".", 0, 10, 1, 1h)});
  sim_.set_dns("p1.svc.test", {a("10.9.0.1", 1h),
                               {.type = dns_type::aaaa, .ttl = 7s, .where = address::parse_host("::7", 0).value()}});
  const auto w = open("dns://10.9.9.9:53/?domain=svc.test")->watch("posts");
  const auto found = next(*w);
  EXPECT_EQ(ids(found), (names{"10.9.0.1:8081", "10.9.0.1:8082", "10.9.0.9:8083", "[::7]:8081", "[::7]:8082"}));
  EXPECT_EQ(found->instances[0].weight, 75u);
  EXPECT_EQ(found->instances[2].priority, 20u);
  const auto asked = sim_.now();
  sim_.set_dns("p1.svc.test", {a("10.9.0.2", 1h)});
  EXPECT_EQ(ids(next(*w)), (names{"10.9.0.2:8081", "10.9.0.2:8082", "10.9.0.9:8083"}));
  EXPECT_LT(sim_.now() - asked, 8s);  // the lowest time to live of all answers
}

TEST_F(DnsRegistry, TheNextPriorityTakesOverWhenNoneOfTheFirstIsHealthy) {
  sim_.set_dns("_posts._tcp.svc.test", {srv("10.9.0.1", 80, 10, 1, 1h), srv("10.9.0.2", 80, 20, 1, 1h)});
  auto& l = host_.loop();
  cluster posts{l,
                open("dns:///?domain=svc.test")->watch("posts"),
                {.service = "posts", .hosts = {.outlier = outlier_options{.max_ejection_percent = 50}}}};
  sim_.run_for(1s);
  const auto call = [&](bool good) {
    auto p = posts.pick();
    if (!p) return p.error().describe();
    auto id = p->target().id;
    p->end(good ? resilience::outcome_view{}
                : resilience::outcome_view{.verdict = resilience::verdict::failure, .code = errc::unavailable},
           l.now(), 5ms);
    return id;
  };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(call(false), "10.9.0.1:80");
  EXPECT_EQ(call(true), "10.9.0.2:80");
  sim_.run_for(1min);  // until the first is no longer ejected
  EXPECT_EQ(call(true), "10.9.0.1:80");
}

TEST_F(DnsRegistry, ANameThatDoesNotExistHasNoInstances) {
  const auto w = open("dns:///?domain=svc.test&port=80")->watch("nobody");
  EXPECT_EQ(ids(next(*w)), names{});
  sim_.set_dns("nobody.svc.test", {a("10.9.0.1", 5s)});
  const auto asked = sim_.now();
  EXPECT_EQ(ids(next(*w)), names{"10.9.0.1:80"});
  EXPECT_LT(sim_.now() - asked, 6s);
}

TEST_F(DnsRegistry, AddressesWithoutAPortAreRefusedWithTheRemedy) {
  sim_.set_dns("posts.svc.test", {a("10.9.0.1", 5s)});
  const auto w = open("dns:///?domain=svc.test")->watch("posts");
  const auto found = next(*w);
  EXPECT_EQ(found.error().code(), errc::failed_precondition);
  EXPECT_EQ(found.error().remedy(), "add port=... to the registry's URL");
}

TEST_F(DnsRegistry, TheLastAnswerOutlivesTheNameServer) {
  sim_.set_dns("posts.svc.test", {a("10.9.0.1", 5s)});
  auto& l = host_.loop();
  cluster posts{l, open("dns:///?domain=svc.test&port=80")->watch("posts"), {.service = "posts"}};
  sim_.run_for(1s);
  EXPECT_EQ(posts.pick().value().target().id, "10.9.0.1:80");
  sim_.set_dns_available(false);
  sim_.run_for(5min);
  EXPECT_FALSE(posts.registry().current);
  EXPECT_EQ(posts.pick().value().target().id, "10.9.0.1:80");
  sim_.set_dns("posts.svc.test", {a("10.9.0.2", 5s)});
  sim_.set_dns_available(true);
  sim_.run_for(31s);  // the longest pause
  EXPECT_TRUE(posts.registry().current);
  EXPECT_EQ(posts.pick().value().target().id, "10.9.0.2:80");
}

TEST(DnsUrl, ErrorsNameThePlaceAndTheRemedy) {
  epoll_loop l;
  for (const auto* url : {"dns:", "dns://names.example/?domain=a", "dns://127.0.0.1:0", "dns://127.0.0.1/a",
                          "dns:///path", "dns:///?type=mx", "dns:///?type=a", "dns:///?port=70000", "dns:///?family=5",
                          "dns:///?min_ttl=0s", "dns:///?min_ttl=2m&max_ttl=1m", "dns:///?domian=svc.test"})
    EXPECT_EQ(open_registry(l, url).error().code(), errc::invalid_argument) << url;
  EXPECT_NE(open_registry(l, "dns://names.example/").error().remedy().find("127.0.0.1:8600"), std::string::npos);
  for (const auto* url : {"dns://", "dns:///", "dns://127.0.0.1", "dns://[::1]:8600?domain=a", "dns://127.0.0.1,::1/"})
    EXPECT_TRUE(open_registry(l, url)) << url;
}

}  // namespace
}  // namespace weft::discovery
