#pragma once
// The program over memory:, in virtual time: what it says to a command line.
#include <weft/json/value.hpp>
#include <weft/messaging/memory_broker.hpp>
#include <weft/testkit/run.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "program.hpp"

namespace weft::cli {

struct answer {
  exit_status status = exit_status::ok;
  std::string out, notes;

  [[nodiscard]] json::value parsed() const { return json::parse(out).value(); }
};

struct bench {
  explicit bench(loop& where) : l{where} { brokers.add("memory", messaging::memory_brokers()); }

  // With --broker, where the command takes it.
  task<answer> run(std::vector<std::string> arguments, std::string input = {}, context ctx = {}) {
    if (!arguments.empty() && arguments[0] != "schema" && !arguments[0].starts_with("-")) {
      arguments.emplace_back("--broker");
      arguments.emplace_back("memory:");
    }
    return run_as_it_is(std::move(arguments), std::move(input), std::move(ctx));
  }
  task<answer> run_as_it_is(std::vector<std::string> arguments, std::string input = {}, context ctx = {}) {
    std::ostringstream out, notes;
    text_source from{std::move(input), 16};
    const auto status = co_await cli::run(l, std::move(ctx), std::move(arguments), {out, notes, from, brokers});
    co_return answer{status, std::move(out).str(), std::move(notes).str()};
  }
  task<std::unique_ptr<messaging::broker>> open() { co_return (co_await brokers.open(l, {}, "memory:")).value(); }
  task<std::unique_ptr<messaging::consumer>> consume(messaging::broker& from, std::string group, std::string pattern) {
    co_return (co_await from.subscribe({}, {.group = std::move(group), .patterns = {std::move(pattern)}})).value();
  }

  loop& l;
  messaging::broker_factory brokers;
};

template <class Scenario>
void scenario(Scenario body) {
  testkit::run([&](loop& l) { return body(l); });
}

}  // namespace weft::cli
