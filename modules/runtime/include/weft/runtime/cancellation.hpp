#pragma once
// Cancellation, cooperative and single-threaded: a source belongs to one loop; its tokens travel in contexts.
// To cancel from another thread, post to the loop.
//
//     cancel_source source;
//     auto ctx = context::background().with_cancellation(source.token());
//     source.cancel();                    // whoever waits under ctx is woken with errc::cancelled
#include <weft/base/error.hpp>

#include <functional>
#include <memory>

namespace weft {

class cancel_token;

// Called once, when the token it watches is cancelled; never when it was destroyed before. Pinned in memory.
class cancel_callback {
 public:
  cancel_callback() = default;
  cancel_callback(const cancel_callback&) = delete;
  cancel_callback& operator=(const cancel_callback&) = delete;
  virtual void cancelled(errc reason) = 0;

  // Calls back at once when the token is cancelled already.
  void watch(const cancel_token& token);
  void unwatch() noexcept;

 protected:
  ~cancel_callback() { unwatch(); }

 private:
  friend class cancel_state;
  std::shared_ptr<class cancel_state> state_;
  cancel_callback *next_ = nullptr, *previous_ = nullptr;
};

class cancel_token {
 public:
  cancel_token() = default;  // never cancelled
  [[nodiscard]] bool cancelled() const noexcept;
  [[nodiscard]] errc reason() const noexcept;
  [[nodiscard]] bool can_be_cancelled() const noexcept { return state_ != nullptr; }
  // Cancelled as soon as one of the two is.
  [[nodiscard]] static cancel_token either(const cancel_token& a, const cancel_token& b);

 private:
  friend class cancel_source;
  friend class cancel_callback;
  explicit cancel_token(std::shared_ptr<class cancel_state> state) : state_{std::move(state)} {}
  std::shared_ptr<class cancel_state> state_;
};

class cancel_source {
 public:
  cancel_source();
  // Cancelled whenever `parent` is, or by itself.
  explicit cancel_source(const cancel_token& parent);

  void cancel(errc reason = errc::cancelled);  // the first reason stays
  [[nodiscard]] bool cancelled() const noexcept;
  [[nodiscard]] cancel_token token() const noexcept { return cancel_token{state_}; }

 private:
  std::shared_ptr<class cancel_state> state_;
};

}  // namespace weft
