#pragma once
// A service to call: its instances from a registry, their health, and who takes the next call.
//
//     cluster posts{loop, registry->watch("posts"), {.service = "posts", .check = health_check{.path = "/health"}}};
//     WEFT_CO_TRY_VOID(co_await posts.ready(ctx));
//     WEFT_CO_TRY(picked p, posts.pick({.key = stable_hash(user_id)}));
//     auto began = loop.now();
//     auto answer = co_await client.send_to(ctx, p.target().where, std::move(request));
//     p.end(resilience::outcome_traits<http::response>::view(answer), loop.now(), loop.now() - began);
//
// When the registry cannot be asked, it goes on with what it knew last. An instance that leaves or drains gets no new
// calls; those under way go on. For a retry, name the hosts tried before in pick_request::tried.
// One loop; destroying it ends its watch and its checks. Calls may end later.
#include <weft/discovery/health_check.hpp>
#include <weft/discovery/host_set.hpp>
#include <weft/discovery/registry.hpp>
#include <weft/observe/metrics.hpp>

#include <memory>
#include <optional>
#include <string>

namespace weft::discovery {

struct cluster_options {
  std::string service;
  host_set_options hosts;
  std::optional<health_check> check;     // none: the registry's word and outlier detection
  observe::registry* metrics = nullptr;  // outlives the cluster; the README names them
  // Told of each change of a host, after it happened: for logs.
  std::function<void(const host_event&)> on_event;
};

// How it stands with the registry.
struct registry_view {
  bool known = false;              // a first snapshot has come
  bool current = false;            // the last question was answered
  std::optional<error> trouble{};  // why not
  steady_time last_answer{};
};

class cluster {
 public:
  // Throws std::invalid_argument when the options are wrong.
  cluster(loop& l, std::unique_ptr<watch> source, cluster_options options);
  ~cluster();
  cluster(const cluster&) = delete;
  cluster& operator=(const cluster&) = delete;

  // Until the registry has answered for the first time. Fails with the context, naming the registry's trouble.
  [[nodiscard]] task<result<>> ready(context ctx);

  // errc::unavailable says how the instances are and whether the registry can be asked.
  [[nodiscard]] result<picked> pick(const pick_request& request = {});

  [[nodiscard]] const host_set& hosts() const noexcept;
  [[nodiscard]] const registry_view& registry() const noexcept;
  // For people and the console: "3 instances, 2 healthy; ...; registry: unavailable: refused (12 s ago)".
  [[nodiscard]] std::string describe() const;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace weft::discovery
