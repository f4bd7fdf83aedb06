#include <weft/http/url.hpp>

#include <charconv>

#include "wire.hpp"

namespace weft::discovery::consul {
namespace {

constexpr std::size_t max_answer_bytes = 16 << 20;
constexpr std::size_t quoted_at_most = 200;

struct answer {
  http::status status;
  std::string text;
  std::uint64_t index = 0;
};

}  // namespace

struct api::impl {
  impl(loop& l, api_options o) : options{std::move(o)}, client{l, client_of(options)} {}

  static http::client_options client_of(const api_options& o) {
    // Blocking queries of many services wait at the same time; each has its own deadline.
    return {.base_url = o.agent, .response_timeout = std::chrono::minutes{15}, .max_connections = 512, .tls = o.tls};
  }

  // The target without the query that every request has.
  enum class kind : std::uint8_t { agent, catalog, read };
  static task<result<answer>> ask(std::shared_ptr<impl> self, context ctx, http::method m, std::string target, kind k,
                                  std::string content = {}) {
    const auto shown = std::string{http::to_string(m)} + " " + target.substr(0, target.find('?'));
    const auto add = [&target](std::string_view name, std::string_view value) {
      target += target.find('?') == std::string::npos ? '?' : '&';
      target += name;
      if (!value.empty()) target.append("=").append(http::percent_encode(value));
    };
    if (k != kind::agent && !self->options.datacenter.empty()) add("dc", self->options.datacenter);
    if (k == kind::read && self->options.consistency == consul::consistency::stale) add("stale", {});
    if (k == kind::read && self->options.consistency == consul::consistency::consistent) add("consistent", {});
    http::request r{m, target, std::move(content)};
    if (!self->options.token.empty()) r.headers.add("X-Consul-Token", self->options.token);

    auto came = co_await self->client.send(ctx, std::move(r));
    if (!came) co_return fail(came.error().with_operation(shown).with_peer(self->options.agent));
    auto text = co_await came->content.text(max_answer_bytes);
    if (!text) co_return fail(text.error().with_operation(shown).with_peer(self->options.agent));
    answer a{.status = came->status, .text = std::string{*text}};
    if (const auto index = came->headers.get("X-Consul-Index"))
      std::from_chars(index->data(), index->data() + index->size(), a.index);
    if (came->ok() || a.status == http::status::not_found) co_return a;
    co_return fail(self->refusal(a).with_operation(shown).with_peer(self->options.agent));
  }

  [[nodiscard]] error refusal(const answer& a) const {
    const auto said = "status " + std::to_string(http::to_int(a.status)) + ": " +
                      a.text.substr(0, std::min(quoted_at_most, a.text.find_last_not_of(" \r\n") + 1));
    if (a.status == http::status::forbidden)
      return error{errc::permission_denied, said}.with_remedy(
          options.token.empty() ? "give a token whose policy allows it" : "check the token and its policy");
    // "No cluster leader", and whatever else the servers cannot do at the moment.
    const auto status = http::to_int(a.status);
    return error{status >= 500 ? errc::unavailable : http::code_of(a.status), said};
  }

  // What a key's name, or a service's, looks like in a path.
  context bounded(const context& ctx) { return ctx.with_timeout(client.home(), options.timeout); }
  context bounded(const context& ctx, const blocking_query::question& q) {
    return q.index == 0 ? bounded(ctx) : ctx.with_timeout(client.home(), q.timeout);
  }

  api_options options;
  http::client client;
};

namespace {

std::string with_index(std::string target, const blocking_query::question& q) {
  if (q.index == 0) return target;
  target += target.find('?') == std::string::npos ? '?' : '&';
  return target + "index=" + std::to_string(q.index) + "&wait=" + go_duration(q.wait);
}

std::unexpected<error> not_there(std::string_view what) { return fail(errc::not_found, what); }

result<bool> decode_bool(std::string_view text) {
  if (text.starts_with("true")) return true;
  if (text.starts_with("false")) return false;
  return fail(errc::data_loss, "Consul's answer: neither true nor false");
}

}  // namespace

api::api(loop& l, api_options options) : impl_{std::make_shared<impl>(l, std::move(options))} {}
api::~api() = default;
loop& api::home() const noexcept { return impl_->client.home(); }

task<result<>> api::register_service(context ctx, registration r) {
  auto self = impl_;
  WEFT_CO_TRY(auto content, encode_registration(r));
  auto done = co_await impl::ask(self, self->bounded(ctx), http::method::put,
                                 "/v1/agent/service/register?replace-existing-checks=true", impl::kind::agent,
                                 std::move(content));
  if (!done) co_return fail(std::move(done).error());
  if (done->status == http::status::not_found) co_return not_there("this is not a Consul agent");
  co_return result<>{};
}

task<result<>> api::deregister_service(context ctx, std::string id) {
  auto self = impl_;
  auto done = co_await impl::ask(self, self->bounded(ctx), http::method::put,
                                 "/v1/agent/service/deregister/" + http::percent_encode(id), impl::kind::agent);
  if (!done) co_return fail(std::move(done).error());
  co_return result<>{};
}

task<result<>> api::report_check(context ctx, std::string check_id, health_state state, std::string note) {
  auto self = impl_;
  const auto* verb = state == health_state::critical ? "fail" : state == health_state::warning ? "warn" : "pass";
  auto target = std::string{"/v1/agent/check/"} + verb + "/" + http::percent_encode(check_id);
  if (!note.empty()) target += "?note=" + http::percent_encode(note);
  WEFT_CO_TRY(auto done, co_await impl::ask(self, self->bounded(ctx), http::method::put, target, impl::kind::agent));
  if (done.status == http::status::not_found) co_return not_there("the agent has no check " + check_id);
  co_return result<>{};
}

task<result<>> api::set_maintenance(context ctx, std::string id, std::string reason) {
  auto self = impl_;
  WEFT_CO_TRY(auto done, co_await impl::ask(self, self->bounded(ctx), http::method::put,
                                            "/v1/agent/service/maintenance/" + http::percent_encode(id) +
                                                "?enable=true&reason=" + http::percent_encode(reason),
                                            impl::kind::agent));
  if (done.status == http::status::not_found) co_return not_there("the agent has no service " + id);
  co_return result<>{};
}

task<result<bool>> api::has_service(context ctx, std::string id) {
  auto self = impl_;
  WEFT_CO_TRY(auto done, co_await impl::ask(self, self->bounded(ctx), http::method::get,
                                            "/v1/agent/service/" + http::percent_encode(id), impl::kind::agent));
  co_return done.status != http::status::not_found;
}

task<result<indexed<snapshot>>> api::health(context ctx, std::string service, which w, blocking_query::question q) {
  auto self = impl_;
  auto target = "/v1/health/service/" + http::percent_encode(service) + (w == which::passing ? "?passing" : "");
  WEFT_CO_TRY(auto done, co_await impl::ask(self, self->bounded(ctx, q), http::method::get,
                                            with_index(std::move(target), q), impl::kind::read));
  if (done.status == http::status::not_found) co_return not_there("this is not a Consul agent");
  WEFT_CO_TRY(auto found, decode_health(done.text));
  co_return indexed<snapshot>{std::move(found), done.index};
}

task<result<indexed<std::optional<kv_entry>>>> api::get(context ctx, std::string key, blocking_query::question q) {
  auto self = impl_;
  WEFT_CO_TRY(auto done,
              co_await impl::ask(self, self->bounded(ctx, q), http::method::get,
                                 with_index("/v1/kv/" + http::percent_encode_path(key), q), impl::kind::read));
  if (done.status == http::status::not_found) co_return indexed<std::optional<kv_entry>>{std::nullopt, done.index};
  WEFT_CO_TRY(auto entry, decode_kv(done.text));
  co_return indexed<std::optional<kv_entry>>{std::move(entry), done.index};
}

task<result<std::optional<kv_entry>>> api::get(context ctx, std::string key) {
  auto found = co_await get(std::move(ctx), std::move(key), blocking_query::question{});
  if (!found) co_return fail(std::move(found).error());
  co_return std::move(found->value);
}

task<result<bool>> api::put(context ctx, std::string key, std::string value, kv_put options) {
  auto self = impl_;
  if (value.size() > max_value_bytes)
    co_return fail(errc::invalid_argument,
                   "a value of " + std::to_string(value.size()) + " bytes; Consul takes at most 524288");
  auto target = "/v1/kv/" + http::percent_encode_path(key) + "?flags=" + std::to_string(options.flags);
  if (options.cas) target += "&cas=" + std::to_string(*options.cas);
  if (!options.acquire.empty()) target += "&acquire=" + http::percent_encode(options.acquire);
  if (!options.release.empty()) target += "&release=" + http::percent_encode(options.release);
  WEFT_CO_TRY(auto done, co_await impl::ask(self, self->bounded(ctx), http::method::put, std::move(target),
                                            impl::kind::catalog, std::move(value)));
  co_return decode_bool(done.text);
}

task<result<bool>> api::remove(context ctx, std::string key, std::optional<std::uint64_t> cas) {
  auto self = impl_;
  auto target = "/v1/kv/" + http::percent_encode_path(key);
  if (cas) target += "?cas=" + std::to_string(*cas);
  WEFT_CO_TRY(auto done, co_await impl::ask(self, self->bounded(ctx), http::method::delete_, std::move(target),
                                            impl::kind::catalog));
  co_return decode_bool(done.text);
}

task<result<std::string>> api::create_session(context ctx, session_options options) {
  auto self = impl_;
  WEFT_CO_TRY(auto content, encode_session(options));
  WEFT_CO_TRY(auto done, co_await impl::ask(self, self->bounded(ctx), http::method::put, "/v1/session/create",
                                            impl::kind::catalog, std::move(content)));
  co_return decode_session_id(done.text);
}

task<result<>> api::renew_session(context ctx, std::string id) {
  auto self = impl_;
  WEFT_CO_TRY(auto done, co_await impl::ask(self, self->bounded(ctx), http::method::put,
                                            "/v1/session/renew/" + http::percent_encode(id), impl::kind::catalog));
  if (done.status == http::status::not_found) co_return not_there("the session has ended");
  co_return result<>{};
}

task<result<>> api::destroy_session(context ctx, std::string id) {
  auto self = impl_;
  WEFT_CO_TRY_VOID(co_await impl::ask(self, self->bounded(ctx), http::method::put,
                                      "/v1/session/destroy/" + http::percent_encode(id), impl::kind::catalog));
  co_return result<>{};
}

}  // namespace weft::discovery::consul
