#include <weft/http/client.hpp>
#include <weft/http/router.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit.hpp>

#include <gtest/gtest.h>

namespace {
using namespace weft;
using namespace std::chrono_literals;

// [program]
// The service under test: the code that would run in production. Its number is kept on the disk.
class ticket_machine {
 public:
  ticket_machine(loop& l, disk& d, bool sync) : loop_{l}, disk_{d}, sync_{sync} {}

  task<void> run() {
    auto opened = co_await disk_.open("tickets", open_mode::create);
    if (!opened) co_return;
    file_ = *std::move(opened);
    static_cast<void>(co_await disk_.sync_directory());
    auto text = co_await read_all(*file_, 100);
    if (text && !text->empty()) last_ = std::stol(*text);
    routes_.post("/tickets", [this](http::request&) { return take(); });
    http::server server{loop_, routes_.as_handler()};
    if (!server.listen(address::any(80))) co_return;
    static_cast<void>(co_await weft::sleep(loop_, {}, 24h));
  }

 private:
  task<result<http::response>> take() {
    const auto number = ++last_;
    WEFT_CO_TRY_VOID(co_await file_->write_at(0, std::to_string(number)));
    if (sync_) WEFT_CO_TRY_VOID(co_await file_->sync());  // without it, a crash gives numbers out twice
    co_return http::response::text(std::to_string(number));
  }

  loop& loop_;
  disk& disk_;
  bool sync_;
  std::unique_ptr<file> file_;
  long last_ = 0;
  http::router routes_;
};
// [/program]

task<void> serve(testkit::host& h, bool sync) {
  ticket_machine machine{h.loop(), h.disk(), sync};
  co_await machine.run();
}

// [scenario]
task<void> take_tickets(loop& l, std::vector<std::string>& taken) {
  http::client machine{l, {.base_url = "http://machine", .response_timeout = 1s}};
  for (int i = 0; i < 20; ++i) {
    auto answer = co_await machine.send({}, {http::method::post, "/tickets"});
    if (!answer) continue;  // the machine is down: try again
    if (auto number = co_await answer->content.text()) taken.emplace_back(*number);
    static_cast<void>(co_await weft::sleep(l, {}, 100ms));
  }
}

void never_the_same_ticket_twice(testkit::simulation& sim, bool sync) {
  auto& machine = sim.add_host("machine");
  machine.on_boot([sync](testkit::host& h) { return serve(h, sync); });
  auto& customer = sim.add_host("customer");
  auto& taken = sim.make<std::vector<std::string>>();
  customer.spawn(take_tickets(customer.loop(), taken));

  for (int i = 0; i < 5; ++i) {  // five crashes, at moments that the seed chooses
    sim.run_for(duration{sim.random().between(0, 1'000'000'000)});
    machine.crash();
    sim.run_for(50ms);
    machine.restart();
  }
  sim.run_for(10s);
  std::ranges::sort(taken);
  sim.check(std::ranges::adjacent_find(taken) == taken.end(), "a number was given out twice");
}

TEST(SimulationGuide, NeverTheSameTicketTwice) {
  const auto report = testkit::explore({.name = "SimulationGuide.NeverTheSameTicketTwice", .seeds = 200},
                                       [](testkit::simulation& sim) { never_the_same_ticket_twice(sim, true); });
  EXPECT_TRUE(report.passed()) << report;
}
// [/scenario]

TEST(SimulationGuide, FindsTheMissingSync) {
  const auto report = testkit::explore({.name = "SimulationGuide.FindsTheMissingSync", .seeds = 200},
                                       [](testkit::simulation& sim) { never_the_same_ticket_twice(sim, false); });
  ASSERT_FALSE(report.passed());
  EXPECT_TRUE(report.failures.front().replayed_exactly);
}

}  // namespace
