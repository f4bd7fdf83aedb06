// A method (the first byte) and a path through a router whose routes overlap. Properties: nothing crashes, a route that
// was found has all its parameters, and what a path is answered does not depend on the order of the routes.
#include <weft/http/router.hpp>
#include <weft/runtime/epoll_loop.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace weft;
using namespace weft::http;

void require(bool holds) {
  if (!holds) std::abort();
}

task<result<response>> echo(request& r) {
  std::string text{r.route()};
  for (const auto* name : {"a", "b", "id", "rest"})
    if (const auto value = r.path_param(name)) text.append("\n").append(name).append("=").append(*value);
  require((r.route().find("{a}") == std::string_view::npos) == !r.path_param("a"));
  require(r.path_param("a").value_or("x") != "");
  co_return response::text(std::move(text));
}

const std::vector<std::string>& patterns() {
  static const std::vector<std::string> all{
      "/",          "/a",           "/a/b",      "/a/{id:int}", "/a/{id:uuid}",
      "/a/{b}",     "/a/{b}/c",     "/{a}/b/c",  "/{a}/{b}",    "/{a}/{b}/{id:int}/{rest*}",
      "/x/{rest*}", "/x/y/{rest*}", "/caf%C3%A9"};
  return all;
}

handler make(bool reversed) {
  router routes;
  const auto& all = patterns();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto place = reversed ? all.size() - 1 - i : i;
    if (place % 3 == 2)
      routes.post(all[place], echo);
    else
      routes.get(all[place], echo);
  }
  return routes.as_handler();
}

task<std::string> ask(const handler& h, method m, std::string_view target) {
  request r{m, target};
  auto reply = co_await h(r);
  require(reply.has_value());
  auto text = co_await reply->content.text();
  co_return std::to_string(to_int(reply->status)) + std::string{reply->headers.get("allow").value_or("")} +
      std::string{text.value_or("")};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static epoll_loop loop;
  static const auto forward = make(false), backward = make(true);
  if (size == 0) return 0;
  const auto m = static_cast<method>(data[0] % (static_cast<int>(method::other) + 1));
  const std::string_view target{reinterpret_cast<const char*>(data) + 1, size - 1};
  require(loop.run(ask(forward, m, target)) == loop.run(ask(backward, m, target)));
  return 0;
}
