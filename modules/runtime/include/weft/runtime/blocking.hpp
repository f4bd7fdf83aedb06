#pragma once
// Calls that block, kept off the loop.
//     auto text = co_await blocking(loop, [path = file_name] { return read_file(path); });
// The function runs on the loop's pool of threads; its value or exception comes back to the loop. It must not touch
// what belongs to the loop. When the awaiting task is destroyed meanwhile, the function still runs and its value is
// dropped, so capture by value.
#include <weft/runtime/loop.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>

namespace weft {

template <class Function, class Value = std::invoke_result_t<Function&>>
class [[nodiscard]] blocking_operation {
 public:
  blocking_operation(loop& l, Function work) : loop_{l}, work_{std::move(work)} {}
  blocking_operation(const blocking_operation&) = delete;
  blocking_operation& operator=(const blocking_operation&) = delete;
  ~blocking_operation() {
    if (shared_) shared_->waiting = nullptr;
  }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> frame) {
    shared_ = std::make_shared<shared>();
    shared_->waiting = frame;
    loop_.offload(
        [state = shared_, work = std::move(work_)]() mutable {
          try {
            if constexpr (std::is_void_v<Value>)
              work(), state->value.emplace();
            else
              state->value.emplace(work());
          } catch (...) {
            state->problem = std::current_exception();
          }
        },
        [state = shared_] {
          if (state->waiting) state->waiting.resume();
        });
  }
  Value await_resume() {
    if (shared_->problem) std::rethrow_exception(shared_->problem);
    if constexpr (!std::is_void_v<Value>) return *std::move(shared_->value);
  }

 private:
  struct nothing {};
  struct shared {
    std::coroutine_handle<> waiting;  // read and written on the loop only
    std::optional<std::conditional_t<std::is_void_v<Value>, nothing, Value>> value;
    std::exception_ptr problem;
  };
  loop& loop_;
  Function work_;
  std::shared_ptr<shared> shared_;
};

template <class Function>
blocking_operation<Function> blocking(loop& l, Function work) {
  return {l, std::move(work)};
}

}  // namespace weft
