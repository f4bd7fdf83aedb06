#pragma once
// Waiting in line for what only one can have: a permit, a connection, room in a queue. What is granted belongs to the
// waiter from that moment on, as a value whose destructor hands it on. So it cannot be lost when a waiter is destroyed
// between the grant and its resumption, and nobody who comes later can take it out of turn.
//
//     class pool {
//      public:
//       class place {                                // move-only; the destructor of a moved-from one does nothing
//        public:
//         explicit place(pool& of) : of_{&of} {}
//         place(place&& other) noexcept : of_{std::exchange(other.of_, nullptr)} {}
//         ~place() { if (of_ != nullptr) of_->left(); }
//         void keep() noexcept { of_ = nullptr; }
//        private:
//         pool* of_;
//       };
//       explicit pool(loop& l) : waiting_{l} {}
//       auto enter(const context& ctx) {             // without waiting while there is a free place
//         return waiting_.wait(ctx, free_places_ > 0 ? (--free_places_, std::optional<place>{*this}) : std::nullopt);
//       }
//      private:
//       void left() {
//         place free{*this};
//         if (!waiting_.grant(free)) free.keep(), ++free_places_;
//       }
//       wait_queue<place> waiting_;
//       int free_places_ = 4;
//     };
//
//     auto got = co_await places.enter(ctx);         // result<pool::place>; fails when the context ends first
//
// Waiters are granted in the order in which they came, and resume through the loop's ready queue. One loop; not for
// several threads. The queue, and what grants refer to, outlive all that wait; a waiter that is left when the queue is
// destroyed drops what it was granted then.
#include <weft/runtime/loop.hpp>

#include <concepts>
#include <optional>

namespace weft {

namespace detail {

class waiting_operation;

// An intrusive list, in the order of arrival. An operation that is destroyed leaves it.
class waiting_list {
 public:
  waiting_list() = default;
  waiting_list(const waiting_list&) = delete;
  waiting_list& operator=(const waiting_list&) = delete;
  ~waiting_list() { clear(); }
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] waiting_operation* front() const noexcept { return first_; }
  void push(waiting_operation& w) noexcept;
  void remove(waiting_operation& w) noexcept;
  void clear() noexcept;

 private:
  waiting_operation *first_ = nullptr, *last_ = nullptr;
  std::size_t size_ = 0;
};

// An operation that waits in a list until it is woken, or its context ends.
class waiting_operation : timer_node, cancel_callback {
 public:
  waiting_operation(const waiting_operation&) = delete;
  waiting_operation& operator=(const waiting_operation&) = delete;

  void await_suspend(std::coroutine_handle<> frame) {
    resume_.set(frame);
    list_.push(*this);
    loop_.arm(*this, context_.deadline());
    watch(context_.cancellation());
  }

 protected:
  waiting_operation(loop& l, const context& ctx, waiting_list& list) noexcept : loop_{l}, context_{ctx}, list_{list} {}
  ~waiting_operation() { unlink(); }

  [[nodiscard]] bool context_ended() {
    outcome_ = context_.check(loop_.now());
    return !outcome_.has_value();
  }
  void unlink() noexcept {
    if (in_ != nullptr) in_->remove(*this);
  }
  // It has left the list; it resumes in this turn of the loop.
  void wake() noexcept {
    unlink();
    disarm();
    unwatch();
    loop_.schedule(resume_);
  }
  void give_up(errc reason, std::string_view why) {
    outcome_ = fail(reason, why);
    wake();
  }

  result<> outcome_;

 private:
  friend class waiting_list;
  void expire() override { give_up(errc::deadline_exceeded, "the deadline passed while waiting"); }
  void cancelled(errc reason) override { give_up(reason, "cancelled while waiting"); }

  loop& loop_;
  context context_;
  waiting_list& list_;
  waiting_list* in_ = nullptr;
  waiting_operation *next_ = nullptr, *previous_ = nullptr;
  resume_node resume_;
};

inline void waiting_list::push(waiting_operation& w) noexcept {
  w.in_ = this;
  w.next_ = nullptr;
  w.previous_ = last_;
  (last_ != nullptr ? last_->next_ : first_) = &w;
  last_ = &w;
  ++size_;
}
inline void waiting_list::remove(waiting_operation& w) noexcept {
  (w.previous_ != nullptr ? w.previous_->next_ : first_) = w.next_;
  (w.next_ != nullptr ? w.next_->previous_ : last_) = w.previous_;
  w.in_ = nullptr;
  --size_;
}
inline void waiting_list::clear() noexcept {
  while (first_ != nullptr) remove(*first_);
}

}  // namespace detail

template <class Grant>
  requires std::is_nothrow_move_constructible_v<Grant>
class wait_queue {
 public:
  class operation : public detail::waiting_operation {
   public:
    bool await_ready() { return grant_.has_value() || context_ended(); }
    WEFT_NODISCARD_RESULT result<Grant> await_resume() {
      unlink();
      if (grant_) return *std::exchange(grant_, std::nullopt);
      if (!outcome_) return fail(std::move(outcome_).error());
      return fail(errc::cancelled, "what was waited for is gone");
    }

   private:
    friend class wait_queue;

   protected:
    operation(wait_queue& queue, const context& ctx, std::optional<Grant> granted = {}) noexcept
        : detail::waiting_operation{queue.loop_, ctx, queue.waiting_}, grant_{std::move(granted)} {}
    ~operation() = default;

   private:
    std::optional<Grant> grant_;  // destroyed before it was taken: its own destructor hands it on
  };

  explicit wait_queue(loop& l) noexcept : loop_{l} {}
  wait_queue(const wait_queue&) = delete;
  wait_queue& operator=(const wait_queue&) = delete;
  ~wait_queue() {
    waiting_.clear();
    while (auto* left = static_cast<operation*>(granted_.front())) {
      left->unlink();
      left->grant_.reset();
    }
  }

  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }
  // Those who wait and have not been granted anything.
  [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }

  // In line behind all others, until grant() comes to it.
  class [[nodiscard]] wait_operation final : public operation {
   public:
    wait_operation(wait_queue& queue, const context& ctx, std::optional<Grant> granted = {}) noexcept
        : operation{queue, ctx, std::move(granted)} {}
  };
  // What is `granted` already does not wait; should it be destroyed unawaited, that is handed on too.
  wait_operation wait(const context& ctx, std::optional<Grant> granted = {}) noexcept {
    return {*this, ctx, std::move(granted)};
  }

  // Moves `g` to the first in line. False when nobody waits; `g` is as it was then.
  [[nodiscard]] bool grant(Grant& g) noexcept {
    auto* first = static_cast<operation*>(waiting_.front());
    if (first == nullptr) return false;
    first->wake();
    granted_.push(*first);
    first->grant_.emplace(std::move(g));
    return true;
  }

 private:
  loop& loop_;
  detail::waiting_list granted_, waiting_;
};

}  // namespace weft
