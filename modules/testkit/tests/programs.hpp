#pragma once
// Small programs that the tests run on simulated hosts.
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/testkit.hpp>

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

namespace weft::testkit {
using namespace std::chrono_literals;

inline simulation_options exact_network(duration latency = 1ms) {
  simulation_options o;
  o.network.link = {.latency = latency, .jitter = {}};
  return o;
}

inline task<result<>> send_text(stream& s, std::string text) {
  const_buffer buffer{text};
  co_return co_await s.write({&buffer, 1});
}

// Exactly `size` bytes, or fewer at the end of the stream.
inline task<result<std::string>> receive(stream& s, std::size_t size) {
  std::string text(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    WEFT_CO_TRY(const auto count, co_await s.read(std::span{text}.subspan(done)));
    if (count == 0) break;
    done += count;
  }
  text.resize(done);
  co_return text;
}

inline task<result<std::string>> receive_all(stream& s) {
  std::string text;
  std::array<char, 4096> part{};
  for (;;) {
    WEFT_CO_TRY(const auto count, co_await s.read(part));
    if (count == 0) co_return text;
    text.append(part.data(), count);
  }
}

inline task<result<std::unique_ptr<stream>>> connect_to(loop& l, std::string name, std::uint16_t port,
                                                        context ctx = {}) {
  WEFT_CO_TRY(auto where, co_await l.resolve(ctx, name, port));
  co_return co_await l.connect(ctx, where.front());
}

inline task<void> echo_one(std::unique_ptr<stream> s) {
  std::array<char, 4096> part{};
  for (;;) {
    auto count = co_await s->read(part);
    if (!count || *count == 0) co_return;
    const_buffer buffer{part.data(), *count};
    if (!co_await s->write({&buffer, 1})) co_return;
  }
}

inline task<void> echo_server(loop& l, std::uint16_t port) {
  task_group connections{l};
  auto taking = l.listen(address::any(port));
  EXPECT_TRUE(taking) << taking.error().describe();
  for (;;) {
    auto next = co_await (*taking)->accept();
    if (!next) co_return;
    connections.spawn(echo_one(*std::move(next)));
  }
}

inline task<result<std::string>> ask(loop& l, std::string name, std::uint16_t port, std::string text,
                                     context ctx = {}) {
  WEFT_CO_TRY(auto s, co_await connect_to(l, name, port, ctx));
  const auto size = text.size();
  WEFT_CO_TRY_VOID(co_await send_text(*s, std::move(text)));
  const interrupt_on_end guard{l, ctx, *s};
  co_return co_await receive(*s, size);
}

}  // namespace weft::testkit
