#include "connecting.hpp"

#include "error.hpp"
#include "url_settings.hpp"

#include <algorithm>
#include <charconv>

namespace weft::storage {

namespace {

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const auto comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

using settings = std::vector<std::pair<std::string, std::string>>;

std::string take(settings& all, std::string_view name) {
  const auto found = std::ranges::find(all, name, [](const auto& s) { return std::string_view{s.first}; });
  if (found == all.end()) return {};
  auto text = std::move(found->second);
  all.erase(found);
  return text;
}

std::unexpected<error> bad_url() {
  return fail(error{errc::invalid_argument, "the URL of the database cannot be read"}.with_remedy(
      "postgres://user:password@host:port/name?option=value; percent-encode what is special"));
}

// Those that are set, by the environment or, stronger, by the URL.
result<settings> read_settings(const std::string& url) {
  struct free_options {
    void operator()(PQconninfoOption* o) const noexcept { PQconninfoFree(o); }
  };
  using options = std::unique_ptr<PQconninfoOption, free_options>;
  settings all;
  const auto add = [&all](const PQconninfoOption* o) {
    for (; o != nullptr && o->keyword != nullptr; ++o) {
      if (o->val == nullptr) continue;
      static_cast<void>(take(all, o->keyword));
      all.emplace_back(o->keyword, o->val);
    }
  };
  const options from_environment{PQconndefaults()};
  add(from_environment.get());
  char* problem = nullptr;  // libpq quotes the URL in it, password and all
  const options from_url{PQconninfoParse(url.c_str(), &problem)};
  PQfreemem(problem);
  if (!from_url) return bad_url();
  add(from_url.get());
  return all;
}

// Ends a wait on a descriptor with its context.
class end_wait final : timer_node, cancel_callback {
 public:
  end_wait(loop& l, const context& ctx, watched_descriptor& d, io_direction direction)
      : descriptor_{d}, direction_{direction} {
    if (ctx.has_deadline()) l.arm(*this, ctx.deadline());
    watch(ctx.cancellation());
  }

 private:
  void expire() override { descriptor_.cancel(direction_, errc::deadline_exceeded); }
  void cancelled(errc reason) override { descriptor_.cancel(direction_, reason); }
  watched_descriptor& descriptor_;
  io_direction direction_;
};

pg_handle start(const pg_target& target, const pg_host& host) {
  std::vector<const char*> names, values;
  const auto add = [&](const char* name, const std::string& text) {
    if (text.empty()) return;
    names.push_back(name);
    values.push_back(text.c_str());
  };
  for (const auto& [name, text] : target.settings) add(name.c_str(), text);
  add("host", host.name);
  add("hostaddr", host.address);
  add("port", host.port);
  names.push_back(nullptr);
  values.push_back(nullptr);
  return pg_handle{PQconnectStartParams(names.data(), values.data(), 0)};
}

error connect_failure(PGconn* c, const pg_target& target) {
  const auto text = one_line(c != nullptr ? PQerrorMessage(c) : "out of memory");
  // libpq 15 keeps no error code of a failed start; it tells these apart in words only.
  const bool refused_by_rule = text.contains("password authentication failed") ||
                               text.contains("no pg_hba.conf entry") || text.contains("no password supplied") ||
                               text.contains("authentication failed");
  const bool unknown_name = text.contains("FATAL:  database \"") && text.contains("does not exist");
  const auto code = refused_by_rule ? errc::unauthenticated : unknown_name ? errc::not_found : errc::unavailable;
  return error{code, text}.with_operation("connecting to PostgreSQL").with_peer(target.describe()).as_unprocessed();
}

task<result<pg_session>> connect_one(loop& l, context ctx, const pg_target& target, pg_host host) {
  auto handle = start(target, host);
  if (!handle || PQstatus(handle.get()) == CONNECTION_BAD) co_return fail(connect_failure(handle.get(), target));
  pg_key_reader key{handle.get()};
  auto direction = io_direction::write;
  for (;;) {
    {  // libpq may change its descriptor at each step
      WEFT_CO_TRY(const auto watched, l.watch(PQsocket(handle.get())));
      if (auto waited = co_await ready(l, ctx, *watched, direction); !waited)
        co_return fail(error{waited.error().code(), "no connection in time"}
                           .with_operation("connecting to PostgreSQL")
                           .with_peer(target.describe())
                           .as_unprocessed());
    }
    switch (PQconnectPoll(handle.get())) {
      case PGRES_POLLING_OK: {
        pg_session made{.key = key.read()};
        made.peer = peer_of(handle.get());
        made.handle = std::move(handle);
        co_return made;
      }
      case PGRES_POLLING_READING:
        direction = io_direction::read;
        break;
      case PGRES_POLLING_WRITING:
        direction = io_direction::write;
        break;
      default:
        co_return fail(connect_failure(handle.get(), target));
    }
  }
}

// One for each address of the name; libpq itself would ask the name server while the loop waits.
task<result<std::vector<pg_host>>> resolve(loop& l, context ctx, pg_host host) {
  std::vector<pg_host> all;
  if (!host.address.empty() || host.name.empty() || host.name.starts_with('/') || host.name.starts_with('@')) {
    all.push_back(std::move(host));
    co_return all;
  }
  WEFT_CO_TRY(const auto addresses, co_await l.resolve(std::move(ctx), host.name, 0));
  for (const auto& a : addresses) {
    auto text = a.to_string();  // 10.0.0.1:0 or [::1]:0
    text.resize(text.rfind(':'));
    if (text.starts_with('[')) text = text.substr(1, text.size() - 2);
    all.push_back({host.name, std::move(text), host.port});
  }
  co_return all;
}

}  // namespace

std::string pg_target::describe() const {
  std::string text;
  for (const auto& host : hosts) {
    if (!text.empty()) text += ',';
    text += host.name.empty() ? "local" : host.name;
    if (!host.port.empty()) text += ":" + host.port;
  }
  for (const auto& [name, value] : settings)
    if (name == "dbname") text += "/" + value;
  return text;
}

result<pg_target> parse_target(postgres_options& options) {
  WEFT_TRY_VOID(take_pool_settings(options));
  WEFT_TRY(auto all, read_settings(options.url));
  static_cast<void>(take(all, "connect_timeout"));  // of the environment, for libpq's own way to connect
  pg_target target;
  const auto names = split(take(all, "host"));
  const auto addresses = split(take(all, "hostaddr"));
  const auto ports = split(take(all, "port"));
  const auto count = std::max(names.size(), addresses.size());
  if (ports.size() != 1 && ports.size() != count) return bad_url();
  for (std::size_t i = 0; i < count; ++i)
    target.hosts.push_back({i < names.size() ? names[i] : "", i < addresses.size() ? addresses[i] : "",
                            ports.size() == 1 ? ports[0] : ports[i]});
  if (options.statement_timeout.count() > 0) {
    const auto more = "-c statement_timeout=" + std::to_string(options.statement_timeout.count());
    const auto before = take(all, "options");
    all.emplace_back("options", before.empty() ? more : before + " " + more);
  }
  static_cast<void>(take(all, "client_encoding"));
  all.emplace_back("client_encoding", "UTF8");
  static_cast<void>(take(all, "fallback_application_name"));
  all.emplace_back("fallback_application_name", options.application_name);
  target.settings = std::move(all);
  return target;
}

task<result<>> ready(loop& l, context ctx, watched_descriptor& descriptor, io_direction direction) {
  WEFT_CO_TRY_VOID(ctx.check(l.now()));
  const end_wait guard{l, ctx, descriptor, direction};
  co_return co_await descriptor.ready(direction);
}

task<result<pg_session>> connect_to(loop& l, context ctx, pg_target target) {
  result<pg_session> last = fail(errc::unavailable, "no host is named");
  for (const auto& host : target.hosts) {
    auto addresses = co_await resolve(l, ctx, host);
    if (!addresses) {
      last = fail(addresses.error().with_operation("connecting to PostgreSQL").with_peer(host.name).as_unprocessed());
      continue;
    }
    for (const auto& at : *addresses) {
      last = co_await connect_one(l, ctx, target, at);
      if (last || !ctx.check(l.now())) co_return last;
    }
  }
  co_return last;
}

}  // namespace weft::storage
