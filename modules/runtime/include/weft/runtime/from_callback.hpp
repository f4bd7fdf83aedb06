#pragma once
// Awaits what reports by a callback, whatever library it comes from, on whatever thread it calls.
//
//     // an Asio operation, inside a weft task:
//     auto [ec] = co_await from_callback<boost::system::error_code>(
//         loop, [&](auto done) { timer.async_wait(std::move(done)); });
//
// `start` is called at once with a move-only function; calling that function, once, resumes the task on its loop.
#include <weft/runtime/loop.hpp>

#include <memory>
#include <optional>
#include <tuple>

namespace weft {

template <class... Values>
class callback_result {
 public:
  void operator()(Values... values) {
    loop_->post([state = state_, pack = std::tuple<Values...>{std::move(values)...}]() mutable {
      state->values.emplace(std::move(pack));
      if (state->waiting) state->waiting.resume();
    });
  }

  struct shared {
    std::coroutine_handle<> waiting;
    std::optional<std::tuple<Values...>> values;
  };
  callback_result(loop& l, std::shared_ptr<shared> state) : loop_{&l}, state_{std::move(state)} {}

 private:
  loop* loop_;
  std::shared_ptr<shared> state_;
};

template <class Start, class... Values>
class [[nodiscard]] callback_operation {
 public:
  callback_operation(loop& l, Start start) : loop_{l}, start_{std::move(start)} {}
  callback_operation(const callback_operation&) = delete;
  callback_operation& operator=(const callback_operation&) = delete;
  ~callback_operation() { state_->waiting = nullptr; }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> frame) {
    state_->waiting = frame;
    start_(callback_result<Values...>{loop_, state_});
  }
  std::tuple<Values...> await_resume() { return *std::move(state_->values); }

 private:
  loop& loop_;
  Start start_;
  std::shared_ptr<typename callback_result<Values...>::shared> state_ =
      std::make_shared<typename callback_result<Values...>::shared>();
};

template <class... Values, class Start>
callback_operation<Start, Values...> from_callback(loop& l, Start start) {
  return {l, std::move(start)};
}

}  // namespace weft
