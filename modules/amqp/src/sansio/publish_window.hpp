#pragma once
// What a channel publishes, in order: what the server has not settled yet, then what has not been sent. Counts delivery
// tags, takes confirms in any order, pairs returns with their messages, and starts over on a new channel.
//
//     w.push(std::move(publication));
//     while (auto* p = w.next_unsent()) { send(p->content); w.mark_sent(); }
//     w.settle(tag, multiple, positive, [](publication& p, result<> r) { ... });
//
// A return comes before its ack and does not name a tag: it belongs to the first message in the window with the same
// exchange, routing key and message id that was not returned yet (the server routes in the order of publishing).
#include <weft/amqp/message.hpp>
#include <weft/base/error.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <optional>

namespace weft::amqp::sansio {

struct publication {
  message content;
  std::optional<error> returned;
  std::move_only_function<void(result<>)> done;  // empty: nobody asks any more
  bool sent_before = false;                      // on this channel or an earlier one: it may have been taken
};

class publish_window {
 public:
  using sink = std::move_only_function<void(publication&, result<>)>;

  void push(std::shared_ptr<publication> p) { entries_.push_back(std::move(p)); }
  // Null when everything was sent.
  [[nodiscard]] publication* next_unsent() const noexcept;
  void mark_sent();
  // The next one to send is given up (it cannot be sent at all, or there are no confirms to wait for).
  std::shared_ptr<publication> take_unsent();
  // One that was never sent is taken out; false when it was.
  bool withdraw(const publication& p);

  // Calls back for each publication that this settles, in order. errc::data_loss for a tag that was never used.
  result<> settle(std::uint64_t tag, bool multiple, bool positive, sink& each);
  void returned(std::string_view exchange, std::string_view routing_key, std::string_view message_id, error why);

  // A new channel: everything that is not settled is to be sent again, in order; tags begin at 1.
  void restart();
  // The first that was sent and is not settled; it leaves.
  std::shared_ptr<publication> take_oldest_sent();
  void abandon(const error& why, sink& each);

  [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }
  [[nodiscard]] std::size_t size() const noexcept { return in_flight_ + entries_.size() - sent_; }

 private:
  void settle_one(std::size_t at, bool positive, sink& each);
  void drop_settled() noexcept;

  std::deque<std::shared_ptr<publication>> entries_;  // null: settled, with an older one still open
  std::size_t sent_ = 0;                              // of entries_, from the front
  std::size_t in_flight_ = 0;                         // sent and not settled
  std::uint64_t first_tag_ = 1;                       // of entries_[0]
};

}  // namespace weft::amqp::sansio
