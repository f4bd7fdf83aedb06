#pragma once
// Hosts, instances and a clock for the tests of balancing.
#include <weft/discovery/balancer.hpp>

#include <map>
#include <string>
#include <vector>

namespace weft::discovery {

using namespace std::chrono_literals;

inline const steady_time start{std::chrono::hours{1}};

inline instance make_instance(std::string id, std::uint32_t weight = 1, std::string zone = {}, label_map labels = {}) {
  instance i;
  i.service = "posts";
  i.where = {.host = id + ".test", .port = 80};
  i.id = std::move(id);
  i.weight = weight;
  i.zone = std::move(zone);
  i.labels = std::move(labels);
  return i;
}

inline std::string numbered(std::size_t i) { return "h" + std::string(i < 10 ? "0" : "") + std::to_string(i); }

inline std::vector<host_ptr> make_hosts(const std::vector<std::uint32_t>& weights, steady_time since = start) {
  std::vector<host_ptr> hosts;
  for (std::size_t i = 0; i < weights.size(); ++i)
    hosts.push_back(new host{make_instance(numbered(i), weights[i]), since});
  return hosts;
}
inline std::vector<host_ptr> make_hosts(std::size_t count) { return make_hosts(std::vector<std::uint32_t>(count, 1)); }

using counts = std::map<std::string, double>;

// Pearson's statistic of the counts against shares by weight.
inline double chi_square(const counts& seen, const std::vector<host_ptr>& hosts) {
  double picks = 0, weights = 0, sum = 0;
  for (const auto& [id, n] : seen) picks += n;
  for (const auto& h : hosts) weights += h->info.weight;
  for (const auto& h : hosts) {
    const auto expected = picks * h->info.weight / weights;
    const auto at = seen.find(h->info.id);
    const auto difference = (at == seen.end() ? 0 : at->second) - expected;
    sum += difference * difference / expected;
  }
  return sum;
}

}  // namespace weft::discovery
