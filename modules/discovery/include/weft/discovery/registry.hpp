#pragma once
// Who offers a service: registering, and being told of changes. What stands behind it is chosen by a URL.
//
//     auto services = discovery::make_registry(loop, "consul://127.0.0.1:8500?dc=eu");
//     WEFT_CO_TRY_VOID(co_await services->add(ctx, {.self = me, .ttl = 15s}));
//     auto changes = services->watch("posts");
//     for (;;) { WEFT_CO_TRY(snapshot now, co_await changes->next(ctx)); ... }
//
// Registries and watches belong to their loop; a watch may outlive its registry object.
#include <weft/discovery/instance.hpp>
#include <weft/runtime/loop.hpp>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weft::discovery {

// A check that the registry itself makes.
struct registered_http_check {
  std::string url;
  duration interval = std::chrono::seconds{10};
  duration timeout = std::chrono::seconds{5};
};

struct registration {
  instance self;
  // Without a heartbeat for so long the instance counts as critical; zero: no heartbeats are expected.
  duration ttl{};
  std::optional<registered_http_check> http_check;
  // Critical for so long, it is removed; zero: never. Consul takes at least one minute and looks every 30 s.
  duration remove_critical_after{};
};

// The instances of one service as they change. The first next() gives what is there, each later one the next state that
// differs; states in between may be left out. An error says that the registry cannot be asked: call again, and the
// watch itself waits as long as is polite. One next() at a time; it ends with its context.
class watch {
 public:
  virtual ~watch() = default;
  virtual task<result<snapshot>> next(context ctx) = 0;
};

class registry {
 public:
  virtual ~registry() = default;
  registry(const registry&) = delete;
  registry& operator=(const registry&) = delete;

  // Whether instances can register themselves; where they cannot (static, dns), add() and the two after it fail with
  // errc::unimplemented.
  [[nodiscard]] virtual bool accepts_registrations() const noexcept = 0;
  // Replaces a registration of the same id.
  virtual task<result<>> add(context ctx, registration r) = 0;
  // Removing what is not there is not an error.
  virtual task<result<>> remove(context ctx, std::string service, std::string id) = 0;
  // "I live, and this is how I am", at least once in each ttl; errc::not_found when the registration is gone, after
  // which add() is due again. `note` is for people.
  virtual task<result<>> heartbeat(context ctx, std::string service, std::string id,
                                   health_state state = health_state::passing, std::string note = {}) = 0;

  [[nodiscard]] virtual std::unique_ptr<discovery::watch> watch(std::string service) = 0;
  // What is there now. A service without instances is an empty snapshot.
  virtual task<result<snapshot>> resolve(context ctx, std::string service) = 0;

 protected:
  registry() = default;
};

// What a registry may need beside its URL.
struct registry_wiring {
  // Where `memory:` keeps its registrations; null: one for the whole process.
  std::shared_ptr<class memory_hub> memory;
  // For consul, instead of `token` in the URL, so that it stays out of configuration that is shown.
  std::string consul_token;
};

// One kind of registry: its scheme, and how to make it from a URL, which starts with that scheme.
struct registry_kind {
  std::string_view scheme;
  result<std::unique_ptr<registry>> (*make)(loop& l, std::string_view url, const registry_wiring& wiring);
};
// static, memory, dns, consul, consuls. A program that has one of its own passes its own table.
[[nodiscard]] std::span<const registry_kind> registry_kinds() noexcept;

// URLs:
//   static:users=127.0.0.1:8081,127.0.0.1:8082;posts=http://posts:8080   (see static_registry.cpp for weights and
//   zones) memory:  memory:name            shared by everything in the process that uses the name
//   dns:///?domain=svc.internal     A, AAAA and SRV records; dns://127.0.0.1:8600/?domain=... asks that name server
//   consul://host:port?dc=&token=   HTTP API v1 (consuls:// over TLS); see consul.hpp
// errc::invalid_argument names what is wrong with the URL, without its secrets.
[[nodiscard]] result<std::unique_ptr<registry>> open_registry(loop& l, std::string_view url,
                                                              const registry_wiring& wiring = {},
                                                              std::span<const registry_kind> kinds = registry_kinds());
// The same for start-up code: throws std::invalid_argument.
[[nodiscard]] std::unique_ptr<registry> make_registry(loop& l, std::string_view url,
                                                      const registry_wiring& wiring = {});

}  // namespace weft::discovery
