#include <weft/messaging_http/admin_routes.hpp>
#include <weft/runtime/sleep.hpp>

#include <charconv>
#include <stdexcept>

#include "wire.hpp"

namespace weft::messaging {

result<> admin_options::validate() const {
  if (max_publish_bytes == 0) return fail(errc::invalid_argument, "max_publish_bytes: at least 1");
  if (max_dead_letters == 0) return fail(errc::invalid_argument, "max_dead_letters: at least 1");
  if (tail_heartbeat <= duration::zero()) return fail(errc::invalid_argument, "tail_heartbeat: longer than 0s");
  return {};
}

namespace {

using answer = task<result<http::response>>;

struct admin_state {
  loop& l;
  broker& bus;
  admin_options options;
  std::size_t tails = 0;
};
using admin_ptr = std::shared_ptr<admin_state>;

http::response refused(const error& e) {
  return http::response::json(wire::problem_answer{wire::to_wire(e)}, http::status_of(e));
}

// As long as the longer of the two, whatever the difference is: the time does not tell where it is.
bool same_secret(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < b.size(); ++i)
    difference |= static_cast<unsigned char>(i < a.size() ? a[i] : '\0') ^ static_cast<unsigned char>(b[i]);
  return difference == 0;
}

bool may(const admin_state& s, const http::request& r) {
  if (s.options.token.empty()) return true;
  const auto given = r.headers.get("Authorization").value_or("");
  constexpr std::string_view scheme = "Bearer ";
  return given.starts_with(scheme) && same_secret(given.substr(scheme.size()), s.options.token);
}

result<broker_admin*> admin_of(admin_state& s) {
  if (auto* admin = s.bus.admin()) return admin;
  return fail(errc::unimplemented, "the broker " + s.bus.features().broker + " does not let anybody look into it");
}

answer show_features(admin_ptr s, http::request&) { co_return http::response::json(wire::to_wire(s->bus.features())); }

answer show_groups(admin_ptr s, http::request& r) {
  const auto admin = admin_of(*s);
  if (!admin) co_return refused(admin.error());
  const auto depths = co_await (*admin)->depths(r.context());
  if (!depths) co_return refused(depths.error());
  std::vector<wire::depth> list;
  for (const auto& d : *depths) list.push_back(wire::to_wire(d));
  co_return http::response::json(list);
}

result<std::uint64_t> number_of(const http::request& r, std::string_view name, std::uint64_t otherwise) {
  const auto text = r.query(name);
  if (!text) return otherwise;
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (problem == std::errc{} && end == text->data() + text->size()) return number;
  return fail(errc::invalid_argument, std::string{name} + ": '" + *text + "' is no number");
}

answer show_dead_letters(admin_ptr s, http::request& r) {
  const auto admin = admin_of(*s);
  const auto after = number_of(r, "after", 0), limit = number_of(r, "limit", 100);
  if (!admin) co_return refused(admin.error());
  if (!after) co_return refused(after.error());
  if (!limit) co_return refused(limit.error());
  dead_letter_query query{.group = r.query("group").value_or(""),
                          .after = *after,
                          .limit = std::min<std::size_t>(*limit, s->options.max_dead_letters)};
  const auto entries = co_await (*admin)->dead_letters(r.context(), std::move(query));
  if (!entries) co_return refused(entries.error());
  std::vector<wire::dead> list;
  for (const auto& d : *entries) list.push_back(wire::to_wire(d));
  co_return http::response::json(list);
}

using deed = task<result<std::size_t>> (*)(broker_admin&, context, wire::selection);

task<result<std::size_t>> replay(broker_admin& at, context ctx, wire::selection what) {
  return at.replay(std::move(ctx), std::move(what.group), std::move(what.numbers));
}
task<result<std::size_t>> purge(broker_admin& at, context ctx, wire::selection what) {
  return at.purge(std::move(ctx), std::move(what.group), std::move(what.numbers));
}
task<result<std::size_t>> clear(broker_admin& at, context ctx, wire::selection what) {
  return at.clear(std::move(ctx), std::move(what.group));
}
task<result<std::size_t>> remove_group(broker_admin& at, context ctx, wire::selection what) {
  WEFT_CO_TRY_VOID(co_await at.remove_group(std::move(ctx), std::move(what.group)));
  co_return std::size_t{1};
}

answer do_deed(admin_ptr s, deed how, http::request& r) {
  const auto admin = admin_of(*s);
  if (!admin) co_return refused(admin.error());
  auto what = co_await r.json<wire::selection>();
  if (!what) co_return refused(what.error());
  const auto done = co_await how(**admin, r.context(), *std::move(what));
  if (!done) co_return refused(done.error());
  co_return http::response::json(wire::count{*done});
}

answer publish(admin_ptr s, http::request& r) {
  auto asked = co_await r.json<std::vector<wire::publication>>(s->options.max_publish_bytes);
  if (!asked) co_return refused(asked.error());
  std::vector<outgoing> batch;
  for (auto& each : *asked) {
    auto what = wire::from_wire(std::move(each.what));
    if (!what) co_return refused(what.error());
    batch.push_back({.what = *std::move(what),
                     .delay = each.delay,
                     .if_unroutable = each.mandatory ? unroutable::refuse : unroutable::drop});
  }
  std::vector<wire::outcome> outcomes;
  for (const auto& each : co_await s->bus.publish(r.context(), std::move(batch)))
    outcomes.push_back({each ? std::nullopt : std::optional{wire::to_wire(each.error())}});
  co_return http::response::json(outcomes);
}

// The messages of one follower, a line each, for as long as it reads them.
class followed {
 public:
  followed(admin_ptr s, std::unique_ptr<consumer> from) : state_{std::move(s)}, from_{std::move(from)} {
    ++state_->tails;
  }
  ~followed() { --state_->tails; }
  followed(const followed&) = delete;
  followed& operator=(const followed&) = delete;

  task<result<std::string>> next() {
    if (!std::exchange(begun_, true)) co_return "\n";  // says that the subscription is there
    std::string lines;
    for (auto d = from_->try_next(); d; d = lines.size() < piece_bytes ? from_->try_next() : std::nullopt)
      WEFT_CO_TRY_VOID(co_await take(*std::move(d), lines));
    if (!lines.empty()) co_return lines;
    auto d = co_await from_->next(context{}.with_timeout(state_->l, state_->options.tail_heartbeat));
    if (!d && d.error().code() == errc::deadline_exceeded) co_return "\n";
    if (!d && d.error().code() == errc::aborted) co_return "\n";  // the group was lost, and goes on anew
    if (!d) co_return fail(d.error());
    if (*d) WEFT_CO_TRY_VOID(co_await take(**std::move(d), lines));
    co_return lines;
  }

 private:
  static constexpr std::size_t piece_bytes = 64 * 1024;

  task<result<>> take(raw_delivery d, std::string& lines) {
    lines += json::encode(wire::to_wire(*d.what)) + "\n";
    const auto settled = co_await from_->settle(context{}, d.tag, settlement::ack());
    // One that was lost with its connection comes again.
    if (!settled && settled.error().code() != errc::aborted) co_return settled;
    co_return result<>{};
  }

  admin_ptr state_;
  std::unique_ptr<consumer> from_;
  bool begun_ = false;
};

answer follow(admin_ptr s, http::request& r) {
  if (s->tails >= s->options.max_tails) {
    const error e{errc::resource_exhausted, std::to_string(s->tails) + " follow already"};
    co_return refused(e.with_remedy("end one of them, or raise max_tails"));
  }
  auto from = co_await s->bus.subscribe(r.context(), {.group = {},
                                                      .patterns = {r.query("pattern").value_or("")},
                                                      .order = ordering::none,
                                                      .lives = lifetime::ephemeral});
  if (!from) co_return refused(from.error());
  const auto each = std::make_shared<followed>(s, *std::move(from));
  http::response stream{http::status::ok, http::body::generate([each] { return each->next(); })};
  stream.headers.set("Content-Type", "application/jsonl");
  stream.headers.set("Cache-Control", "no-store");
  co_return stream;
}

answer challenge() {
  const error e{errc::unauthenticated, "the broker's administration asks for a token"};
  auto r = refused(e.with_remedy("name it in the URL, as http://:TOKEN@host:port"));
  r.headers.set("WWW-Authenticate", "Bearer");
  co_return r;
}

}  // namespace

http::router admin_routes(loop& l, broker& of, admin_options options) {
  if (const auto valid = options.validate(); !valid)
    throw std::invalid_argument{"admin_options: " + std::string{valid.error().message()}};
  const auto s = std::make_shared<admin_state>(l, of, std::move(options));
  http::router routes;
  routes.use([s](http::handler next) -> http::handler {
    return [s, next = std::move(next)](http::request& r) { return may(*s, r) ? next(r) : challenge(); };
  });
  routes.get("/features", [s](http::request& r) { return show_features(s, r); });
  routes.get("/groups", [s](http::request& r) { return show_groups(s, r); });
  routes.get("/dead_letters", [s](http::request& r) { return show_dead_letters(s, r); });
  routes.get("/tail", [s](http::request& r) { return follow(s, r); });
  routes.post("/publish", [s](http::request& r) { return publish(s, r); });
  const std::pair<std::string_view, deed> deeds[] = {
      {"/replay", replay}, {"/purge", purge}, {"/clear", clear}, {"/remove_group", remove_group}};
  for (const auto& [path, how] : deeds) routes.post(path, [s, how](http::request& r) { return do_deed(s, how, r); });
  return routes;
}

}  // namespace weft::messaging
