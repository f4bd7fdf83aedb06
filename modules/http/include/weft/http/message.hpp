#pragma once
// Requests and responses, the same types on both sides of a call, and the functions that answer the one with the other.
//
//     task<result<response>> hello(request& r) {
//       co_return response::text("hello " + std::string{r.path_param("name").value_or("world")});
//     }
//
// A received message's texts are views of its read buffer: valid as long as the message. Handlers run on the loop of
// their connection.
#include <weft/base/error.hpp>
#include <weft/base/strong.hpp>
#include <weft/base/uuid.hpp>
#include <weft/http/body.hpp>
#include <weft/http/headers.hpp>
#include <weft/http/status.hpp>
#include <weft/json/decode.hpp>
#include <weft/runtime/address.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/stream.hpp>
#include <weft/runtime/task.hpp>

#include <algorithm>
#include <charconv>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::http {

// Memory that a message's views refer to.
using message_storage = std::shared_ptr<char[]>;

class request {
 public:
  request() = default;
  // To send: the target is a path ("/users?page=2") for a client with a base URL, or an absolute URL.
  request(http::method m, std::string_view target, body content = {});

  [[nodiscard]] http::method method() const noexcept { return method_; }
  [[nodiscard]] std::string_view method_name() const noexcept;
  // As it was sent, percent-encoded: "/a%20b?x=1".
  [[nodiscard]] std::string_view target() const noexcept { return target_; }
  [[nodiscard]] std::string_view raw_path() const noexcept { return target_.substr(0, target_.find('?')); }
  [[nodiscard]] std::string_view raw_query() const noexcept;
  // The host and port that the client named, "" when it named none.
  [[nodiscard]] std::string_view authority() const noexcept;

  void set_method(http::method m) noexcept { method_ = m; }
  void set_method(std::string_view name);    // copies
  void set_target(std::string_view target);  // copies

  http::headers headers;
  body content;

  // --- what a server and its router know ---

  [[nodiscard]] const weft::context& context() const noexcept { return context_; }
  void set_context(weft::context ctx) noexcept { context_ = std::move(ctx); }
  // Of the connection; null for a request that was not received.
  [[nodiscard]] const stream_info* connection() const noexcept { return connection_; }
  [[nodiscard]] loop* home() const noexcept { return loop_; }
  // Where the request comes from: the connection's peer, or, behind the proxies that server_options::trusted_proxies
  // names, the address that these saw. For logs and limits. address::kind::none for a request that was not received.
  [[nodiscard]] address client() const;
  void set_client(address where) { client_ = std::move(where); }

  // Decoded text of a `{name}` in the route's pattern.
  [[nodiscard]] std::optional<std::string_view> path_param(std::string_view name) const noexcept;
  // The same, read as a type: integers, bool, std::string, uuid, strong types over them. The error is the client's.
  template <class T>
  [[nodiscard]] result<T> path(std::string_view name) const;
  void set_path_param(std::string_view name, std::string value);
  // The first value of a query parameter, decoded.
  [[nodiscard]] std::optional<std::string> query(std::string_view name) const;
  // The pattern that matched, "/users/{id}": for metrics and spans, where the path itself would be too many values.
  [[nodiscard]] std::string_view route() const noexcept { return route_; }
  void set_route(std::string_view pattern) noexcept { route_ = pattern; }

  // The content as JSON, decoded; errc::invalid_argument says what is wrong and where. See json_text().
  template <class T>
  [[nodiscard]] task<result<T>> json(std::optional<std::size_t> limit = {}, weft::json::decode_options options = {});
  // The same for options alone: r.json<patch>({.unknown_fields = json::unknown_fields::refuse}).
  template <class T>
  [[nodiscard]] task<result<T>> json(weft::json::decode_options options) {
    return json<T>(std::nullopt, options);
  }
  // The content when it is JSON by its Content-Type: application/json, or any type that ends in "+json"; else the
  // request is answered 415. Without the field programs are believed, browsers are not (they send Origin or
  // Sec-Fetch-Site): a page of another site can have them send a body without a type, or with that of a form, and no
  // preflight would ask. Content codings (gzip, br, zstd) are decoded, others answered 415. `limit` holds for what is
  // decoded, too; without it the content's own holds. 413 beyond.
  [[nodiscard]] task<result<std::string_view>> json_text(std::optional<std::size_t> limit = {});

 private:
  friend class received_request;  // the server's side, which fills in views
  friend class response;          // says why the content was refused
  enum class unreadable : std::uint8_t { no, type, coding };
  http::method method_ = http::method::get;
  std::string_view method_name_;  // for method::other
  std::string_view target_;
  std::vector<std::unique_ptr<std::string>> owned_;
  std::vector<std::pair<std::string_view, std::string>> path_params_;
  std::string_view route_;
  weft::context context_;
  const stream_info* connection_ = nullptr;
  loop* loop_ = nullptr;
  address client_;
  unreadable unreadable_ = unreadable::no;
};

class response {
 public:
  response() = default;
  explicit response(http::status s) : status{s} {}
  response(http::status s, body b) : status{s}, content{std::move(b)} {}

  [[nodiscard]] static response text(std::string text, http::status s = http::status::ok);
  template <class T>
  [[nodiscard]] static response json(const T& value, http::status s = http::status::ok);
  // JSON that is already text.
  [[nodiscard]] static response json_text(std::string text, http::status s = http::status::ok);
  // {"error":{"code":"NOT_FOUND","message":"..."}} with the error's status. Internal errors say no more than that.
  [[nodiscard]] static response from(const error& e);
  // The same for an error of the handler of `r`. When reading the content failed by the client's fault, that decides
  // the status, whatever the error has become on its way: 400, 408, 413, 415 or 431.
  [[nodiscard]] static response from(const error& e, const request& r);
  // The same shape with a code of the application's own: response::failure(status::not_found, "USER_NOT_FOUND", "...").
  [[nodiscard]] static response failure(http::status s, std::string_view code, std::string_view message);

  [[nodiscard]] bool ok() const noexcept { return to_int(status) >= 200 && to_int(status) < 300; }

  // The content as JSON, decoded. A status of 400 or more is an error with the status' code and the server's message;
  // content that is not what was expected is errc::data_loss, since it is the sender's fault and not the caller's.
  template <class T>
  [[nodiscard]] task<result<T>> as(std::size_t limit = body::default_limit, weft::json::decode_options how = {});

  http::status status = http::status::ok;
  http::headers headers;
  body content;

  // Who sent it, "users:8080", for errors about what it holds; set by the client.
  std::shared_ptr<const std::string> sender;

  // For a 304: what the 200 would have had, so that middleware that changes content (compression) gives both the same
  // ETag and Vary.
  struct selected_content {
    std::string_view type;  // static text
    std::uint64_t size = 0;
  };
  std::optional<selected_content> not_modified;

  // Keeps what the views refer to; set by the client.
  message_storage storage;

 private:
  [[nodiscard]] task<result<std::string_view>> successful_text(std::size_t limit);
  [[nodiscard]] std::unexpected<error> undecodable(const error& why) const;
};

using handler = std::function<task<result<response>>(request&)>;
// handler -> handler: what it returns runs around what it was given.
using middleware = std::function<handler(handler)>;

// --- templates ---

namespace detail {
[[nodiscard]] std::unexpected<error> missing_path_param(std::string_view name);
[[nodiscard]] std::unexpected<error> malformed_path_param(std::string_view name, std::string_view value,
                                                          std::string_view expected);
}  // namespace detail

template <class T>
result<T> request::path(std::string_view name) const {
  const auto value = path_param(name);
  if (!value) return detail::missing_path_param(name);
  if constexpr (std::is_same_v<T, std::string>) {
    return std::string{*value};
  } else if constexpr (is_strong<T>) {
    WEFT_TRY(auto inner, path<typename T::rep>(name));
    return T{std::move(inner)};
  } else if constexpr (std::is_same_v<T, bool>) {
    if (*value == "true") return true;
    if (*value == "false") return false;
    return detail::malformed_path_param(name, *value, "true or false");
  } else if constexpr (std::is_same_v<T, uuid>) {
    auto id = uuid::parse(*value);
    if (!id) return detail::malformed_path_param(name, *value, "a UUID");
    return id;
  } else {
    static_assert(std::is_integral_v<T>, "path parameters are text, integers, bool, uuid, or strong types over them");
    T number{};
    const auto* end = value->data() + value->size();
    const auto [at, problem] = std::from_chars(value->data(), end, number);
    if (value->empty() || problem != std::errc{} || at != end)
      return detail::malformed_path_param(name, *value, "an integer in range");
    return number;
  }
}

template <class T>
task<result<T>> request::json(std::optional<std::size_t> limit, weft::json::decode_options options) {
  auto text = co_await json_text(limit);
  if (!text) co_return fail(std::move(text).error());
  options.max_bytes = std::max(options.max_bytes, text->size());  // what was allowed to be read may be decoded
  co_return weft::json::decode<T>(*text, options);
}

template <class T>
response response::json(const T& value, http::status s) {
  return json_text(weft::json::encode(value), s);
}

template <class T>
task<result<T>> response::as(std::size_t limit, weft::json::decode_options how) {
  auto text = co_await successful_text(limit);
  if (!text) co_return fail(std::move(text).error());
  auto value = weft::json::decode<T>(*text, how);
  if (!value) co_return undecodable(value.error());
  co_return value;
}

}  // namespace weft::http
