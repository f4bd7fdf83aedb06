#include <weft/http/fault_injection.hpp>
#include <weft/json/decode.hpp>
#include <weft/runtime/sleep.hpp>

#include "layer.hpp"

#include <algorithm>

namespace weft::http {

namespace {

result<> check(const fault& f, std::size_t index) {
  const auto wrong = [&](std::string_view field, std::string_view expected) {
    return fail(errc::invalid_argument,
                "fault " + std::to_string(index) + ": " + std::string{field} + ": expected " + std::string{expected});
  };
  const auto is_percent = [](double value) { return value >= 0 && value <= 100; };
  if (!f.path.starts_with('/')) return wrong("path", "text that begins with '/'");
  if (!f.method.empty() && method_of(f.method) == method::other) return wrong("method", "a method, as in GET");
  if (!is_percent(f.delay_percent)) return wrong("delay_percent", "0 to 100");
  if (!is_percent(f.error_percent)) return wrong("error_percent", "0 to 100");
  if (!is_percent(f.abort_percent)) return wrong("abort_percent", "0 to 100");
  if (f.delay_ms > 600'000) return wrong("delay_ms", "at most 600000");
  if (f.delay_jitter_ms > 600'000) return wrong("delay_jitter_ms", "at most 600000");
  if (f.error_status < 400 || f.error_status > 599) return wrong("error_status", "400 to 599");
  return {};
}

const fault* find(const std::vector<fault>& rules, const request& r) {
  const auto found = std::ranges::find_if(rules, [&](const fault& f) {
    return r.raw_path().starts_with(f.path) && (f.method.empty() || f.method == r.method_name());
  });
  return found != rules.end() ? &*found : nullptr;
}

struct injection {
  loop* home;
  const fault_injector* faults;
  std::string exempt_path;
};

task<result<std::string>> break_off() { co_return fail(errc::data_loss, "an injected fault"); }

response aborted() {
  response r{status::ok, body::generate(&break_off)};
  r.headers.add_view("X-Injected-Fault", "abort");
  return r;
}

response refused(std::uint32_t code) {
  auto r = response::failure(static_cast<status>(code), "INJECTED_FAULT", "an injected fault");
  r.headers.add_view("X-Injected-Fault", "error");
  return r;
}

task<result<response>> faulty(const detail::layer<injection>& self, std::shared_ptr<const std::vector<fault>> rules,
                              request& r) {
  const auto* rule = find(*rules, r);
  if (rule == nullptr) co_return co_await self.inner(r);
  auto& home = *self.options.home;
  // All three are drawn at once, so that the sequence does not depend on which of them happens.
  const bool delays = home.random().chance(rule->delay_percent / 100);
  const bool fails = home.random().chance(rule->error_percent / 100);
  const bool aborts = home.random().chance(rule->abort_percent / 100);
  if (delays) {
    const auto jitter = home.random().below(std::uint64_t{rule->delay_jitter_ms} + 1);
    WEFT_CO_TRY_VOID(co_await sleep(home, r.context(), std::chrono::milliseconds{rule->delay_ms + jitter}));
  }
  if (aborts) co_return aborted();
  if (fails) co_return refused(rule->error_status);
  auto answer = co_await self.inner(r);
  if (delays && answer) answer->headers.add_view("X-Injected-Fault", "delay");
  co_return answer;
}

task<result<response>> maybe_faulty(const detail::layer<injection>& self, request& r) {
  const auto& o = self.options;
  if (!o.faults->active() || (!o.exempt_path.empty() && r.raw_path().starts_with(o.exempt_path))) return self.inner(r);
  auto rules = o.faults->current();
  if (!rules) return self.inner(r);
  return faulty(self, std::move(rules), r);
}

// A misspelt field would inject nothing and say nothing.
constexpr json::decode_options rule_options{.unknown_fields = json::unknown_fields::refuse,
                                            .missing_fields = json::missing_fields::keep_default};

task<result<response>> control(fault_injector& faults, request& r) {
  if (r.method() == method::post) {
    WEFT_CO_TRY(const auto text, co_await r.content.text());
    const auto start = text.find_first_not_of(" \t\r\n");
    if (start != std::string_view::npos && text[start] == '{') {
      WEFT_CO_TRY(auto one, json::decode<fault>(text, rule_options));
      WEFT_CO_TRY_VOID(faults.set({std::move(one)}));
    } else {
      WEFT_CO_TRY(auto several, json::decode<std::vector<fault>>(text, rule_options));
      WEFT_CO_TRY_VOID(faults.set(std::move(several)));
    }
  } else if (r.method() == method::delete_) {
    faults.clear();
  } else if (r.method() != method::get && r.method() != method::head) {
    auto not_for_it = response::failure(status::method_not_allowed, "METHOD_NOT_ALLOWED", "GET, POST or DELETE");
    not_for_it.headers.add_view("Allow", "GET, HEAD, POST, DELETE");
    co_return not_for_it;
  }
  co_return response::json(faults.faults());
}

}  // namespace

result<> fault_injector::set(std::vector<fault> faults) {
  if (faults.size() > max_faults)
    return fail(errc::invalid_argument, "at most " + std::to_string(max_faults) + " faults");
  for (std::size_t i = 0; i < faults.size(); ++i) WEFT_TRY_VOID(check(faults[i], i));
  const bool any = !faults.empty();
  rules_.store(std::make_shared<const std::vector<fault>>(std::move(faults)));
  active_.store(any, std::memory_order_relaxed);
  return {};
}

void fault_injector::clear() {
  active_.store(false, std::memory_order_relaxed);
  rules_.store(nullptr);
}

std::vector<fault> fault_injector::faults() const {
  const auto rules = rules_.load();
  return rules ? *rules : std::vector<fault>{};
}

middleware inject_faults(loop& l, const fault_injector& faults, std::string exempt_path) {
  return detail::make_middleware("inject_faults", injection{&l, &faults, std::move(exempt_path)}, maybe_faulty);
}

handler fault_control(fault_injector& faults) {
  return [&faults](request& r) { return control(faults, r); };
}

}  // namespace weft::http
