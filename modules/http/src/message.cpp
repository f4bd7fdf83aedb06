#include <weft/http/message.hpp>
#include <weft/http/url.hpp>
#include <weft/json/value.hpp>

#include <algorithm>
#include <optional>

namespace weft::http {

request::request(http::method m, std::string_view target, body b) : content{std::move(b)}, method_{m} {
  set_target(target);
}

std::string_view request::method_name() const noexcept {
  return method_ == http::method::other ? method_name_ : to_string(method_);
}

void request::set_method(std::string_view name) {
  method_ = method_of(name);
  if (method_ != http::method::other) return;
  owned_.push_back(std::make_unique<std::string>(name));
  method_name_ = *owned_.back();
}

void request::set_target(std::string_view target) {
  owned_.push_back(std::make_unique<std::string>(target));
  target_ = *owned_.back();
}

std::string_view request::raw_query() const noexcept {
  const auto mark = target_.find('?');
  return mark == std::string_view::npos ? std::string_view{} : target_.substr(mark + 1);
}

std::string_view request::authority() const noexcept { return headers.get("host").value_or(""); }

std::optional<std::string_view> request::path_param(std::string_view name) const noexcept {
  const auto found = std::ranges::find(path_params_, name, [](const auto& p) { return p.first; });
  return found != path_params_.end() ? std::optional<std::string_view>{found->second} : std::nullopt;
}

void request::set_path_param(std::string_view name, std::string value) {
  path_params_.emplace_back(name, std::move(value));
}

std::optional<std::string> request::query(std::string_view name) const { return query_value(raw_query(), name); }

response response::text(std::string text, http::status s) {
  response r{s, std::move(text)};
  r.headers.add_view("Content-Type", "text/plain; charset=utf-8");
  return r;
}

response response::json_text(std::string text, http::status s) {
  response r{s, std::move(text)};
  r.headers.add_view("Content-Type", "application/json");
  return r;
}

namespace {
// {"error":{...}} both ways.
std::string failure_text(std::string_view code, std::string_view message) {
  return "{\"error\":{\"code\":" + weft::json::encode(std::string{code}) +
         ",\"message\":" + weft::json::encode(std::string{message}) + "}}";
}

struct told_failure {
  std::string message;
  std::optional<errc> code;  // when it is one of the canonical ones
};

std::optional<errc> canonical_code(std::string_view name) {
  for (auto i = static_cast<int>(errc::cancelled); i <= static_cast<int>(errc::unauthenticated); ++i) {
    const auto code = static_cast<errc>(i);
    if (std::ranges::equal(weft::to_string(code), name, {}, {},
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }))
      return code;
  }
  return std::nullopt;
}

// What response::from() and response::failure() of another service say.
told_failure failure_told(std::string_view text) {
  const auto parsed = weft::json::parse(text);
  if (!parsed || !parsed->is_object()) return {};
  const auto* inner = parsed->as_object().if_contains("error");
  if (inner == nullptr || !inner->is_object()) return {};
  const auto text_of = [inner](std::string_view name) {
    const auto* member = inner->as_object().if_contains(name);
    if (member == nullptr || !member->is_string()) return std::string{};
    return std::string{member->as_string().c_str(), std::min<std::size_t>(member->as_string().size(), 512)};
  };
  return {.message = text_of("message"), .code = canonical_code(text_of("code"))};
}
}  // namespace

response response::failure(http::status s, std::string_view code, std::string_view message) {
  return json_text(failure_text(code, message), s);
}

response response::from(const error& e) {
  std::string code{weft::to_string(e.code())};
  std::ranges::transform(code, code.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  const auto s = status_of(e);
  if (s == status::internal_server_error) return failure(s, code, "an internal error; the log says more");
  return failure(s, code, e.message().empty() ? reason_phrase(s) : e.message());
}

task<result<std::string_view>> response::successful_text(std::size_t limit) {
  auto text = co_await content.text(limit);
  if (!text) co_return fail(std::move(text).error());
  if (to_int(status) < 400) co_return *text;
  auto message = "status " + std::to_string(to_int(status));
  const auto said = failure_told(*text);
  if (!said.message.empty()) message += ": " + said.message;
  // Several codes share a status (409 is aborted and already_exists); the content's survives the hop when it fits.
  if (said.code && *said.code != errc::resource_exhausted && status_of(*said.code) == status)
    co_return fail(*said.code, message);
  co_return fail(error_of(status, message));
}

namespace detail {
// The peer's fault, and not the request's for which it was asked.
std::unexpected<error> undecodable_answer(const error& problem) {
  return fail(error{errc::data_loss, "the response's body: " + std::string{problem.message()}}
                  .with_operation(problem.operation())
                  .with_remedy(problem.remedy()));
}

std::unexpected<error> missing_path_param(std::string_view name) {
  return fail(errc::internal, "the route has no parameter {" + std::string{name} + "}");
}
std::unexpected<error> malformed_path_param(std::string_view name, std::string_view value, std::string_view expected) {
  return fail(errc::invalid_argument, std::string{name} + ": expected " + std::string{expected} + ", got '" +
                                          std::string{value.substr(0, 64)} + "'");
}
}  // namespace detail

}  // namespace weft::http
