#include <weft/runtime/cancellation.hpp>

#include <utility>

namespace weft {

class cancel_state final : public std::enable_shared_from_this<cancel_state> {
 public:
  cancel_state() = default;
  cancel_state(const cancel_state&) = delete;
  cancel_state& operator=(const cancel_state&) = delete;
  ~cancel_state() {
    while (first_ != nullptr) remove(*first_);  // none is left: each callback owns the state it watches
  }

  void follow(const cancel_token& a, const cancel_token& b = {}) {
    parents_[0].watch(a);
    parents_[1].watch(b);
  }

  void cancel(errc reason) {
    if (cancelled_) return;
    cancelled_ = true;
    reason_ = reason;
    const auto keep = weak_from_this().lock();  // a callback may drop the last owner
    while (first_ != nullptr) {
      auto* callback = first_;
      const auto hold = std::move(callback->state_);
      remove(*callback);
      callback->cancelled(reason);
    }
  }
  void add(cancel_callback& callback) noexcept {
    callback.next_ = nullptr;
    callback.previous_ = last_;
    (last_ != nullptr ? last_->next_ : first_) = &callback;
    last_ = &callback;
  }
  void remove(cancel_callback& callback) noexcept {
    (callback.previous_ != nullptr ? callback.previous_->next_ : first_) = callback.next_;
    (callback.next_ != nullptr ? callback.next_->previous_ : last_) = callback.previous_;
    callback.next_ = callback.previous_ = nullptr;
  }

  [[nodiscard]] bool is_cancelled() const noexcept { return cancelled_; }
  [[nodiscard]] errc reason() const noexcept { return reason_; }

 private:
  struct link final : cancel_callback {
    explicit link(cancel_state& s) : state{s} {}
    void cancelled(errc reason) override { state.cancel(reason); }
    cancel_state& state;
  };

  link parents_[2]{link{*this}, link{*this}};
  cancel_callback *first_ = nullptr, *last_ = nullptr;
  errc reason_ = errc::cancelled;
  bool cancelled_ = false;
};

void cancel_callback::watch(const cancel_token& token) {
  unwatch();
  if (token.state_ == nullptr) return;
  if (token.state_->is_cancelled()) return cancelled(token.state_->reason());
  state_ = token.state_;
  state_->add(*this);
}

void cancel_callback::unwatch() noexcept {
  if (state_ == nullptr) return;
  state_->remove(*this);
  state_.reset();
}

bool cancel_token::cancelled() const noexcept { return state_ != nullptr && state_->is_cancelled(); }
errc cancel_token::reason() const noexcept { return state_ != nullptr ? state_->reason() : errc::cancelled; }

cancel_token cancel_token::either(const cancel_token& a, const cancel_token& b) {
  if (!a.can_be_cancelled()) return b;
  if (!b.can_be_cancelled()) return a;
  auto state = std::make_shared<cancel_state>();
  state->follow(a, b);
  return cancel_token{std::move(state)};
}

cancel_source::cancel_source() : state_{std::make_shared<cancel_state>()} {}
cancel_source::cancel_source(const cancel_token& parent) : cancel_source{} { state_->follow(parent); }
void cancel_source::cancel(errc reason) { state_->cancel(reason); }
bool cancel_source::cancelled() const noexcept { return state_->is_cancelled(); }

}  // namespace weft
