#include <weft/http/url.hpp>
#include <weft/runtime/sleep.hpp>

#include <set>

#include "registry_url.hpp"
#include "wire.hpp"

namespace weft::discovery::consul {
namespace {

class consul_watch final : public watch {
 public:
  consul_watch(std::shared_ptr<api> a, std::string service, const registry_options& options)
      : api_{std::move(a)}, service_{std::move(service)}, which_{options.instances}, query_{options.query} {}

  task<result<snapshot>> next(context ctx) override {
    auto& l = api_->home();
    for (;;) {
      const auto q = query_.next(l.now());
      if (q.not_before > l.now()) WEFT_CO_TRY_VOID(co_await sleep(l, ctx, q.not_before));
      auto answer = co_await api_->health(ctx, service_, which_, q);
      WEFT_CO_TRY_VOID(ctx.check(l.now()));
      if (!answer) {
        query_.failed(l.now(), l.random());
        co_return fail(std::move(answer).error());
      }
      query_.answered(answer->index, l.now());
      if (last_ && *last_ == answer->value) continue;
      last_ = answer->value;
      co_return std::move(answer->value);
    }
  }

 private:
  std::shared_ptr<api> api_;
  std::string service_;
  api::which which_;
  blocking_query query_;
  std::optional<snapshot> last_;
};

class consul_registry final : public registry {
 public:
  consul_registry(loop& l, registry_options options)
      : options_{std::move(options)}, api_{std::make_shared<api>(l, options_.api)} {}

  bool accepts_registrations() const noexcept override { return true; }

  task<result<>> add(context ctx, registration r) override {
    auto id = r.self.id;
    const auto has_ttl = r.ttl > duration::zero();
    WEFT_CO_TRY_VOID(co_await api_->register_service(std::move(ctx), std::move(r)));
    if (has_ttl)
      with_ttl_.insert(std::move(id));
    else
      with_ttl_.erase(id);
    co_return result<>{};
  }

  task<result<>> remove(context ctx, std::string, std::string id) override {
    with_ttl_.erase(id);
    return api_->deregister_service(std::move(ctx), std::move(id));
  }

  task<result<>> heartbeat(context ctx, std::string, std::string id, health_state state, std::string note) override {
    if (state == health_state::draining) return api_->set_maintenance(std::move(ctx), std::move(id), std::move(note));
    if (with_ttl_.contains(id)) return api_->report_check(std::move(ctx), ttl_check_id(id), state, std::move(note));
    return still_there(api_, std::move(ctx), std::move(id));
  }

  std::unique_ptr<discovery::watch> watch(std::string service) override {
    return std::make_unique<consul_watch>(api_, std::move(service), options_);
  }

  task<result<snapshot>> resolve(context ctx, std::string service) override {
    auto found = co_await api_->health(std::move(ctx), std::move(service), options_.instances);
    if (!found) co_return fail(std::move(found).error());
    co_return std::move(found->value);
  }

 private:
  static task<result<>> still_there(std::shared_ptr<api> a, context ctx, std::string id) {
    WEFT_CO_TRY(const auto there, co_await a->has_service(std::move(ctx), id));
    if (!there) co_return fail(errc::not_found, "the agent has no service " + id);
    co_return result<>{};
  }

  registry_options options_;
  std::shared_ptr<api> api_;
  std::set<std::string, std::less<>> with_ttl_;
};

}  // namespace

result<registry_options> parse_registry_url(std::string_view url) {
  const auto scheme = url.substr(0, url.find("://"));
  if (scheme.size() + 3 > url.size() || (scheme != "consul" && scheme != "consuls"))
    return fail(errc::invalid_argument, "expected consul://host:port or consuls://host:port");
  const auto rest = url.substr(scheme.size() + 3);
  const auto place = rest.substr(0, rest.find_first_of("/?"));
  const auto query = rest.find('?');
  if (query != place.size() && rest.size() != place.size() && rest.substr(place.size(), query - place.size()) != "/")
    return fail(errc::invalid_argument, "nothing but parameters may follow the agent's address");
  WEFT_TRY(const auto where, net::endpoint::parse(place));
  WEFT_TRY(auto parameters, url_parameters::parse(query == std::string_view::npos ? "" : rest.substr(query + 1)));
  registry_options o;
  o.api.agent = (scheme == "consuls" ? "https://" : "http://") + where.authority();
  o.api.token = parameters.text("token");
  o.api.datacenter = parameters.text("dc");
  const auto mode = parameters.text("mode", "default");
  if (mode == "stale")
    o.api.consistency = consistency::stale;
  else if (mode == "consistent")
    o.api.consistency = consistency::consistent;
  else if (mode != "default")
    return fail(errc::invalid_argument, "mode must be default, stale or consistent");
  const auto health = parameters.text("health", "passing");
  if (health != "passing" && health != "any") return fail(errc::invalid_argument, "health must be passing or any");
  o.instances = health == "any" ? api::which::all : api::which::passing;
  WEFT_TRY(o.query.wait, parameters.time("wait", o.query.wait));
  if (o.query.wait < std::chrono::seconds{1} || o.query.wait > std::chrono::minutes{10})
    return fail(errc::invalid_argument, "wait must be from 1s to 10m");
  WEFT_TRY_VOID(parameters.none_left("dc, token, mode, health, wait"));
  return o;
}

std::unique_ptr<registry> make_registry(loop& l, registry_options options) {
  return std::make_unique<consul_registry>(l, std::move(options));
}

}  // namespace weft::discovery::consul

namespace weft::discovery {

result<std::unique_ptr<registry>> make_consul_registry(loop& l, std::string_view url, const registry_wiring& wiring) {
  WEFT_TRY(auto options, consul::parse_registry_url(url));
  if (!wiring.consul_token.empty()) options.api.token = wiring.consul_token;
  return consul::make_registry(l, std::move(options));
}

}  // namespace weft::discovery
