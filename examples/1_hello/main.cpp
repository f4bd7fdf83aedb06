// The smallest service.
//     ./hello --http.port=8080
//     curl http://127.0.0.1:8080/hello/ada
#include <weft/service.hpp>

using namespace weft;

task<http::response> hello(http::request&, std::string name) { co_return http::response::text("hello " + name + "\n"); }

int main(int argc, char** argv) {
  service::application app{{.name = "hello"}, argc, argv};
  http::router routes;
  routes.get("/hello/{name}", hello);
  app.serve(std::move(routes));
  return app.run();
}
