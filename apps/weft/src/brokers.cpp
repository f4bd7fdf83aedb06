// Which brokers the program can reach.
#include <weft/messaging_amqp/amqp_broker.hpp>
#include <weft/messaging_http/remote_broker.hpp>
#include <weft/messaging_sqlite/sqlite_broker.hpp>

#include <filesystem>

#include "program.hpp"

namespace weft::cli {

namespace {

using broker_result = result<std::unique_ptr<messaging::broker>>;

task<broker_result> refuse_memory(loop&, context, std::string) {
  const error e{errc::invalid_argument, "memory: is a broker inside one process, and this is another one"};
  co_return fail(e.with_remedy(
      "name a broker that both can reach: sqlite:FILE, amqp://HOST, or http://HOST of a service that offers it"));
}

// A wrong path would otherwise make an empty broker, in which there is nothing to see and nobody to publish to.
result<> require_file(std::string_view url) {
  url.remove_prefix(url.find(':') + 1);
  if (url.starts_with("//")) url.remove_prefix(2);
  const std::filesystem::path file{url.substr(0, url.find('?'))};
  std::error_code problem;
  if (std::filesystem::exists(file, problem)) return {};
  const error e{errc::not_found, "there is no file " + file.string()};
  return fail(e.with_remedy("the service makes it when it starts; is the path right?"));
}

task<broker_result> open_file(messaging::broker_opener open, loop& l, context ctx, std::string url) {
  WEFT_CO_TRY_VOID(require_file(url));
  co_return co_await open(l, std::move(ctx), std::move(url));
}

}  // namespace

messaging::broker_factory known_brokers() {
  messaging::broker_factory brokers;
  brokers.add("memory", refuse_memory);
  brokers.add("sqlite", [open = messaging::sqlite_brokers()](loop& l, context ctx, std::string url) {
    return open_file(open, l, std::move(ctx), std::move(url));
  });
  brokers.add("amqp", messaging::amqp_brokers()).add("amqps", messaging::amqp_brokers());
  brokers.add("http", messaging::remote_brokers()).add("https", messaging::remote_brokers());
  return brokers;
}

}  // namespace weft::cli
