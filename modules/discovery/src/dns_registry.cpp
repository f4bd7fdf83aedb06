// Instances from the domain name system:
//
//     dns:///?domain=svc.internal                    _posts._tcp.svc.internal SRV, else posts.svc.internal A and AAAA
//     dns:///?domain=svc.internal&type=srv           SRV alone
//     dns:///?domain=svc.internal&type=a&port=8080   addresses alone, all at that port
//     min_ttl=1s max_ttl=5m                          bounds of how long an answer is believed
//     family=4, family=6                             addresses of one kind only
//     dns://127.0.0.1:8600/?domain=service.consul    asks that name server; several are separated by commas
//
// Without a server questions go to the loop's name servers. An answer counts for its records' lowest TTL; then the
// question is asked again. A name that does not exist is a service without instances. While no server answers, next()
// fails and whoever watches goes on with the last answer; the pause between attempts doubles from 1 s to 30 s. SRV
// records keep their priority (host_set.hpp says what comes of it). Their targets stay names, which are resolved when
// they are called (RFC 2782), unless the URL names a server: then only that server is sure to know them, and it is
// asked for their addresses.
#include <weft/base/saturating.hpp>
#include <weft/discovery/registry.hpp>
#include <weft/runtime/backoff.hpp>
#include <weft/runtime/name_servers.hpp>
#include <weft/runtime/sleep.hpp>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "registry_url.hpp"

namespace weft::discovery {
namespace {

enum class question_kind : std::uint8_t { any, srv, address };

struct dns_options {
  std::string domain;
  question_kind kind = question_kind::any;
  std::uint16_t port = 0;
  bool ip4 = true, ip6 = true;
  duration min_ttl = std::chrono::seconds{1}, max_ttl = std::chrono::minutes{5};
  std::shared_ptr<name_servers> servers;  // null: the loop's
};
constexpr auto ttl_of_nothing = std::chrono::seconds{5};
constexpr backoff_options pauses{.initial = std::chrono::seconds{1}, .max = std::chrono::seconds{30}};

struct dns_answer {
  snapshot found;
  duration ttl = duration::max();
};

std::string name_of(const dns_options& o, std::string_view service) {
  auto name = std::string{service};
  if (!o.domain.empty()) name += "." + o.domain;
  return name;
}

// No records are no error here.
task<result<std::vector<dns_record>>> records(loop& l, const dns_options& o, context ctx, std::string name,
                                              dns_type type) {
  auto found = co_await (o.servers ? o.servers->query(std::move(ctx), std::move(name), type)
                                   : l.query_dns(std::move(ctx), std::move(name), type));
  if (!found && found.error().code() == errc::not_found) co_return std::vector<dns_record>{};
  co_return found;
}

// Of a host, in the kinds of addresses that are wanted.
task<result<std::vector<dns_record>>> addresses(loop& l, const dns_options& o, context ctx, std::string name) {
  std::vector<dns_record> all;
  if (o.ip4) {
    WEFT_CO_TRY(all, co_await records(l, o, ctx, name, dns_type::a));
  }
  if (o.ip6) {
    WEFT_CO_TRY(auto found, co_await records(l, o, ctx, name, dns_type::aaaa));
    std::ranges::move(found, std::back_inserter(all));
  }
  co_return all;
}

// "." says that the service is decidedly not available.
bool names_nobody(const dns_record& r) { return r.target.empty() || r.target == "."; }

// Each at its addresses, as the registry's own server has them.
task<result<>> resolve_targets(loop& l, const dns_options& o, context ctx, std::vector<dns_record>& services) {
  std::vector<dns_record> resolved;
  std::map<std::string, std::vector<dns_record>, std::less<>> known;
  for (auto& service : services) {
    if (names_nobody(service) || address::parse_host(service.target, 0)) {
      resolved.push_back(std::move(service));
      continue;
    }
    auto at = known.find(service.target);
    if (at == known.end()) {
      WEFT_CO_TRY(auto found, co_await addresses(l, o, ctx, service.target));
      at = known.emplace(service.target, std::move(found)).first;
    }
    for (const auto& place : at->second) {
      auto& one = resolved.emplace_back(service);
      one.target = place.where.host();
      one.ttl = std::min(one.ttl, place.ttl);
    }
  }
  services = std::move(resolved);
  co_return result<>{};
}

dns_answer from_srv(std::vector<dns_record> found, const std::string& service) {
  dns_answer a;
  // A place that is there twice keeps the first.
  std::ranges::sort(found, {}, [](const dns_record& r) { return std::pair{r.priority, r.weight}; });
  std::vector<instance> all;
  for (const auto& r : found) {
    a.ttl = std::min<duration>(a.ttl, r.ttl);
    if (names_nobody(r)) continue;
    instance i;
    i.service = service;
    i.where = {.host = r.target, .port = r.port};
    i.id = i.where.authority();
    // Weight 0 means a very small chance.
    i.weight = std::max<std::uint32_t>(r.weight, 1);
    i.priority = r.priority;
    all.push_back(std::move(i));
  }
  a.found = make_snapshot(std::move(all));
  return a;
}

dns_answer from_addresses(const std::vector<dns_record>& found, const std::string& service, std::uint16_t port) {
  dns_answer a;
  std::vector<instance> all;
  for (const auto& r : found) {
    a.ttl = std::min<duration>(a.ttl, r.ttl);
    instance i;
    i.service = service;
    i.where = {.host = r.where.host(), .port = port};
    i.id = i.where.authority();
    all.push_back(std::move(i));
  }
  a.found = make_snapshot(std::move(all));
  return a;
}

task<result<dns_answer>> ask(loop& l, context ctx, dns_options o, std::string service) {
  const auto name = name_of(o, service);
  if (o.kind != question_kind::address) {
    WEFT_CO_TRY(
        auto found,
        co_await records(l, o, ctx, "_" + service + "._tcp" + (o.domain.empty() ? "" : "." + o.domain), dns_type::srv));
    const bool answered = !found.empty() || o.kind == question_kind::srv;
    if (o.servers) WEFT_CO_TRY_VOID(co_await resolve_targets(l, o, ctx, found));
    if (answered) co_return from_srv(std::move(found), service);
  }
  WEFT_CO_TRY(const auto found, co_await addresses(l, o, ctx, name));
  if (!found.empty() && o.port == 0)
    co_return fail(
        error{errc::failed_precondition, name + " has addresses, but no SRV record names its port"}.with_remedy(
            "add port=... to the registry's URL"));
  co_return from_addresses(found, service, o.port);
}

class dns_watch final : public watch {
 public:
  dns_watch(loop& l, dns_options o, std::string service)
      : loop_{l}, options_{std::move(o)}, service_{std::move(service)} {}

  task<result<snapshot>> next(context ctx) override {
    for (;;) {
      if (ask_at_ > loop_.now()) WEFT_CO_TRY_VOID(co_await sleep(loop_, ctx, ask_at_));
      auto answer = co_await ask(loop_, ctx, options_, service_);
      WEFT_CO_TRY_VOID(ctx.check(loop_.now()));
      if (!answer) {
        ask_at_ = later(loop_.now(), delays_.next(loop_.now(), loop_.random()));
        co_return fail(answer.error().with_operation("looking up " + service_));
      }
      delays_.succeeded(loop_.now());
      const auto ttl = answer->ttl == duration::max() ? duration{ttl_of_nothing} : answer->ttl;
      ask_at_ = later(loop_.now(), std::clamp(ttl, options_.min_ttl, options_.max_ttl));
      if (last_ && *last_ == answer->found) continue;
      last_ = answer->found;
      co_return std::move(answer->found);
    }
  }

 private:
  loop& loop_;
  dns_options options_;
  std::string service_;
  steady_time ask_at_ = steady_time::min();
  backoff delays_{pauses};
  std::optional<snapshot> last_;
};

class dns_registry final : public registry {
 public:
  dns_registry(loop& l, dns_options o) : loop_{l}, options_{std::move(o)} {}

  bool accepts_registrations() const noexcept override { return false; }
  task<result<>> add(context, registration) override { co_return cannot_register("dns"); }
  task<result<>> remove(context, std::string, std::string) override { co_return cannot_register("dns"); }
  task<result<>> heartbeat(context, std::string, std::string, health_state, std::string) override {
    co_return cannot_register("dns");
  }
  std::unique_ptr<discovery::watch> watch(std::string service) override {
    return std::make_unique<dns_watch>(loop_, options_, std::move(service));
  }
  task<result<snapshot>> resolve(context ctx, std::string service) override {
    auto answer = co_await ask(loop_, std::move(ctx), options_, std::move(service));
    if (!answer) co_return fail(std::move(answer).error());
    co_return std::move(answer->found);
  }

 private:
  loop& loop_;
  dns_options options_;
};

}  // namespace

result<std::unique_ptr<registry>> make_dns_registry(loop& l, std::string_view url, const registry_wiring&) {
  const auto rest = url.substr(url.find(':') + 1);
  if (!rest.starts_with("//"))
    return fail(errc::invalid_argument, "expected dns:///?domain=... or dns://server:port/?domain=...");
  const auto query = std::min(rest.find('?'), rest.size());
  auto servers = rest.substr(2, query - 2);
  if (servers.ends_with('/')) servers.remove_suffix(1);
  if (servers.contains('/')) return fail(errc::invalid_argument, "nothing but parameters may follow the name server");
  WEFT_TRY(auto parameters, url_parameters::parse(query == rest.size() ? "" : rest.substr(query + 1)));
  dns_options o;
  if (!servers.empty()) {
    WEFT_TRY(o.servers, name_servers::open(l, servers));
  }
  o.domain = parameters.text("domain");
  const auto type = parameters.text("type", "any");
  o.kind = type == "srv" ? question_kind::srv : type == "a" ? question_kind::address : question_kind::any;
  if (type != "srv" && type != "a" && type != "any") return fail(errc::invalid_argument, "type must be any, srv or a");
  const auto family = parameters.text("family", "any");
  if (family != "4" && family != "6" && family != "any")
    return fail(errc::invalid_argument, "family must be 4, 6 or any");
  o.ip4 = family != "6";
  o.ip6 = family != "4";
  WEFT_TRY(const auto port, parameters.number("port", 0, 65'535));
  o.port = static_cast<std::uint16_t>(port);
  if (o.kind == question_kind::address && o.port == 0) return fail(errc::invalid_argument, "type=a needs port=...");
  WEFT_TRY(o.min_ttl, parameters.time("min_ttl", o.min_ttl));
  WEFT_TRY(o.max_ttl, parameters.time("max_ttl", o.max_ttl));
  if (o.min_ttl < std::chrono::milliseconds{100} || o.max_ttl < o.min_ttl)
    return fail(errc::invalid_argument, "min_ttl must be at least 100ms, and max_ttl at least that");
  WEFT_TRY_VOID(parameters.none_left("domain, type, port, family, min_ttl, max_ttl"));
  return std::make_unique<dns_registry>(l, std::move(o));
}

}  // namespace weft::discovery
