#include <weft/http/router.hpp>
#include <weft/http/url.hpp>

#include "middleware_order.hpp"
#include "route_tree.hpp"

#include <algorithm>
#include <stdexcept>

namespace weft::http {

namespace {
std::string_view name_of(int method) {
  return method == router::any_method ? "any method" : to_string(static_cast<http::method>(method));
}

std::vector<std::string> names_in(const std::vector<detail::pattern_segment>& segments) {
  std::vector<std::string> names;
  for (const auto& s : segments)
    if (s.what != detail::pattern_segment::kind::literal) names.push_back(s.text);
  return names;
}

std::string joined(std::string_view prefix, std::string_view pattern) {
  if (prefix == "/") return std::string{pattern};
  return std::string{prefix}.append(pattern == "/" ? std::string_view{} : pattern);
}
}  // namespace

namespace detail {
std::vector<std::string> parameters_of(std::string_view pattern) { return names_in(parse_pattern(pattern)); }

void check_parameter_count(std::string_view pattern, std::size_t in_pattern, std::size_t in_handler) {
  if (in_pattern == in_handler) return;
  throw std::invalid_argument{"route pattern '" + std::string{pattern} + "' has " + std::to_string(in_pattern) +
                              " parameters, its handler takes " + std::to_string(in_handler) + " after the request"};
}

task<result<response>> refuse(error problem) { co_return fail(std::move(problem)); }
task<result<response>> always_ok(task<response> answer) { co_return co_await std::move(answer); }
}  // namespace detail

handler wrap(handler h, const std::vector<middleware>& around) {
  if (const auto problem = detail::order_problem(around)) throw std::invalid_argument{"middleware: " + *problem};
  for (auto m = around.rbegin(); m != around.rend(); ++m) h = (*m)(std::move(h));
  return h;
}

void router::add(int method, std::string_view pattern, handler h, const std::vector<middleware>& around) {
  if (options_.slash == trailing_slash::ignored && pattern.size() > 1 && pattern.ends_with('/'))
    pattern.remove_suffix(1);
  const auto segments = detail::parse_pattern(pattern);
  auto names = names_in(segments);
  const auto refuse = [&](std::string_view why) {
    throw std::invalid_argument{"route " + std::string{name_of(method)} + " " + std::string{pattern} + ": " +
                                std::string{why}};
  };
  if (!h) refuse("it has no handler");
  if (method == static_cast<int>(http::method::other)) refuse("'other' is no method: use any()");
  if (names.size() > max_parameters) refuse("more than " + std::to_string(max_parameters) + " parameters");
  for (auto name = names.begin(); name != names.end(); ++name)
    if (std::find(names.begin(), name, *name) != name) refuse("two parameters named {" + *name + "}");

  auto shape = std::string{name_of(method)} + " " + detail::shape_of(segments);
  if (const auto [known, added] = shapes_.emplace(std::move(shape), entries_.size()); !added)
    refuse("no path can tell it apart from " + std::string{name_of(method)} + " " + entries_[known->second].pattern);
  if (const auto problem = detail::order_problem(around)) refuse(*problem);
  entries_.push_back({method, std::string{pattern}, wrap(std::move(h), around), std::move(names)});
  around_each_.push_back(around);
}

void router::mount(std::string_view prefix, const router& other) {
  if (prefix != "/" && (!prefix.starts_with('/') || prefix.ends_with('/')))
    throw std::invalid_argument{"mount prefix '" + std::string{prefix} +
                                "': it begins with '/' and does not end with one"};
  const auto routes = other.entries_;  // copies: `other` may be this one
  const auto around_theirs = other.around_each_;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    add(routes[i].method, joined(prefix, routes[i].pattern), routes[i].handle, other.around_);
    auto& all = around_each_.back();
    all.insert(all.end(), around_theirs[i].begin(), around_theirs[i].end());
  }
}

void router::check_order(const std::vector<middleware>& outer) const {
  auto around_all = outer;
  around_all.insert(around_all.end(), around_.begin(), around_.end());
  if (const auto problem = detail::order_problem(around_all)) throw std::invalid_argument{"router: " + *problem};
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    auto all = around_all;
    all.insert(all.end(), around_each_[i].begin(), around_each_[i].end());
    if (const auto problem = detail::order_problem(all))
      throw std::invalid_argument{"route " + std::string{name_of(entries_[i].method)} + " " + entries_[i].pattern +
                                  ": " + *problem};
  }
}

void router::use(middleware m) {
  if (!m) throw std::invalid_argument{"router: an empty middleware"};
  around_.push_back(std::move(m));
}

namespace {
task<result<response>> answer(response r) { co_return r; }

task<result<response>> answer_failure(status s, std::string_view code, std::string_view message) {
  return answer(response::failure(s, code, message));
}

task<result<response>> answer_methods(status s, std::uint16_t allowed, std::string_view method_name) {
  auto r = s == status::no_content
               ? response{s}
               : response::failure(s, "METHOD_NOT_ALLOWED", std::string{method_name} + " is not for this path");
  r.headers.add("Allow", detail::allow_text(allowed));
  return answer(std::move(r));
}

// Why the path cannot be matched; "" when it can.
std::string path_problem(std::string_view path) {
  if (!path.starts_with('/')) return "the request's target is not a path";
  const bool encoded = path.find('%') != std::string_view::npos;
  if (!encoded && path.find("/.") == std::string_view::npos) return {};
  for (auto rest = path.substr(1);;) {
    const auto slash = rest.find('/');
    const auto segment = percent_decode_path(rest.substr(0, slash));
    if (!segment) return std::string{segment.error().message()};
    if (*segment == "." || *segment == "..") return "'.' and '..' segments are for the client to resolve";
    if (slash == std::string_view::npos) return {};
    rest = rest.substr(slash + 1);
  }
}

task<result<response>> dispatch(const detail::route_tree& tree, router_options options, request& r) {
  auto path = r.raw_path();
  const auto method = r.method();
  if (path == "*" && method == method::options) return answer_methods(status::no_content, tree.all_methods(), {});
  if (const auto problem = path_problem(path); !problem.empty())
    return answer_failure(status::bad_request, "INVALID_ARGUMENT", problem);

  auto found = tree.find(method, path);
  if (options.slash == trailing_slash::ignored && path.size() > 1 && path.ends_with('/'))
    if (auto without = tree.find(method, path.substr(0, path.size() - 1));
        without.route != nullptr || !found.path_known)
      found = without;
  if (found.route != nullptr) {
    r.set_route(found.route->pattern);
    for (std::size_t i = 0; i < found.route->parameters.size(); ++i)
      r.set_path_param(found.route->parameters[i], percent_decode(found.values[i]).value_or(""));
    return found.route->handle(r);
  }
  if (!found.path_known)
    return answer_failure(status::not_found, "NOT_FOUND", "nothing is at " + std::string{path.substr(0, 200)});
  if (method == method::options) return answer_methods(status::no_content, found.allowed, {});
  if (method == method::other)
    return answer_failure(status::not_implemented, "UNIMPLEMENTED",
                          "the method " + std::string{r.method_name().substr(0, 40)} + " is unknown");
  return answer_methods(status::method_not_allowed, found.allowed, r.method_name());
}
}  // namespace

handler router::as_handler() const {
  check_order();
  auto tree = std::make_shared<const detail::route_tree>(entries_);
  return wrap([tree, options = options_](request& r) { return dispatch(*tree, options, r); }, around_);
}

}  // namespace weft::http
