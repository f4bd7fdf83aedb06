#pragma once
// Consul's HTTP API v1, as far as services need it: the agent's services and checks, health, keys and sessions.
//
//     consul::api consul{loop, {.agent = "http://127.0.0.1:8500", .token = token}};
//     WEFT_CO_TRY(auto entry, co_await consul.get(ctx, "config/posts"));
//     WEFT_CO_TRY(bool stored, co_await consul.put(ctx, "config/posts", "...", {.cas = entry->modify_index}));
//
// Errors: errc::unavailable when the agent cannot be reached or has no leader, errc::permission_denied with what Consul
// said, errc::invalid_argument for what it would refuse, errc::data_loss for an answer that is not what its
// documentation says. The token goes into X-Consul-Token and nowhere else: not into errors, not into logs.
// One loop. https://developer.hashicorp.com/consul/api-docs
#include <weft/discovery/blocking_query.hpp>
#include <weft/discovery/registry.hpp>
#include <weft/http/client.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::discovery::consul {

enum class consistency : std::uint8_t {
  usual,       // the leader answers, which may be out of date for a moment after an election
  stale,       // any server answers
  consistent,  // the leader asks its followers first
};

struct api_options {
  std::string agent = "http://127.0.0.1:8500";
  std::string token{};       // never shown
  std::string datacenter{};  // of reads, keys and sessions; empty: the agent's own
  consul::consistency consistency = consul::consistency::usual;
  duration timeout = std::chrono::seconds{10};  // of what does not block
  std::optional<net::tls_context> tls{};
};

struct kv_entry {
  std::string key, value;
  std::uint64_t flags = 0;
  std::uint64_t create_index = 0, modify_index = 0, lock_index = 0;
  std::string session;  // who holds the lock; empty: nobody
};
struct kv_put {
  std::optional<std::uint64_t> cas{};  // only if modify_index is still this; 0: only if it does not exist
  std::string acquire{}, release{};    // a session's id: take, or give up, the lock
  std::uint64_t flags = 0;
};
inline constexpr std::size_t max_value_bytes = 512 * 1024;

enum class session_end : std::uint8_t { release_locks, delete_keys };
struct session_options {
  std::string name{};
  duration ttl = std::chrono::seconds{15};         // from 10 s to 24 h; Consul may take twice as long to notice
  duration lock_delay = std::chrono::seconds{15};  // after a session was lost its locks rest for so long; at most 60 s
  session_end behaviour = session_end::release_locks;
};

template <class T>
struct indexed {
  T value;
  std::uint64_t index = 0;  // X-Consul-Index; 0: none
};

class api {
 public:
  // Throws std::invalid_argument when the agent's URL is malformed.
  api(loop& l, api_options options = {});
  ~api();
  api(const api&) = delete;
  api& operator=(const api&) = delete;

  // The agent's services. The checks of a registration are called "weft-ttl:<id>" and "weft-http:<id>".
  [[nodiscard]] task<result<>> register_service(context ctx, registration r);
  [[nodiscard]] task<result<>> deregister_service(context ctx, std::string id);  // one that is not there is well
  [[nodiscard]] task<result<>> report_check(context ctx, std::string check_id, health_state state, std::string note);
  [[nodiscard]] task<result<>> set_maintenance(context ctx, std::string id, std::string reason);
  [[nodiscard]] task<result<bool>> has_service(context ctx, std::string id);

  // Instances with their state. Blocks as the question says.
  enum class which : std::uint8_t { passing, all };
  [[nodiscard]] task<result<indexed<snapshot>>> health(context ctx, std::string service, which w,
                                                       blocking_query::question q = {});

  [[nodiscard]] task<result<std::optional<kv_entry>>> get(context ctx, std::string key);
  [[nodiscard]] task<result<indexed<std::optional<kv_entry>>>> get(context ctx, std::string key,
                                                                   blocking_query::question q);
  // False: the condition does not hold.
  [[nodiscard]] task<result<bool>> put(context ctx, std::string key, std::string value, kv_put options = {});
  [[nodiscard]] task<result<bool>> remove(context ctx, std::string key, std::optional<std::uint64_t> cas = {});

  [[nodiscard]] task<result<std::string>> create_session(context ctx, session_options options);
  // errc::not_found: it has ended.
  [[nodiscard]] task<result<>> renew_session(context ctx, std::string id);
  [[nodiscard]] task<result<>> destroy_session(context ctx, std::string id);

  [[nodiscard]] loop& home() const noexcept;

 private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

// "consul://host:port?dc=&token=&mode=stale|consistent&health=any&wait=5m", or consuls:// for https.
struct registry_options {
  api_options api;
  api::which instances = api::which::passing;
  blocking_query_options query;
};
[[nodiscard]] result<registry_options> parse_registry_url(std::string_view url);
[[nodiscard]] std::unique_ptr<registry> make_registry(loop& l, registry_options options);

}  // namespace weft::discovery::consul
