#include "channel_protocol.hpp"

namespace weft::amqp::sansio {

namespace {

// The reply's number is the request's and one, but for the two that came later.
bool answers(method_id reply, method_id request) {
  if (reply.class_number != request.class_number) return false;
  if (request == exchange_unbind::id) return reply == exchange_unbind_ok::id;
  if (request == basic_get::id && reply == basic_get_empty::id) return true;
  return reply.method_number == request.method_number + 1;
}

std::string unexpected(std::uint16_t channel, std::string_view what) {
  return std::string{what} + " was not expected on channel " + std::to_string(channel);
}

}  // namespace

result<std::uint64_t> channel_protocol::open(session& s, std::uint16_t number) {
  number_ = number;
  state_ = state::open;
  return request(s, channel_open{});
}

result<std::uint64_t> channel_protocol::request(session& s, const method& m) {
  WEFT_TRY_VOID(s.send(number_, m));
  pending_.push_back({++last_request_, id_of(m)});
  return last_request_;
}

result<std::uint64_t> channel_protocol::close(session& s) {
  WEFT_TRY(const auto id, request(s, channel_close{.reply_code = static_cast<std::uint16_t>(reply_code::success),
                                                   .reply_text = "done"}));
  state_ = state::closing;
  return id;
}

void channel_protocol::forget() noexcept {
  pending_.clear();
  state_ = state::closed;
}

result<channel_event> channel_protocol::receive(session& s, method m) {
  if (const auto* close = std::get_if<channel_close>(&m)) {
    WEFT_TRY_VOID(s.send(number_, channel_close_ok{}));
    auto why = error_of_reply(close->reply_code, close->reply_text, {close->class_id, close->method_id});
    // Both sides may close at once; then close-ok is still to come.
    if (state_ == state::closing) return channel_event{};
    forget();
    return channel_event{channel_ended{std::move(why), {close->class_id, close->method_id}}};
  }
  const auto what = id_of(m);
  if (state_ == state::closing && what != channel_close_ok::id) {
    if (!pending_.empty() && answers(what, pending_.front().what)) pending_.pop_front();
    return channel_event{};  // it was on its way
  }
  if (const auto* ack = std::get_if<basic_ack>(&m))
    return channel_event{channel_settled{ack->delivery_tag, ack->multiple, true}};
  if (const auto* nack = std::get_if<basic_nack>(&m))
    return channel_event{channel_settled{nack->delivery_tag, nack->multiple, false}};
  if (auto* cancel = std::get_if<basic_cancel>(&m)) {
    if (!cancel->no_wait) WEFT_TRY_VOID(s.send(number_, basic_cancel_ok{.consumer_tag = cancel->consumer_tag}));
    return channel_event{channel_cancelled{std::move(cancel->consumer_tag)}};
  }
  if (const auto* flow = std::get_if<amqp::channel_flow>(&m)) {
    WEFT_TRY_VOID(s.send(number_, channel_flow_ok{.active = flow->active}));
    return channel_event{sansio::channel_flow{flow->active}};
  }
  if (state_ == state::closing) {  // close-ok: what was still pending is answered by it
    while (pending_.size() > 1) pending_.pop_front();
  }
  if (pending_.empty() || !answers(what, pending_.front().what))
    return fail(errc::data_loss, unexpected(number_, name_of(m)));
  const auto id = pending_.front().id;
  pending_.pop_front();
  if (what == channel_close_ok::id) forget();
  return channel_event{channel_reply{id, std::move(m)}};
}

result<channel_event> channel_protocol::receive(content c) {
  if (state_ == state::closing) return channel_event{};
  if (!std::holds_alternative<basic_get_ok>(c.how)) return channel_event{std::move(c)};
  if (pending_.empty() || pending_.front().what != basic_get::id)
    return fail(errc::data_loss, unexpected(number_, basic_get_ok::name));
  const auto id = pending_.front().id;
  pending_.pop_front();
  return channel_event{channel_got{id, std::move(c)}};
}

}  // namespace weft::amqp::sansio
