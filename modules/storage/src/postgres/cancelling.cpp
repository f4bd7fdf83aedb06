#include "cancelling.hpp"

#include <weft/runtime/cancellation.hpp>

#include <array>
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

namespace weft::storage {

namespace {

// Ends what waits on a stream with the context.
class end_with final : timer_node, cancel_callback {
 public:
  end_with(loop& l, const context& ctx, stream& s) : stream_{s} {
    if (ctx.has_deadline()) l.arm(*this, ctx.deadline());
    watch(ctx.cancellation());
  }

 private:
  void expire() override { stream_.cancel(errc::deadline_exceeded); }
  void cancelled(errc reason) override { stream_.cancel(reason); }
  stream& stream_;
};

std::array<char, 16> request_of(pg_cancel_key key) {
  constexpr std::uint32_t cancel_request = 80877102;
  std::array<char, 16> bytes{};
  std::size_t at = 0;
  for (const std::uint32_t word : {std::uint32_t{16}, cancel_request, key.process, key.secret})
    for (int shift = 24; shift >= 0; shift -= 8) bytes[at++] = static_cast<char>((word >> shift) & 0xffU);
  return bytes;
}

std::string_view next_word(std::string_view& text) {
  const auto begin = std::min(text.find_first_not_of(" \t"), text.size());
  const auto end = std::min(text.find_first_of(" \t\n", begin), text.size());
  const auto word = text.substr(begin, end - begin);
  text.remove_prefix(end);
  return word;
}

std::optional<std::uint32_t> number(std::string_view word) {
  std::int64_t value = 0;  // libpq shows it signed
  const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (problem != std::errc{} || end != word.data() + word.size() || word.empty()) return std::nullopt;
  return static_cast<std::uint32_t>(value);
}

}  // namespace

pg_key_reader::pg_key_reader(PGconn* connection) : connection_{connection}, stream_{::open_memstream(&text_, &size_)} {
  if (stream_ == nullptr) return;
  PQtrace(connection_, stream_);
  PQsetTraceFlags(connection_, PQTRACE_SUPPRESS_TIMESTAMPS);
}

void pg_key_reader::stop() noexcept {
  if (stream_ != nullptr) {
    PQuntrace(connection_);
    std::fclose(std::exchange(stream_, nullptr));
  }
  std::free(std::exchange(text_, nullptr));
}

std::optional<pg_cancel_key> pg_key_reader::read() {
  if (stream_ == nullptr) return std::nullopt;
  PQuntrace(connection_);
  std::fclose(std::exchange(stream_, nullptr));
  std::string_view rest{text_, size_};
  constexpr std::string_view message = "BackendKeyData";
  const auto at = rest.find(message);
  std::optional<pg_cancel_key> key;
  if (at != std::string_view::npos) {
    rest.remove_prefix(at + message.size());
    const auto process = number(next_word(rest)), secret = number(next_word(rest));
    // The same number that libpq tells, or this is no such message.
    if (process && secret && static_cast<int>(*process) == PQbackendPID(connection_))
      key = pg_cancel_key{*process, *secret};
  }
  stop();
  return key;
}

address peer_of(PGconn* connection) {
  const auto text = [](const char* said) { return std::string{said != nullptr ? said : ""}; };
  const auto host = text(PQhost(connection)), numeric = text(PQhostaddr(connection)), port = text(PQport(connection));
  if (host.starts_with('/')) return address::unix_path(host + "/.s.PGSQL." + port);
  std::uint16_t number = 0;
  std::from_chars(port.data(), port.data() + port.size(), number);
  return address::parse_host(numeric, number).value_or(address{});
}

task<void> send_cancel(loop& l, context ctx, address where, pg_cancel_key key) {
  auto made = co_await l.connect(ctx, where);
  if (!made) co_return;
  auto& s = **made;
  const end_with guard{l, ctx, s};
  auto bytes = request_of(key);
  std::array<const_buffer, 1> buffers{const_buffer{bytes.data(), bytes.size()}};
  if (!co_await s.write(buffers)) co_return;
  std::array<char, 16> ignored{};
  static_cast<void>(co_await s.read(ignored));  // it answers by closing, once the signal was sent
}

}  // namespace weft::storage
