// What is written to Consul, and what is read from it; who leads by when. Without a Consul.
#include "consul/wire.hpp"

#include <weft/discovery/election.hpp>

#include <gtest/gtest.h>

#include "hosts.hpp"

namespace weft::discovery::consul {
namespace {

constexpr std::string_view two_entries = R"([
  {"Node": {"ID": "x", "Node": "n1", "Address": "10.0.0.1", "Meta": null},
   "Service": {"ID": "posts-2", "Service": "posts", "Tags": ["canary", "team=feed"], "Address": "10.0.0.2",
               "Meta": {"version": "2", "zone": "eu-1", "scheme": "http"}, "Port": 8081,
               "Weights": {"Passing": 3, "Warning": 1}},
   "Checks": [{"CheckID": "serfHealth", "Status": "passing"}, {"CheckID": "c", "Status": "passing"}]},
  {"Node": {"Node": "n1", "Address": "10.0.0.1"},
   "Service": {"ID": "posts-1", "Service": "posts", "Tags": null, "Address": "", "Meta": null, "Port": 8080,
               "Weights": {"Passing": 3, "Warning": 1}},
   "Checks": [{"CheckID": "serfHealth", "Status": "passing"}, {"CheckID": "c", "Status": "warning"}]}
])";

std::string entry_of(std::string_view node, std::string_view id, int port) {
  return R"({"Node": {"Node": ")" + std::string{node} + R"(", "Address": "10.0.0.1"}, "Service": {"ID": ")" +
         std::string{id} + R"(", "Service": "posts", "Port": )" + std::to_string(port) + "}, \"Checks\": []}";
}

// A16: a service's ID is unique on its node only.
TEST(ConsulWire, TellsInstancesOfDifferentNodesApart) {
  const auto all = decode_health("[" + entry_of("n2", "posts", 2) + "," + entry_of("n1", "posts", 1) + "," +
                                 entry_of("n1", "posts-7", 3) + "]")
                       .value()
                       .instances;
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].id, "posts-7") << "one that is alone keeps its ID";
  EXPECT_EQ(all[1].id, "posts@n1");
  EXPECT_EQ(all[1].where.port, 1);
  EXPECT_EQ(all[2].id, "posts@n2");
  EXPECT_EQ(all[2].where.port, 2);
}

// B4: what Consul says that is no JSON is its fault.
TEST(ConsulWire, BrokenAnswersAreDataLoss) {
  EXPECT_EQ(decode_health("[{").error().code(), errc::data_loss);
  EXPECT_EQ(decode_kv("nothing").error().code(), errc::data_loss);
  EXPECT_EQ(decode_session_id("").error().code(), errc::data_loss);
}

TEST(ConsulWire, ReadsHealth) {
  const auto all = decode_health(two_entries).value().instances;
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].id, "posts-1");
  EXPECT_EQ(all[0].where.to_string(), "tcp://10.0.0.1:8080");  // the node's address when the service has none
  EXPECT_EQ(all[0].state, health_state::warning);
  EXPECT_EQ(all[0].weight, 1u);
  EXPECT_EQ(all[1].where.to_string(), "http://10.0.0.2:8081");
  EXPECT_EQ(all[1].state, health_state::passing);
  EXPECT_EQ(all[1].weight, 3u);
  EXPECT_EQ(all[1].zone, "eu-1");
  EXPECT_EQ(all[1].labels, (label_map{{"canary", ""}, {"team", "feed"}, {"version", "2"}}));
}

health_state state_with(std::string_view checks) {
  return decode_health(R"([{"Service": {"ID": "a", "Service": "a", "Port": 1}, "Checks": )" + std::string{checks} +
                       "}]")
      .value()
      .instances.at(0)
      .state;
}

TEST(ConsulWire, TheWorstCheckCountsAndMaintenanceDrains) {
  EXPECT_EQ(state_with("null"), health_state::passing);
  EXPECT_EQ(state_with(R"([{"Status": "critical"}, {"Status": "warning"}])"), health_state::critical);
  EXPECT_EQ(state_with(R"([{"CheckID": "_service_maintenance:a", "Status": "critical"}])"), health_state::draining);
  EXPECT_EQ(state_with(R"([{"CheckID": "_node_maintenance", "Status": "critical"}])"), health_state::draining);
}

TEST(ConsulWire, RefusesAnswersThatAreNotTheDocumentedOnes) {
  for (const auto* text :
       {"", "{", "{}", "[1]", "[{}]", R"([{"Service": {"ID": "a", "Service": "a", "Port": 70000}}])"})
    EXPECT_FALSE(decode_health(text)) << text;
  for (const auto* text : {"", "{}", "[1]", R"([{"Value": "a"}])", R"([{"Value": "????"}])", R"([{"Value": "=AAA"}])"})
    EXPECT_FALSE(decode_kv(text)) << text;
  EXPECT_EQ(decode_session_id("{}").error().code(), errc::data_loss);
}

TEST(ConsulWire, ReadsKeys) {
  const auto e = decode_kv(R"([{"LockIndex": 2, "Key": "a/b", "Flags": 7, "Value": "aGVsbG8=", "CreateIndex": 5,
                                "ModifyIndex": 9, "Session": "s"}])")
                     .value()
                     .value();
  EXPECT_EQ(e.key, "a/b");
  EXPECT_EQ(e.value, "hello");
  EXPECT_EQ(e.flags, 7u);
  EXPECT_EQ(e.create_index, 5u);
  EXPECT_EQ(e.modify_index, 9u);
  EXPECT_EQ(e.lock_index, 2u);
  EXPECT_EQ(e.session, "s");
  EXPECT_EQ(decode_kv(R"([{"Key": "a", "Value": null}])").value().value().value, "");
  EXPECT_FALSE(decode_kv("[]").value().has_value());
}

TEST(ConsulWire, ReadsBase64) {
  EXPECT_EQ(decode_base64("").value(), "");
  EXPECT_EQ(decode_base64("AA==").value(), std::string(1, '\0'));
  EXPECT_EQ(decode_base64("/+8=").value(), "\xff\xef");
  EXPECT_EQ(decode_base64("YWJj").value(), "abc");
  for (const auto* text : {"A", "AA=", "A===", "A=A=", "AA=A", "YW Jj", "YWJj\n"})
    EXPECT_FALSE(decode_base64(text)) << text;
}

TEST(ConsulWire, WritesARegistration) {
  auto self = make_instance("posts-1", 5, "eu-1", {{"version", "2"}, {"canary", ""}});
  self.where = {.scheme = "http", .host = "10.0.0.1", .port = 8080};
  const auto text = encode_registration({.self = self,
                                         .ttl = 15s,
                                         .http_check = registered_http_check{.url = "http://10.0.0.1:8080/health"},
                                         .remove_critical_after = 90s})
                        .value();
  EXPECT_EQ(text,
            R"({"ID":"posts-1","Name":"posts","Address":"10.0.0.1","Port":8080,"Weights":{"Passing":5,"Warning":1},)"
            R"("Tags":["canary"],"Meta":{"version":"2","zone":"eu-1","scheme":"http"},"Checks":[)"
            R"({"CheckID":"weft-ttl:posts-1","Name":"heartbeat","TTL":"15s","DeregisterCriticalServiceAfter":"90s"},)"
            R"({"CheckID":"weft-http:posts-1","Name":"http","HTTP":"http://10.0.0.1:8080/health","Interval":"10s",)"
            R"("Timeout":"5s","DeregisterCriticalServiceAfter":"90s"}]})");
}

TEST(ConsulWire, RefusesWhatConsulWould) {
  EXPECT_FALSE(encode_registration({}));
  EXPECT_EQ(encode_registration({.self = make_instance("a"), .remove_critical_after = 59s}).error().message(),
            "remove_critical_after must be at least 1 minute");
  EXPECT_TRUE(encode_session({.ttl = 10s}));
  EXPECT_FALSE(encode_session({.ttl = 9s}));
  EXPECT_TRUE(encode_session({.ttl = 86'400s}));
  EXPECT_FALSE(encode_session({.ttl = 86'401s}));
  EXPECT_FALSE(encode_session({.lock_delay = 61s}));
  EXPECT_EQ(go_duration(1500ms), "1500ms");
  EXPECT_EQ(go_duration(5min), "300s");
}

TEST(ConsulUrl, SaysWhereAndHow) {
  const auto o = parse_registry_url("consul://10.0.0.1:8500?dc=eu&token=secret&mode=stale&health=any&wait=30s").value();
  EXPECT_EQ(o.api.agent, "http://10.0.0.1:8500");
  EXPECT_EQ(o.api.datacenter, "eu");
  EXPECT_EQ(o.api.token, "secret");
  EXPECT_EQ(o.api.consistency, consistency::stale);
  EXPECT_EQ(o.instances, api::which::all);
  EXPECT_EQ(o.query.wait, 30s);
  EXPECT_EQ(parse_registry_url("consuls://consul.internal:8501/").value().api.agent, "https://consul.internal:8501");
  for (const auto* url : {"consul:10.0.0.1", "consul://", "consul://h", "consul://h:1/path", "consul://h:1?mode=fast",
                          "consul://h:1?health=good", "consul://h:1?wait=11m", "consul://h:1?wait=soon"})
    EXPECT_EQ(parse_registry_url(url).error().code(), errc::invalid_argument) << url;
  const auto wrong = parse_registry_url("consul://h:1?token=secret&tokn=secret").error().describe();
  EXPECT_NE(wrong.find("unknown parameter 'tokn'"), std::string::npos) << wrong;
  EXPECT_EQ(wrong.find("secret"), std::string::npos) << wrong;
}

TEST(ElectionState, FollowsTheLock) {
  using need = election_state::need;
  election_state s{10s};
  EXPECT_EQ(s.next(start), need::session);
  s.created("mine", start);
  EXPECT_EQ(s.next(start), need::lock);
  s.seen("another");
  EXPECT_EQ(s.next(start), need::change);
  EXPECT_FALSE(s.leading(start));
  s.seen("");
  EXPECT_EQ(s.next(start), need::lock);
  s.seen("mine");
  EXPECT_EQ(s.next(start), need::nothing);
  EXPECT_TRUE(s.leading(start));
  s.seen("");  // an operator took it away
  EXPECT_FALSE(s.leading(start));
}

TEST(ElectionState, LeadershipEndsWithTheTimeToLiveOfTheLastQuestion) {
  election_state s{10s};
  s.created("mine", start);
  s.seen("mine");
  EXPECT_EQ(s.renew_at(), start + 5s);
  EXPECT_TRUE(s.leading(start + 10s - 1ns));
  EXPECT_FALSE(s.leading(start + 10s));
  EXPECT_EQ(s.next(start + 10s), election_state::need::session);
  s.renewed(start + 6s);  // from when it was asked, not from when the answer came
  EXPECT_TRUE(s.leading(start + 16s - 1ns));
  EXPECT_FALSE(s.leading(start + 16s));
  s.ended();
  EXPECT_FALSE(s.leading(start + 7s));
}

}  // namespace
}  // namespace weft::discovery::consul
