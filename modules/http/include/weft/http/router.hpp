#pragma once
// From a method and a path to the handler that answers.
//
//     router routes;
//     routes.get("/users/{id}", show_user);          // task<result<response>> show_user(request& r, user_id id);
//     routes.post("/users", create_user);
//     routes.get("/files/{path*}", static_files(loop, "/srv/files"));
//     routes.mount("/api", api_routes());
//     routes.use(access_log(log));                   // the first one used is the outermost
//     http::server server{loop, routes.as_handler()};
//
// Patterns: literal segments, `{name}` (one segment, not empty), `{id:int}` (fits 64 bits), `{id:uuid}`, and at the end
// `{rest*}` (whatever follows the slash, which may be nothing). At each segment a literal goes before a typed, a typed
// before a plain parameter, that before a wildcard, in whatever order routes were added; a route that does not have the
// method leaves the request to the next one that matches. Two routes for the same method that no path can tell apart,
// and malformed patterns, throw std::invalid_argument with both patterns.
//
// Segments are compared after percent-decoding, case counts, and %2F does not separate segments. "/users" and "/users/"
// are different paths unless the options say otherwise. A path with "." or ".." segments, a malformed encoding or %00
// is answered 400.
//
// Answers of its own, with a JSON error: 404; 405 with Allow; 501 for a method that RFC 9110 does not know; 204 with
// Allow to an OPTIONS that no route takes. HEAD is answered by GET's handler: the server leaves the content out.
//
// Set up on one thread; the handler that as_handler() makes is immutable and may serve any number of loops, as far as
// the handlers in it do. It must outlive the requests it answers.
#include <weft/http/message.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft::http {

enum class trailing_slash : std::uint8_t {
  distinct,  // "/users/" matches only a pattern that ends in a slash
  ignored,   // one slash at the end of a path is as none
};

struct router_options {
  trailing_slash slash = trailing_slash::distinct;
};

class router {
 public:
  // A method, or every method that the path has no route of its own for.
  static constexpr int any_method = -1;
  static constexpr std::size_t max_parameters = 16;  // of one pattern

  struct entry {
    int method = any_method;
    std::string pattern;
    handler handle;
    std::vector<std::string> parameters;  // in the pattern's order
  };

  explicit router(router_options options = {}) : options_{options} {}

  // `h`: a handler; a function of request& that returns task<response>; or one that takes the path's parameters, all of
  // them, by value after the request: integers, bool, std::string, std::string_view, uuid, or strong types over them.
  // A parameter that is not of its type is answered 400. `around` runs around this route, its first outermost.
  template <class H>
  void route(http::method m, std::string_view pattern, H h, std::vector<middleware> around = {});
  template <class H>
  void any(std::string_view pattern, H h, std::vector<middleware> around = {});
  template <class H>
  void get(std::string_view pattern, H h, std::vector<middleware> around = {}) {
    route(http::method::get, pattern, std::move(h), std::move(around));
  }
  template <class H>
  void head(std::string_view pattern, H h, std::vector<middleware> around = {}) {
    route(http::method::head, pattern, std::move(h), std::move(around));
  }
  template <class H>
  void post(std::string_view pattern, H h, std::vector<middleware> around = {}) {
    route(http::method::post, pattern, std::move(h), std::move(around));
  }
  template <class H>
  void put(std::string_view pattern, H h, std::vector<middleware> around = {}) {
    route(http::method::put, pattern, std::move(h), std::move(around));
  }
  template <class H>
  void patch(std::string_view pattern, H h, std::vector<middleware> around = {}) {
    route(http::method::patch, pattern, std::move(h), std::move(around));
  }
  template <class H>
  void del(std::string_view pattern, H h, std::vector<middleware> around = {}) {
    route(http::method::delete_, pattern, std::move(h), std::move(around));
  }
  template <class H>
  void options(std::string_view pattern, H h, std::vector<middleware> around = {}) {
    route(http::method::options, pattern, std::move(h), std::move(around));
  }

  // Every route of `other` under a prefix ("/api", "/tenants/{tenant}"); its "/" becomes the prefix itself. What it
  // uses runs around each of its routes.
  void mount(std::string_view prefix, const router& other);

  // Around every request, those answered 404 or 405 too. The route is known once the inner handler has been called.
  void use(middleware m);

  [[nodiscard]] const std::vector<entry>& routes() const noexcept { return entries_; }
  // Of the routes and middleware as they are now, in an order that check_order() takes.
  [[nodiscard]] handler as_handler() const;
  // Throws std::invalid_argument, with the remedy, when one middleware around another does nothing: limit_content
  // around decompress_requests, two that compress, limits around instrument(). `outer` runs around all of this.
  void check_order(const std::vector<middleware>& outer = {}) const;

 private:
  void add(int method, std::string_view pattern, handler h, const std::vector<middleware>& around);

  router_options options_;
  std::vector<entry> entries_;
  std::map<std::string, std::size_t> shapes_;  // "GET /users/{}": the entry
  std::vector<middleware> around_;
  std::vector<std::vector<middleware>> around_each_;  // of each entry
};

// h within `around`, whose first is the outermost. Throws as router::check_order() does.
[[nodiscard]] handler wrap(handler h, const std::vector<middleware>& around);

// --- templates ---

namespace detail {

// The names in a pattern, in order; throws std::invalid_argument when it is malformed.
[[nodiscard]] std::vector<std::string> parameters_of(std::string_view pattern);
void check_parameter_count(std::string_view pattern, std::size_t in_pattern, std::size_t in_handler);

[[nodiscard]] task<result<response>> refuse(error problem);
[[nodiscard]] task<result<response>> always_ok(task<response> answer);
[[nodiscard]] inline task<result<response>> as_result(task<result<response>> answer) { return answer; }
[[nodiscard]] inline task<result<response>> as_result(task<response> answer) { return always_ok(std::move(answer)); }

template <class T>
[[nodiscard]] result<T> read_parameter(const request& r, std::string_view name) {
  if constexpr (std::is_same_v<T, std::string_view>)
    return r.path_param(name).value_or("");
  else
    return r.path<T>(name);
}

template <class Function>
struct signature : signature<decltype(&Function::operator())> {};
template <class R, class... A>
struct signature<R (*)(A...)> {
  using arguments = std::tuple<A...>;
};
template <class C, class R, class... A>
struct signature<R (C::*)(A...)> : signature<R (*)(A...)> {};
template <class C, class R, class... A>
struct signature<R (C::*)(A...) const> : signature<R (*)(A...)> {};

// The function is shared by the copies of the handler, and is called rather than wrapped in a coroutine: its task is
// the handler's.
template <class F, class... P>
handler typed_handler(F f, std::string_view pattern, std::type_identity<std::tuple<request&, P...>>) {
  static_assert((!std::is_reference_v<P> && ...), "path parameters are taken by value: a coroutine outlives the call");
  auto names = parameters_of(pattern);
  check_parameter_count(pattern, names.size(), sizeof...(P));
  struct state {
    F f;
    std::vector<std::string> names;
  };
  return [s = std::make_shared<state>(std::move(f), std::move(names))](request& r) {
    std::size_t next = 0;
    std::tuple<result<P>...> values{read_parameter<P>(r, s->names[next++])...};
    return std::apply(
        [&](auto&... value) -> task<result<response>> {
          const error* problem = nullptr;
          ((problem = problem == nullptr && !value ? &value.error() : problem), ...);
          if (problem != nullptr) return refuse(*problem);
          return as_result(s->f(r, *std::move(value)...));
        },
        values);
  };
}

template <class H>
handler to_handler(H h, std::string_view pattern) {
  if constexpr (std::is_constructible_v<handler, H>) {
    return handler{std::move(h)};
  } else if constexpr (std::is_invocable_v<H&, request&>) {
    return [f = std::make_shared<H>(std::move(h))](request& r) { return as_result((*f)(r)); };
  } else {
    return typed_handler(std::move(h), pattern, std::type_identity<typename signature<H>::arguments>{});
  }
}

}  // namespace detail

template <class H>
void router::route(http::method m, std::string_view pattern, H h, std::vector<middleware> around) {
  add(static_cast<int>(m), pattern, detail::to_handler(std::move(h), pattern), around);
}

template <class H>
void router::any(std::string_view pattern, H h, std::vector<middleware> around) {
  add(any_method, pattern, detail::to_handler(std::move(h), pattern), around);
}

}  // namespace weft::http
