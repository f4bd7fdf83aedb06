#include <functional>
#include <vector>
namespace service {
using health_details = std::vector<int>;
struct health_options {
  duration keep{};
};
struct health_checks {
  void add(std::string name, std::function<task<result<health_details>>(context)> check, health_options options);
};
struct application {
  health_checks& health();
};
}  // namespace service
extern service::application& app;
