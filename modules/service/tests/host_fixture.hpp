#pragma once
// An application in this process: asked over loopback from its own loop, and then stopped.
#include <weft/http/client.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/service.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace weft::service {

struct reply {
  int status = 0;
  std::string text;
};

inline task<reply> ask(loop& l, std::string url, std::string path) {
  http::client client{l, {.base_url = url}};
  auto answer = co_await client.get_raw(context::background().with_timeout(l, std::chrono::seconds{30}), path);
  if (!answer) co_return reply{0, answer.error().describe()};
  const auto text = co_await answer->content.text();
  co_return reply{to_int(answer->status), std::string{text.value_or("")}};
}

// Until it holds, turn by turn of the loop; false when it does not within 30 s.
inline task<bool> until(loop& l, std::function<bool()> holds) {
  const auto ctx = context::background().with_timeout(l, std::chrono::seconds{30});
  while (!holds())
    if (!co_await weft::sleep(l, ctx, std::chrono::milliseconds{1})) co_return false;
  co_return true;
}

class host_fixture : public testing::Test {
 protected:
  host_fixture() {
    settings_.log.level = observe::log_level::off;
    settings_.drain.propagation_delay = std::chrono::seconds{0};
    at_.address = "127.0.0.1";
    at_.port = 0;
  }
  // Runs the application until `questions` have been asked of its listeners.
  template <class Questions>
  int run(application& app, Questions questions) {
    std::optional<task_group> asking;
    app.on_ready([&](const std::vector<bound_listener>& listeners) {
      asking.emplace(app.loop()).spawn(then_stop(app, questions(app.loop(), listeners)));
    });
    const int code = app.run();
    asking.reset();
    return code;
  }
  static task<void> then_stop(application& app, task<void> questions) {
    co_await std::move(questions);
    app.stop();
  }
  static task<void> nothing() { co_return; }

  host_settings settings_;
  http_settings at_;
};

}  // namespace weft::service
