// Which brokers the program can reach.
#include "program.hpp"

namespace weft::cli {

namespace {

task<result<std::unique_ptr<messaging::broker>>> refuse_memory(loop&, context, std::string) {
  const error e{errc::invalid_argument, "memory: is a broker inside one process, and this is another one"};
  co_return fail(e.with_remedy("name a broker that both can reach: sqlite:FILE, amqp://HOST"));
}

}  // namespace

messaging::broker_factory known_brokers() {
  messaging::broker_factory brokers;
  brokers.add("memory", refuse_memory);
  return brokers;
}

}  // namespace weft::cli
