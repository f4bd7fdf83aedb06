#include <weft/net/dial.hpp>

#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <algorithm>

namespace weft::net {

namespace {

constexpr std::size_t most_attempts = 16;  // a name may have any number of addresses

// What the attempts at one endpoint share.
struct race {
  explicit race(loop& l) : changed{l} {}
  std::unique_ptr<stream> winner;
  std::vector<std::pair<address, error>> failures;
  event changed;
};

task<void> attempt(loop& l, context ctx, address to, const dial_options& options, race& shared) {
  auto made = co_await l.connect(ctx.with_timeout(l, options.attempt_timeout), to, options.socket);
  if (!made)
    shared.failures.emplace_back(std::move(to), std::move(made).error());
  else if (!shared.winner)
    shared.winner = *std::move(made);
  shared.changed.set();
}

error nobody_answered(const endpoint& to, const race& shared) {
  auto code = shared.failures.front().second.code();
  std::string said;
  for (const auto& [where, why] : shared.failures) {
    if (why.code() != code) code = errc::unavailable;
    if (!said.empty()) said += "; ";
    said.append(where.to_string()).append(": ").append(why.message());
  }
  return error{code, said}.with_operation("connecting").with_peer(to.to_string()).as_unprocessed();
}

task<result<std::unique_ptr<stream>>> connect_first(loop& l, context ctx, const endpoint& to,
                                                    std::vector<address> addresses, const dial_options& options) {
  race shared{l};
  task_group attempts{l};
  const auto inner = attempts.derive(ctx);
  const auto count = std::min(addresses.size(), most_attempts);
  std::size_t started = 0;
  while (!shared.winner && shared.failures.size() < count) {
    if (started < count) attempts.spawn(attempt(l, inner, std::move(addresses[started++]), options, shared));
    // An attempt that ends starts the next one at once; silence does so after a while.
    shared.changed.reset();
    const auto until = started < count ? context{}.with_timeout(l, options.stagger) : context{};
    static_cast<void>(co_await shared.changed.wait(until));
  }
  auto winner = std::move(shared.winner);
  co_await attempts.stop();
  if (winner) co_return winner;
  co_return fail(nobody_answered(to, shared));
}

}  // namespace

task<result<std::unique_ptr<stream>>> dial(loop& l, context ctx, endpoint to, dial_options options) {
  const auto refused = [&to](const error& e) {
    return fail(e.with_operation("connecting").with_peer(to.to_string()).as_unprocessed());
  };
  if (to.encrypted() && !options.tls)
    co_return refused(error{errc::failed_precondition, "the endpoint asks for TLS, and none is configured"}.with_remedy(
        "give the client a TLS context"));
  std::vector<address> addresses;
  if (to.scheme == "unix") {
    addresses.push_back(address::unix_path(to.path));
  } else {
    auto resolved = co_await l.resolve(ctx, to.host, to.port);
    if (!resolved) co_return refused(resolved.error());
    addresses = *std::move(resolved);
  }
  auto connected = co_await connect_first(l, ctx, to, std::move(addresses), options);
  if (!connected || !to.encrypted()) co_return connected;
  auto name = options.server_name.empty() ? to.host : options.server_name;
  auto secured = co_await tls_connect(l, ctx.with_timeout(l, options.attempt_timeout), *std::move(connected),
                                      *options.tls, std::move(name));
  if (!secured) co_return refused(secured.error());
  co_return secured;
}

}  // namespace weft::net
