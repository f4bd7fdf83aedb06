#include <weft/http/http1.hpp>
#include <weft/http/message.hpp>
#include <weft/http/url.hpp>
#include <weft/json/value.hpp>

#include "compressor.hpp"

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

address request::client() const {
  if (client_.type() != address::kind::none || connection_ == nullptr) return client_;
  return connection_->peer;
}

namespace {
// "application/json; charset=utf-8", "application/problem+json"
bool is_json(std::string_view type) {
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  const auto slash = type.find('/');
  if (slash == std::string_view::npos || !http1::valid_token(type.substr(0, slash)) ||
      !http1::valid_token(type.substr(slash + 1)))
    return false;
  constexpr std::string_view suffix = "+json";
  return equal_ignoring_case(type, "application/json") ||
         (type.size() > slash + 1 + suffix.size() &&
          equal_ignoring_case(type.substr(type.size() - suffix.size()), suffix));
}
}  // namespace

task<result<std::string_view>> request::json_text(std::optional<std::size_t> limit) {
  const auto type = headers.get("content-type");
  const bool from_browser = headers.contains("origin") || headers.contains("sec-fetch-site");
  if (type ? headers.count("content-type") > 1 || !is_json(*type) : from_browser && !content.empty()) {
    unreadable_ = unreadable::type;
    co_return fail(error{errc::invalid_argument, "the content is not JSON by its Content-Type"}.with_remedy(
        "send Content-Type: application/json"));
  }
  const auto most = limit.value_or(content.limit());
  if (headers.contains("content-encoding")) {
    const auto codings = detail::codings_of(headers);
    if (!codings) {
      unreadable_ = unreadable::coding;
      co_return fail(errc::invalid_argument, "Content-Encoding names a coding that is not known here");
    }
    for (auto c = codings->rbegin(); c != codings->rend(); ++c) content = decompressed(std::move(content), *c, most);
    headers.remove("content-encoding");
    if (!codings->empty()) headers.remove("content-length");
  }
  co_return co_await content.text(most);
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

namespace {
response from_error(const error& e, status s) {
  std::string code{weft::to_string(e.code())};
  std::ranges::transform(code, code.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  if (s == status::internal_server_error) return response::failure(s, code, "an internal error; the log says more");
  return response::failure(s, code, e.message().empty() ? reason_phrase(s) : e.message());
}
}  // namespace

response response::from(const error& e) { return from_error(e, status_of(e)); }

response response::from(const error& e, const request& r) {
  switch (r.unreadable_) {
    case request::unreadable::type: {
      auto refused = failure(status::unsupported_media_type, "UNSUPPORTED_MEDIA_TYPE", e.message());
      refused.headers.add_view("Accept", "application/json");
      return refused;
    }
    case request::unreadable::coding: {
      auto refused = failure(status::unsupported_media_type, "UNSUPPORTED_MEDIA_TYPE", e.message());
      refused.headers.add_view("Accept-Encoding", detail::known_codings);
      return refused;
    }
    case request::unreadable::no:
      break;
  }
  const auto s = r.content.problem();
  return from_error(e, s != status::ok ? s : status_of(e));
}

task<result<std::string_view>> response::successful_text(std::size_t limit) {
  auto text = co_await content.text(limit);
  // Ours is the limit, but what exceeds it is the sender's: our own caller has sent nothing too large.
  if (!text && content.exceeded_limit()) co_return undecodable(text.error());
  if (!text) co_return fail(std::move(text).error());
  if (to_int(status) < 400) co_return *text;
  auto message = "status " + std::to_string(to_int(status));
  const auto said = failure_told(*text);
  if (!said.message.empty()) message += ": " + said.message;
  const std::string_view peer = sender ? std::string_view{*sender} : std::string_view{};
  // Several codes share a status (409 is aborted and already_exists); the content's survives the hop when it fits.
  if (said.code && *said.code != errc::resource_exhausted &&
      (status_of(*said.code) == status || (*said.code == errc::data_loss && status == http::status::bad_gateway)))
    co_return fail(error{*said.code, message}.with_peer(peer));
  co_return fail(error_of(status, message).with_peer(peer));
}

// The peer's fault, and not that of the request for which it was asked.
std::unexpected<error> response::undecodable(const error& why) const {
  constexpr std::string_view unknown = "the sender of the response";  // of one that was made here
  return fail(error{errc::data_loss, "the response's body: " + std::string{why.message()}}
                  .with_operation(why.operation())
                  .with_peer(sender ? std::string_view{*sender} : unknown)
                  .with_remedy(why.remedy()));
}

namespace detail {
std::unexpected<error> missing_path_param(std::string_view name) {
  return fail(errc::internal, "the route has no parameter {" + std::string{name} + "}");
}
std::unexpected<error> malformed_path_param(std::string_view name, std::string_view value, std::string_view expected) {
  return fail(errc::invalid_argument, std::string{name} + ": expected " + std::string{expected} + ", got '" +
                                          std::string{value.substr(0, 64)} + "'");
}
}  // namespace detail

}  // namespace weft::http
