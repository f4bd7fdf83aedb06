#include <weft/http/router.hpp>
#include <weft/runtime/epoll_loop.hpp>

#include <gtest/gtest.h>

#include <stdexcept>

namespace weft::http {
namespace {

using user_id = strong<struct user_id_tag, std::int64_t>;

// What a route answers: its name and the parameters given.
handler named(std::string name) {
  struct run {
    static task<result<response>> once(std::string name, request& r) {
      for (const auto* p : {"id", "name", "path", "a", "b"})
        if (const auto value = r.path_param(p)) name.append(" ").append(p).append("=").append(*value);
      co_return response::text(std::move(name));
    }
  };
  return [name = std::move(name)](request& r) { return run::once(name, r); };
}

struct answer {
  int status = 0;
  std::string text, allow, route;
};
task<answer> collect(handler h, method m, std::string target) {
  request r{m, target};
  auto reply = co_await h(r);
  if (!reply) reply = response::from(reply.error());
  auto text = co_await reply->content.text();
  co_return answer{to_int(reply->status), std::string{text.value_or("")},
                   std::string{reply->headers.get("allow").value_or("")}, std::string{r.route()}};
}
answer ask(const handler& h, method m, std::string target) {
  epoll_loop loop;
  return loop.run(collect(h, m, std::move(target)));
}
std::string get(const router& r, std::string target) {
  return ask(r.as_handler(), method::get, std::move(target)).text;
}

// The same routes in both orders of registration.
std::array<router, 2> in_both_orders(std::vector<std::string> patterns) {
  std::array<router, 2> both;
  for (const auto& p : patterns) both[0].get(p, named(p));
  std::ranges::reverse(patterns);
  for (const auto& p : patterns) both[1].get(p, named(p));
  return both;
}

TEST(Router, MatchesTheMostSpecificWhateverTheOrder) {
  const std::pair<const char*, const char*> table[] = {
      {"/", "/"},
      {"/users", "/users"},
      {"/users/me", "/users/me"},
      {"/users/7", "/users/{id:int} id=7"},
      {"/users/-7", "/users/{id:int} id=-7"},
      {"/users/f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "/users/{id:uuid} id=f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
      {"/users/7a", "/users/{name} name=7a"},
      {"/users/99999999999999999999", "/users/{name} name=99999999999999999999"},
      {"/users/me/posts", "/users/{name}/posts name=me"},
      {"/users/me/photos", "/users/{path*} path=me/photos"},
      {"/users/7/x/y", "/users/{path*} path=7/x/y"},
      {"/users/", "/users/{path*} path="},
      {"/caf%C3%A9", "/café"},
      {"/users/a%2Fb", "/users/{name} name=a/b"},
      {"/users/a+b%20c", "/users/{name} name=a+b c"},
      {"/%75sers", "/users"},
  };
  for (const auto& routes : in_both_orders({"/", "/users", "/users/me", "/users/{id:int}", "/users/{id:uuid}",
                                            "/users/{name}", "/users/{name}/posts", "/users/{path*}", "/café"}))
    for (const auto& [path, expected] : table) EXPECT_EQ(get(routes, path), expected) << path;
}

TEST(Router, GoesBackFromABranchThatEnds) {
  for (const auto& routes : in_both_orders({"/a/b/c", "/a/{b}/d", "/{a}/b/e", "/{a}/{b}/f"})) {
    EXPECT_EQ(get(routes, "/a/b/c"), "/a/b/c");
    EXPECT_EQ(get(routes, "/a/b/d"), "/a/{b}/d b=b");
    EXPECT_EQ(get(routes, "/a/b/e"), "/{a}/b/e a=a");
    EXPECT_EQ(get(routes, "/a/b/f"), "/{a}/{b}/f a=a b=b");
    EXPECT_EQ(ask(routes.as_handler(), method::get, "/a/b/g").status, 404);
  }
}

TEST(Router, AnswersByMethod) {
  router routes;
  routes.get("/users/{id}", named("get"));
  routes.put("/users/{id}", named("put"));
  routes.post("/users", named("post"));
  routes.get("/users/me", named("me"));
  routes.any("/proxy/{path*}", named("proxy"));
  routes.options("/own", named("own options"));
  routes.head("/headed", named("head only"));
  struct row {
    method m;
    const char* path;
    int status;
    const char *text, *allow;
  };
  const row table[] = {
      {method::get, "/users/7", 200, "get id=7", ""},
      {method::head, "/users/7", 200, "get id=7", ""},
      {method::put, "/users/7", 200, "put id=7", ""},
      {method::put, "/users/me", 200, "put id=me", ""},
      {method::get, "/users/me", 200, "me", ""},
      {method::patch, "/users/7", 405, nullptr, "GET, HEAD, PUT, OPTIONS"},
      {method::get, "/users", 405, nullptr, "POST, OPTIONS"},
      {method::head, "/users", 405, nullptr, "POST, OPTIONS"},
      {method::options, "/users/7", 204, "", "GET, HEAD, PUT, OPTIONS"},
      {method::options, "/own", 200, "own options", ""},
      {method::get, "/headed", 405, nullptr, "HEAD, OPTIONS"},
      {method::trace, "/users", 405, nullptr, "POST, OPTIONS"},
      {method::other, "/users", 501, nullptr, ""},
      {method::other, "/proxy/a/b", 200, "proxy path=a/b", ""},
      {method::options, "/proxy/", 200, "proxy path=", ""},
      {method::delete_, "/proxy/x", 200, "proxy path=x", ""},
      {method::options, "/none", 404, nullptr, ""},
      {method::get, "/none", 404, nullptr, ""},
      {method::get, "/users/", 404, nullptr, ""},
      {method::get, "/users/7/", 404, nullptr, ""},
      {method::get, "//users", 404, nullptr, ""},
  };
  for (const auto& each : table) {
    const auto a = ask(routes.as_handler(), each.m, each.path);
    EXPECT_EQ(a.status, each.status) << to_string(each.m) << " " << each.path;
    if (each.text != nullptr) EXPECT_EQ(a.text, each.text) << to_string(each.m) << " " << each.path;
    if (each.status >= 400) EXPECT_TRUE(a.text.starts_with("{\"error\":{\"code\":\"")) << a.text;
    EXPECT_EQ(a.allow, each.allow) << to_string(each.m) << " " << each.path;
  }
  const auto star = ask(routes.as_handler(), method::options, "*");
  EXPECT_EQ(star.status, 204);
  EXPECT_EQ(star.allow, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, CONNECT, TRACE");
}

TEST(Router, AnswersMalformedPathsWith400) {
  router routes;
  routes.any("/{path*}", named("all"));
  for (const auto* path : {"/a%", "/%zz", "/a%00b", "/a/../b", "/..", "/a/%2e%2E/b", "/./a", "relative", "*"})
    EXPECT_EQ(ask(routes.as_handler(), method::get, path).status, 400) << path;
  EXPECT_EQ(get(routes, "/.well-known/x"), "all path=.well-known/x");
  EXPECT_EQ(get(routes, "/a?x=/../b"), "all path=a");
}

TEST(Router, TreatsATrailingSlashAsTold) {
  router routes{{.slash = trailing_slash::ignored}};
  routes.get("/users", named("users"));
  routes.get("/posts/", named("posts"));
  routes.get("/files/{path*}", named("files"));
  EXPECT_EQ(get(routes, "/users/"), "users");
  EXPECT_EQ(get(routes, "/posts"), "posts");
  EXPECT_EQ(get(routes, "/posts/"), "posts");
  EXPECT_EQ(get(routes, "/files/"), "files path=");
  EXPECT_EQ(ask(routes.as_handler(), method::get, "/users//").status, 404);
  EXPECT_THROW(routes.get("/users/", named("twice")), std::invalid_argument);
}

std::string complaint(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return {};
}

TEST(Router, NamesBothRoutesOfAConflict) {
  router routes;
  routes.get("/users/{id}", named("a"));
  const auto why = complaint([&] { routes.get("/users/{name}", named("b")); });
  EXPECT_NE(why.find("/users/{id}"), std::string::npos) << why;
  EXPECT_NE(why.find("/users/{name}"), std::string::npos) << why;
  EXPECT_NE(complaint([&] { routes.get("/%75sers/{id}", named("b")); }), "");
  EXPECT_EQ(complaint([&] { routes.post("/users/{name}", named("b")); }), "");
  EXPECT_EQ(complaint([&] { routes.get("/users/{id:int}", named("b")); }), "");
  EXPECT_EQ(complaint([&] { routes.any("/users/{id}", named("b")); }), "");
  EXPECT_NE(complaint([&] { routes.any("/users/{x}", named("b")); }), "");
}

TEST(Router, RefusesMalformedPatterns) {
  router routes;
  for (const auto* pattern : {"", "users", "/{}", "/{a", "/a}", "/{a}.json", "/{a:float}", "/{a*}/b", "/{a b}", "/a?b",
                              "/%zz", "/../a", "/{a}/{a}", "/*"})
    EXPECT_NE(complaint([&] { routes.get(pattern, named("x")); }), "") << pattern;
  EXPECT_NE(complaint([&] { routes.get("/a", handler{}); }), "");
  EXPECT_NE(complaint([&] { routes.use({}); }), "");
  EXPECT_NE(complaint([&] { routes.mount("/api/", router{}); }), "");
}

TEST(Router, CallsTypedHandlersWithTheirParameters) {
  router routes;
  routes.get("/users/{id}", [](request&, user_id id) -> task<result<response>> {
    co_return response::text("user " + std::to_string(id.value()));
  });
  routes.get("/pairs/{a}/{b}", [](request&, std::string a, bool b) -> task<response> {
    co_return response::text(a + (b ? " yes" : " no"));
  });
  routes.get("/orders/{id}", [](request&, uuid id) -> task<response> { co_return response::text(id.to_string()); });
  routes.get("/raw/{name}",
             [](request&, std::string_view name) -> task<response> { co_return response::text(std::string{name}); });
  routes.get("/plain", [](request&) -> task<response> { co_return response::text("plain"); });
  EXPECT_EQ(get(routes, "/users/7"), "user 7");
  EXPECT_EQ(get(routes, "/pairs/x%20y/true"), "x y yes");
  EXPECT_EQ(get(routes, "/raw/abc"), "abc");
  EXPECT_EQ(get(routes, "/plain"), "plain");
  EXPECT_EQ(get(routes, "/orders/f81d4fae-7dec-11d0-a765-00a0c91e6bf6"), "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
  const auto wrong = ask(routes.as_handler(), method::get, "/users/seven");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_NE(wrong.text.find("id: expected an integer"), std::string::npos) << wrong.text;
  EXPECT_EQ(ask(routes.as_handler(), method::get, "/pairs/x/maybe").status, 400);
  EXPECT_EQ(ask(routes.as_handler(), method::get, "/orders/1").status, 400);
  EXPECT_NE(complaint([&] { routes.get("/none", [](request&, int) -> task<response> { co_return response{}; }); }), "");
}

middleware marking(std::string mark) {
  struct run {
    static task<result<response>> around(handler inner, std::string mark, request& r) {
      auto reply = co_await inner(r);
      if (reply) reply->headers.add("X-Mark", mark);
      co_return reply;
    }
  };
  return [mark](handler inner) -> handler {
    return [inner = std::move(inner), mark](request& r) { return run::around(inner, mark, r); };
  };
}
task<std::string> marks(handler h, std::string path) {
  request r{method::get, path};
  auto reply = co_await h(r);
  co_return reply ? reply->headers.joined("x-mark") : "failed";
}

TEST(Router, RunsMiddlewareOutermostFirst) {
  router inner;
  inner.use(marking("inner"));
  inner.get("/", named("root"));
  inner.get("/{id}", named("one"), {marking("route"), marking("route 2")});
  router routes;
  routes.use(marking("first"));
  routes.use(marking("second"));
  routes.mount("/api/{name}", inner);
  epoll_loop loop;
  // Each marks on the way back: the outermost last.
  EXPECT_EQ(loop.run(marks(routes.as_handler(), "/api/x/7")), "route 2, route, inner, second, first");
  EXPECT_EQ(loop.run(marks(routes.as_handler(), "/api/x")), "inner, second, first");
  EXPECT_EQ(loop.run(marks(routes.as_handler(), "/none")), "second, first");
  EXPECT_EQ(get(routes, "/api/x/7"), "one id=7 name=x");
  EXPECT_EQ(ask(routes.as_handler(), method::get, "/api/x/7").route, "/api/{name}/{id}");
  EXPECT_NE(complaint([&] { routes.mount("/api/{id}", inner); }), "") << "{id} twice";
}

TEST(Router, KeepsAHandlerAsItWas) {
  router routes;
  routes.get("/a", named("a"));
  const auto before = routes.as_handler();
  routes.get("/b", named("b"));
  EXPECT_EQ(ask(before, method::get, "/b").status, 404);
  EXPECT_EQ(get(routes, "/b"), "b");
}

}  // namespace
}  // namespace weft::http
