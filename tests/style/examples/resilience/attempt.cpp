#include <weft/resilience/pipeline.hpp>
struct reply {};
struct picked_host {
  std::string name() const;
};
extern resilience::pipeline<reply>& guard;
extern int request;
picked_host pick(const std::vector<std::string>& tried);
task<result<reply>> send(context ctx, picked_host to, int request);
