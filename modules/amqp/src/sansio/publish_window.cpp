#include "publish_window.hpp"

#include <algorithm>

namespace weft::amqp::sansio {

publication* publish_window::next_unsent() const noexcept {
  return sent_ < entries_.size() ? entries_[sent_].get() : nullptr;
}

void publish_window::mark_sent() {
  entries_[sent_]->sent_before = true;
  entries_[sent_]->returned.reset();
  ++sent_;
  ++in_flight_;
}

std::shared_ptr<publication> publish_window::take_unsent() {
  const auto at = entries_.begin() + static_cast<std::ptrdiff_t>(sent_);
  auto taken = std::move(*at);
  entries_.erase(at);
  return taken;
}

bool publish_window::withdraw(const publication& p) {
  const auto at = std::ranges::find(entries_, &p, [](const auto& each) { return each.get(); });
  if (at == entries_.end() || (*at)->sent_before) return false;
  entries_.erase(at);  // it stands behind all that were sent
  return true;
}

void publish_window::settle_one(std::size_t at, bool positive, sink& each) {
  auto p = std::move(entries_[at]);
  if (p == nullptr) return;  // settled before
  --in_flight_;
  if (p->returned)
    each(*p, fail(*std::move(p->returned)));
  else if (positive)
    each(*p, {});
  else
    each(*p, fail(error{errc::resource_exhausted, "the broker refused the message (basic.nack)"}.with_remedy(
                 "the queue may be full (x-max-length with reject-publish): publish again later")));
}

void publish_window::drop_settled() noexcept {
  while (sent_ > 0 && entries_.front() == nullptr) {
    entries_.pop_front();
    --sent_;
    ++first_tag_;
  }
}

result<> publish_window::settle(std::uint64_t tag, bool multiple, bool positive, sink& each) {
  const auto next_tag = first_tag_ + sent_;
  if (tag >= next_tag || (tag == 0 && !multiple))
    return fail(errc::data_loss, "a confirm of publication " + std::to_string(tag) + ", which was never made");
  if (multiple) {
    const auto last = tag == 0 ? next_tag - 1 : tag;
    for (std::size_t i = 0; i < sent_ && first_tag_ + i <= last; ++i) settle_one(i, positive, each);
  } else if (tag >= first_tag_) {
    settle_one(static_cast<std::size_t>(tag - first_tag_), positive, each);
  }
  drop_settled();
  return {};
}

void publish_window::returned(std::string_view exchange, std::string_view routing_key, std::string_view message_id,
                              error why) {
  for (std::size_t i = 0; i < sent_; ++i) {
    auto* p = entries_[i].get();
    if (p == nullptr || p->returned || p->content.unroutable == unroutable::is_dropped) continue;
    if (p->content.exchange != exchange || p->content.routing_key != routing_key ||
        p->content.properties.message_id != message_id)
      continue;
    p->returned = std::move(why);
    return;
  }
}

void publish_window::restart() {
  std::erase(entries_, nullptr);
  sent_ = in_flight_ = 0;
  first_tag_ = 1;
}

std::shared_ptr<publication> publish_window::take_oldest_sent() {
  for (std::size_t i = 0; i < sent_; ++i) {
    if (entries_[i] == nullptr) continue;
    auto taken = std::move(entries_[i]);
    --in_flight_;
    drop_settled();
    return taken;
  }
  return nullptr;
}

void publish_window::abandon(const error& why, sink& each) {
  auto all = std::exchange(entries_, {});
  restart();
  for (auto& p : all)
    if (p != nullptr) each(*p, fail(p->sent_before ? why : why.as_unprocessed()));
}

}  // namespace weft::amqp::sansio
