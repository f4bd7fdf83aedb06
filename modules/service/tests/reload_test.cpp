// SIGHUP, and what /metrics says of the process.
// weft-style: allow order in this file: certificates made on the spot are the business of the module net
#include "../../net/tests/certificates.hpp"
#include "host_fixture.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>

namespace weft::service {
namespace {

using namespace std::chrono_literals;

class reload : public host_fixture {};

// To this thread, which is the one that handles signals: others have them blocked, but gtest's own may not.
void hang_up() { ASSERT_EQ(std::raise(SIGHUP), 0); }

struct reloads_seen {
  int begun = 0;
  bool may_end = false;
};
task<void> reload_slowly(loop& l, reloads_seen& seen) {
  ++seen.begun;
  EXPECT_TRUE(co_await until(l, [&] { return seen.may_end; }));
}
task<void> hang_up_twice(loop& l, reloads_seen& seen) {
  hang_up();
  EXPECT_TRUE(co_await until(l, [&] { return seen.begun == 1; }));
  hang_up();  // while the first reload is under way
  for (int turn = 0; turn < 20; ++turn) (void)co_await weft::sleep(l, context::background(), 1ms);
  EXPECT_EQ(seen.begun, 1);
  seen.may_end = true;
  EXPECT_TRUE(co_await until(l, [&] { return seen.begun == 2; })) << "the last change was lost";
}

// A18
TEST_F(reload, a_signal_during_a_reload_is_not_lost) {
  reloads_seen seen;
  application app{{.name = "one"}, settings_, at_};
  app.serve(http::router{});
  app.on_reload([&] { return reload_slowly(app.loop(), seen); });
  EXPECT_EQ(run(app, [&](loop& l, const auto&) { return hang_up_twice(l, seen); }), 0);
  EXPECT_EQ(seen.begun, 2);
}

task<void> count(int& calls) {
  ++calls;
  co_return;
}
task<void> throw_an_int(int& calls) {
  ++calls;
  throw 7;
  co_return;
}
task<void> hang_up_until(loop& l, int& calls, int wanted) {
  while (calls < wanted) {
    const int before = calls;
    hang_up();
    EXPECT_TRUE(co_await until(l, [&] { return calls > before; }));
  }
}

// A12
TEST_F(reload, a_hook_that_throws_does_not_end_the_program) {
  int calls = 0;
  application app{{.name = "one"}, settings_, at_};
  app.serve(http::router{});
  int others = 0;
  app.on_reload([&] { return throw_an_int(others); });
  app.on_reload([&] { return count(calls); });
  EXPECT_EQ(run(app, [&](loop& l, const auto&) { return hang_up_until(l, calls, 2); }), 0);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(others, 2);
}

task<void> hang_up_and_leave(loop& l, reloads_seen& seen) {
  hang_up();
  EXPECT_TRUE(co_await until(l, [&] { return seen.begun == 1; }));
}
task<void> never_ends(loop& l, reloads_seen& seen) {
  ++seen.begun;
  for (;;) (void)co_await weft::sleep(l, context::background(), 1h);
}

// A reload hook that hangs must not keep the program from ending.
TEST_F(reload, a_hook_that_hangs_does_not_hold_up_the_end) {
  settings_.drain.hook_timeout = 50ms;
  reloads_seen seen;
  application app{{.name = "one"}, settings_, at_};
  app.serve(http::router{});
  app.on_reload([&] { return never_ends(app.loop(), seen); });
  EXPECT_EQ(run(app, [&](loop& l, const auto&) { return hang_up_and_leave(l, seen); }), 0);
}

std::string write(const std::string& name, const std::string& text) {
  const auto path = testing::TempDir() + name;
  std::ofstream{path + ".part"} << text;
  std::filesystem::rename(path + ".part", path);
  return path;
}

task<void> change_the_level(application& app, loop& l) {
  EXPECT_EQ(app.log().level(), observe::log_level::off);
  write("weft_level.yaml", "log: {level: critical}\ndrain: {propagation_delay: 0s}\n");
  hang_up();
  EXPECT_TRUE(co_await until(l, [&] { return app.log().level() == observe::log_level::critical; }));
}

// D: log.level by SIGHUP
TEST_F(reload, the_log_level_changes_at_once) {
  const auto path = write("weft_level.yaml", "log: {level: \"off\"}\ndrain: {propagation_delay: 0s}\n");
  const auto config =
      load<service_settings>({.files = {path}, .arguments = {"--http.address=127.0.0.1", "--http.port=0"}});
  ASSERT_TRUE(config) << config.error().message();
  application app{{.name = "one"}, *config};
  app.serve(http::router{});
  EXPECT_EQ(run(app, [&](loop& l, const auto&) { return change_the_level(app, l); }), 0);
}

// The subject of the certificate that the listener shows now.
task<std::string> trusted_by(loop& l, std::string url, std::string authority) {
  http::client client{l,
                      {.base_url = url,
                       .tls = net::tls_context::client({.authorities = net::pem::text(std::move(authority))}).value()}};
  const auto answer = co_await client.get_raw(context::background().with_timeout(l, 30s), "/health/live");
  co_return answer ? "trusted" : std::string{answer.error().message()};
}

struct certificate_files {
  net::test_authority first{"first"}, second{"second"};
  std::string authority(const net::test_authority& a) const { return a.trust().load().value(); }
  void put(const net::test_authority& signer) const {
    const auto made = signer.issue({.names = {"localhost", "IP:127.0.0.1"}});
    write("weft_reload.crt", made.certificate);
    write("weft_reload.key", made.key);
  }
};

task<bool> becomes_trusted(loop& l, std::string url, std::string authority) {
  const auto ctx = context::background().with_timeout(l, 30s);
  while (co_await trusted_by(l, url, authority) != "trusted")
    if (!co_await weft::sleep(l, ctx, 5ms)) co_return false;
  co_return true;
}

task<void> renew(loop& l, std::string url, certificate_files& files, bool by_signal) {
  EXPECT_EQ(co_await trusted_by(l, url, files.authority(files.first)), "trusted");
  files.put(files.second);
  if (by_signal) hang_up();
  EXPECT_TRUE(co_await becomes_trusted(l, url, files.authority(files.second)));
  // What does not load leaves the certificate in use.
  write("weft_reload.crt", "no certificate");
  if (by_signal) hang_up();
  for (int turn = 0; turn < 20; ++turn) (void)co_await weft::sleep(l, context::background(), 1ms);
  EXPECT_EQ(co_await trusted_by(l, url, files.authority(files.second)), "trusted");
}

// D: certificates by SIGHUP and by a watch
TEST_F(reload, certificates_are_renewed) {
  for (const bool by_signal : {true, false}) {
    certificate_files files;
    files.put(files.first);
    at_.tls = {.certificate = testing::TempDir() + "weft_reload.crt", .key = testing::TempDir() + "weft_reload.key"};
    at_.tls.reload_interval = by_signal ? 0ms : 1ms;
    application app{{.name = "one"}, settings_, at_};
    app.serve(http::router{});
    EXPECT_EQ(
        run(app, [&](loop& l,
                     const std::vector<bound_listener>& at) { return renew(l, at.front().url(), files, by_signal); }),
        0);
  }
}

// G16
TEST_F(reload, metrics_show_process_and_build) {
  application app{{.name = "one", .version = "1.2"}, settings_, at_};
  app.serve(http::router{});
  EXPECT_EQ(run(app,
                [](loop& l, std::vector<bound_listener> at) -> task<void> {
                  const auto text = (co_await ask(l, at.front().url(), "/metrics")).text;
                  for (const auto* name :
                       {"process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_virtual_memory_bytes ",
                        "process_open_fds ", "process_max_fds ", "process_threads ", "process_start_time_seconds "}) {
                    const auto found = text.find("\n" + std::string{name});
                    EXPECT_NE(found, text.npos) << name;
                    if (found != text.npos)
                      EXPECT_GT(std::stod(text.substr(found + 1 + std::string_view{name}.size())), 0) << name;
                  }
                  EXPECT_NE(text.find("weft_build_info{"), text.npos);
                  EXPECT_NE(text.find("program=\"one\""), text.npos);
                  EXPECT_NE(text.find("version=\"1.2\""), text.npos);
                }),
            0);
}

}  // namespace
}  // namespace weft::service
