// How a host listens, connects and looks names up.
#include "core.hpp"
#include "machine.hpp"
#include "simulated_stream.hpp"

#include <weft/runtime/sleep.hpp>

#include <algorithm>

namespace weft::testkit {

namespace {

bool is_any(const address& a) { return a.bytes() == address::any(0).bytes(); }  // :: has the same, all zero

bool is_loopback(const address& a) {
  if (a.type() == address::kind::ip4) return a.bytes()[0] == 127;
  if (a.type() != address::kind::ip6) return false;
  std::array<std::uint8_t, 16> one{};
  one[15] = 1;
  return a.bytes() == one;
}

class readiness final : public io_waiter {
 public:
  readiness(stream& s, io_direction direction) noexcept : stream_{s}, direction_{direction} {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> frame) {
    frame_ = frame;
    stream_.wait(direction_, *this);
  }
  result<> await_resume() const {
    if (interrupted()) return fail(reason(), "the wait was interrupted");
    return {};
  }
  void run() override { frame_.resume(); }

 private:
  stream& stream_;
  io_direction direction_;
  std::coroutine_handle<> frame_;
};

}  // namespace

bool machine::owns(const weft::address& a) const { return a.with_port(0) == address(0); }

std::uint16_t machine::free_port() {
  while (next_port_ < first_free_port || ports_.contains(next_port_))
    next_port_ = next_port_ < first_free_port ? first_free_port : static_cast<std::uint16_t>(next_port_ + 1);
  return next_port_++;
}

result<std::unique_ptr<listener>> machine::listen(const weft::address& at, listen_options options) {
  const auto taken = [&at] {
    return weft::fail(error{errc::already_exists, "address already in use"}
                          .with_operation("listening on " + at.to_string())
                          .with_remedy("another listener of this host has it: stop it, or choose another port"));
  };
  if (at.type() == weft::address::kind::unix_path) {
    if (paths_.contains(at.path())) return taken();
    auto made = std::make_unique<simulated_listener>(*this, at, options);
    paths_[at.path()] = made.get();
    return made;
  }
  if (at.type() == weft::address::kind::none) return weft::fail(errc::invalid_argument, "no address to listen on");
  if (!is_any(at) && !is_loopback(at) && !owns(at))
    return weft::fail(
        error{errc::invalid_argument, "not an address of this host"}.with_operation("listening on " + at.to_string()));
  auto port = at.port();
  if (port == 0) port = free_port();
  auto local = at.with_port(port);
  auto& there = ports_[port];
  for (const auto* other : there) {
    const bool apart = !is_any(local) && !is_any(other->local()) && other->local() != local;
    if (!apart && !(options.share_port && other->shares_port())) return taken();
  }
  auto made = std::make_unique<simulated_listener>(*this, std::move(local), options);
  there.push_back(made.get());
  return made;
}

void machine::forget(simulated_listener& l) {
  if (l.local().type() == weft::address::kind::unix_path) {
    if (const auto found = paths_.find(l.local().path()); found != paths_.end() && found->second == &l)
      paths_.erase(found);
    return;
  }
  const auto found = ports_.find(l.local().port());
  if (found == ports_.end()) return;
  std::erase(found->second, &l);
  if (found->second.empty()) ports_.erase(found);
}

simulated_listener* machine::listening_at(const weft::address& at) {
  if (at.type() == weft::address::kind::unix_path) {
    const auto found = paths_.find(at.path());
    return found == paths_.end() ? nullptr : found->second;
  }
  const auto found = ports_.find(at.port());
  if (found == ports_.end()) return nullptr;
  const auto& there = found->second;
  for (std::size_t i = 0; i < there.size(); ++i) {
    auto* l = there[(round_robin_ + i) % there.size()];
    const bool fits = is_any(l->local()) || (is_loopback(at) ? is_loopback(l->local()) : l->local() == at);
    if (!fits) continue;
    if (there.size() > 1) round_robin_ += i + 1;
    return l;
  }
  return nullptr;
}

task<result<std::unique_ptr<stream>>> machine::connect(context ctx, weft::address to, connect_options) {
  WEFT_CO_TRY_VOID(ctx.check(now()));
  const auto refused = [&to](error e) { return weft::fail(e.with_operation("connecting").with_peer(to.to_string())); };
  machine* target = this;
  auto local = weft::address::unix_path("");
  if (to.type() == weft::address::kind::none) co_return weft::fail(errc::invalid_argument, "no address to connect to");
  if (to.type() == weft::address::kind::unix_path) {
    if (!paths_.contains(to.path())) co_return refused(error{errc::unavailable, "no such file or directory"});
  } else {
    const auto port = free_port();
    if (is_loopback(to)) {
      local = to.with_port(port);
    } else {
      target = core_.find(to);
      local = address(port);
    }
  }
  if (target == nullptr) co_return refused(error{errc::unavailable, "no host has this address"});
  auto made = std::make_unique<simulated_stream>(*this, core_.net.open(*this, *target, std::move(local), to), 0);
  {
    const interrupt_on_end guard{*this, ctx, *made};
    auto waited = co_await readiness(*made, io_direction::write);
    if (!waited) co_return refused(waited.error());
  }
  if (made->failed()) co_return refused(made->failure());
  co_return made;
}

task<result<std::vector<weft::address>>> machine::resolve(context ctx, std::string host, std::uint16_t port) {
  WEFT_CO_TRY_VOID(ctx.check(now()));
  if (auto literal = weft::address::parse_host(host, port)) co_return std::vector{*literal};
  if (host == "localhost") co_return std::vector{weft::address::loopback(port)};
  WEFT_CO_TRY_VOID(co_await sleep(*this, ctx, core_.options.network.name_lookup));
  if (!core_.dns_available) co_return weft::fail(error{errc::unavailable, "no name server answers"}.with_peer(host));
  if (const auto* m = core_.find(host)) co_return std::vector{m->address(port)};
  std::vector<weft::address> found;
  if (const auto records = core_.dns.find(host); records != core_.dns.end())
    for (const auto& r : records->second)
      if (r.type != dns_type::srv) found.push_back(r.where.with_port(port));
  if (found.empty()) co_return weft::fail(error{errc::not_found, "no such host"}.with_peer(host));
  co_return found;
}

task<result<std::vector<dns_record>>> machine::query_dns(context ctx, std::string name, dns_type type) {
  WEFT_CO_TRY_VOID(ctx.check(now()));
  WEFT_CO_TRY_VOID(co_await sleep(*this, ctx, core_.options.network.name_lookup));
  if (!core_.dns_available) co_return weft::fail(error{errc::unavailable, "no name server answers"}.with_peer(name));
  std::vector<dns_record> found;
  if (const auto records = core_.dns.find(name); records != core_.dns.end())
    std::ranges::copy_if(records->second, std::back_inserter(found),
                         [type](const dns_record& r) { return r.type == type; });
  else if (const auto* m = core_.find(name); m != nullptr && type == dns_type::a)
    found.push_back({.type = type, .ttl = std::chrono::seconds{30}, .where = m->address(0)});
  if (found.empty()) co_return weft::fail(error{errc::not_found, "no such record"}.with_peer(name));
  co_return found;
}

}  // namespace weft::testkit
