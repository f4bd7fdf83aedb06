#pragma once
// One instance of the fleet's service: a real HTTP server in front of a few workers. Work waits its turn, so that
// overload shows as latency; a queue that is full answers 503. Some fleets drop work whose caller has given up, some,
// as most servers do, carry on with it.
#include "fleet_ledger.hpp"

#include <weft/discovery/memory_hub.hpp>
#include <weft/http/message.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/testkit.hpp>

#include <memory>

namespace fleet {

enum class late_work : std::uint8_t { done_anyway, dropped };

struct instance_options {
  std::size_t workers = 2;
  weft::duration service_time = std::chrono::milliseconds{80};  // uniform from half of it to half more
  std::size_t queue = 24;                                       // waiting; beyond, 503
  late_work late = late_work::done_anyway;
};

class instance {
 public:
  instance(weft::testkit::host& h, ledger& book, instance_options options);

  [[nodiscard]] weft::http::handler handler();

 private:
  struct job;
  weft::task<weft::result<weft::http::response>> answer(weft::http::request& r);
  weft::task<void> work();  // of one worker
  [[nodiscard]] weft::duration service_time();

  weft::testkit::host& host_;
  ledger& book_;
  instance_options options_;
  weft::channel<std::shared_ptr<job>> queue_;
  weft::task_group workers_;
};

// The program of an instance. With a hub it registers there and says that it lives; without, others know it by its
// address.
weft::task<void> run_instance(weft::testkit::host& h, ledger& book, instance_options options,
                              std::shared_ptr<weft::discovery::memory_hub> hub);

}  // namespace fleet
