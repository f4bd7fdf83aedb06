// Instances from configuration:
//
//     static:users=127.0.0.1:8081,127.0.0.1:8082;posts=http://posts.internal:8080
//
// After an address, words that follow a '!' say more: weight, zone, state=draining; any other is a label:
// "127.0.0.1:8081!weight=3!zone=eu-1!version=2". An instance's id is its service and address. Spaces are ignored.
#include <weft/discovery/registry.hpp>
#include <weft/runtime/sleep.hpp>

#include <charconv>
#include <map>
#include <vector>

#include "registry_url.hpp"

namespace weft::discovery {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t\r\n");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\r\n") - from + 1);
}

// Calls f with each part of `text`, trimmed; stops at an error.
template <class Function>
result<> for_each_part(std::string_view text, char separator, Function f) {
  while (true) {
    const auto end = text.find(separator);
    WEFT_TRY_VOID(f(trimmed(text.substr(0, end))));
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
}

result<> read_word(instance& i, std::string_view word) {
  const auto equals = word.find('=');
  const auto name = word.substr(0, equals);
  const auto value = equals == std::string_view::npos ? std::string_view{} : word.substr(equals + 1);
  if (name.empty()) return fail(errc::invalid_argument, "a label without a name");
  if (name == "zone") {
    i.zone = value;
  } else if (name == "weight") {
    const auto [at, problem] = std::from_chars(value.data(), value.data() + value.size(), i.weight);
    if (problem != std::errc{} || at != value.data() + value.size() || i.weight > 1'000'000)
      return fail(errc::invalid_argument, "weight must be a whole number of at most 1000000");
  } else if (name == "state") {
    if (value != "draining") return fail(errc::invalid_argument, "state can only be draining");
    i.state = health_state::draining;
  } else {
    i.labels.insert_or_assign(std::string{name}, std::string{value});
  }
  return {};
}

result<instance> read_instance(std::string_view service, std::string_view text) {
  instance i;
  const auto end = text.find('!');
  WEFT_TRY(i.where, net::endpoint::parse(trimmed(text.substr(0, end))));
  i.service = service;
  i.id = i.service + "@" + i.where.authority();
  if (end != std::string_view::npos)
    WEFT_TRY_VOID(for_each_part(text.substr(end + 1), '!', [&](std::string_view word) { return read_word(i, word); }));
  return i;
}

using services = std::map<std::string, snapshot, std::less<>>;

result<services> read_services(std::string_view text) {
  services all;
  WEFT_TRY_VOID(for_each_part(text, ';', [&](std::string_view part) -> result<> {
    if (part.empty()) return {};
    const auto equals = part.find('=');
    const auto name = trimmed(part.substr(0, equals));
    if (equals == std::string_view::npos || name.empty())
      return fail(error{errc::invalid_argument, "'" + std::string{part} + "' does not name its service"}.with_remedy(
          "write static:users=127.0.0.1:8081,127.0.0.1:8082;posts=..."));
    if (all.contains(name)) return fail(errc::invalid_argument, "service " + std::string{name} + " is named twice");
    std::vector<instance> instances;
    WEFT_TRY_VOID(for_each_part(part.substr(equals + 1), ',', [&](std::string_view one) -> result<> {
      if (one.empty()) return {};
      auto read = read_instance(name, one);
      if (!read)
        return fail(read.error().with_operation("service " + std::string{name} + ", '" + std::string{one} + "'"));
      instances.push_back(*std::move(read));
      return {};
    }));
    all.emplace(name, make_snapshot(std::move(instances)));
    return {};
  }));
  return all;
}

// What is there, and never a change.
class static_watch final : public watch {
 public:
  static_watch(loop& l, snapshot all) : loop_{l}, all_{std::move(all)} {}
  task<result<snapshot>> next(context ctx) override {
    if (!told_) {
      told_ = true;
      co_return all_;
    }
    WEFT_CO_TRY_VOID(co_await sleep(loop_, ctx, duration::max()));
    co_return fail(errc::internal, "a wait without end ended");
  }

 private:
  loop& loop_;
  snapshot all_;
  bool told_ = false;
};

class static_registry final : public registry {
 public:
  static_registry(loop& l, services all) : loop_{l}, all_{std::move(all)} {}

  bool accepts_registrations() const noexcept override { return false; }
  task<result<>> add(context, registration) override { co_return cannot_register("static"); }
  task<result<>> remove(context, std::string, std::string) override { co_return cannot_register("static"); }
  task<result<>> heartbeat(context, std::string, std::string, health_state, std::string) override {
    co_return cannot_register("static");
  }
  std::unique_ptr<discovery::watch> watch(std::string service) override {
    return std::make_unique<static_watch>(loop_, of(service));
  }
  task<result<snapshot>> resolve(context, std::string service) override { co_return of(service); }

 private:
  [[nodiscard]] snapshot of(std::string_view service) const {
    const auto found = all_.find(service);
    return found == all_.end() ? snapshot{} : found->second;
  }

  loop& loop_;
  services all_;
};

}  // namespace

result<std::unique_ptr<registry>> make_static_registry(loop& l, std::string_view url, const registry_wiring&) {
  WEFT_TRY(auto all, read_services(url.substr(url.find(':') + 1)));
  return std::make_unique<static_registry>(l, std::move(all));
}

}  // namespace weft::discovery
