#include <weft/http/cors.hpp>

#include "layer.hpp"

#include <algorithm>
#include <stdexcept>

namespace weft::http {

namespace {

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

bool is_everyone(const cors_options& o) { return std::ranges::find(o.origins, "*") != o.origins.end(); }

bool matches(std::string_view pattern, std::string_view origin) {
  const auto star = pattern.find('*');
  if (star == std::string_view::npos) return equal_ignoring_case(pattern, origin);
  const auto before = pattern.substr(0, star), after = pattern.substr(star + 1);
  if (origin.size() <= before.size() + after.size()) return false;
  const auto middle = origin.substr(before.size(), origin.size() - before.size() - after.size());
  return equal_ignoring_case(origin.substr(0, before.size()), before) &&
         equal_ignoring_case(origin.substr(origin.size() - after.size()), after) &&
         middle.find_first_of("/:@") == std::string_view::npos;
}

bool is_allowed(const cors_options& o, std::string_view origin) {
  return is_everyone(o) || std::ranges::any_of(o.origins, [&](const auto& p) { return matches(p, origin); });
}

void add_common(const cors_options& o, std::string_view origin, headers& h) {
  h.set("Access-Control-Allow-Origin", is_everyone(o) ? "*" : origin);
  if (o.cookies == cors_options::credentials::allowed) h.set("Access-Control-Allow-Credentials", "true");
}

void add_vary(const cors_options& o, headers& h, std::string_view names) {
  if (!is_everyone(o)) h.add("Vary", names);
}

// Empty when the browser may go on.
std::string refusal(const cors_options& o, const request& r, std::string_view origin, std::string_view wanted) {
  if (!is_allowed(o, origin)) return "the origin is not allowed";
  if (std::ranges::find(o.methods, wanted) == o.methods.end()) return "the method is not allowed across origins";
  if (std::ranges::find(o.request_headers, "*") != o.request_headers.end()) return {};
  bool allowed = true;
  const auto asked = r.headers.joined("access-control-request-headers");
  for_each_element(asked, [&](std::string_view name) {
    allowed =
        std::ranges::any_of(o.request_headers, [&](const auto& known) { return equal_ignoring_case(known, name); });
    return allowed;
  });
  return allowed ? "" : "a header is not allowed across origins";
}

response preflight(const cors_options& o, const request& r, std::string_view origin, std::string_view wanted) {
  const auto why = refusal(o, r, origin, wanted);
  auto answer = why.empty() ? response{status::no_content}
                            : response::failure(status::forbidden, "PERMISSION_DENIED", "cross-origin request: " + why);
  add_vary(o, answer.headers, "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
  if (!why.empty()) return answer;
  add_common(o, origin, answer.headers);
  answer.headers.add("Access-Control-Allow-Methods", join(o.methods));
  const bool any = std::ranges::find(o.request_headers, "*") != o.request_headers.end();
  // Credentialed requests take "*" literally, so what is asked for is repeated.
  const auto allowed = any ? r.headers.joined("access-control-request-headers") : join(o.request_headers);
  if (!allowed.empty()) answer.headers.add("Access-Control-Allow-Headers", allowed);
  answer.headers.add("Access-Control-Max-Age", std::to_string(o.max_age.count()));
  return answer;
}

task<result<response>> run(const detail::layer<cors_options>& self, request& r) {
  const auto& o = self.options;
  const auto origin = r.headers.get("origin");
  if (origin && r.method() == method::options)
    if (const auto wanted = r.headers.get("access-control-request-method")) co_return preflight(o, r, *origin, *wanted);
  auto answer = co_await self.inner(r);
  if (!answer) {
    if (!origin) co_return answer;
    answer = response::from(answer.error());  // a browser hides the error from its script otherwise
  }
  add_vary(o, answer->headers, "Origin");
  if (origin && is_allowed(o, *origin)) {
    add_common(o, *origin, answer->headers);
    if (!o.exposed_headers.empty()) answer->headers.set("Access-Control-Expose-Headers", join(o.exposed_headers));
  }
  co_return answer;
}

}  // namespace

middleware cors(cors_options options) {
  if (options.origins.empty()) throw std::invalid_argument{"cors: origins is empty; name them, or \"*\""};
  if (is_everyone(options) && options.cookies == cors_options::credentials::allowed)
    throw std::invalid_argument{"cors: credentials cannot be allowed for the origin \"*\"; name the origins"};
  for (const auto& origin : options.origins)
    if (origin != "*" && (origin.find("://") == std::string::npos || origin.ends_with('/')))
      throw std::invalid_argument{"cors: '" + origin +
                                  "' is not an origin, as in https://a.example or https://*.a.example"};
  return detail::make_middleware("cors", std::move(options), run);
}

}  // namespace weft::http
