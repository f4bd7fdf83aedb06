#include "listening.hpp"

#include <weft/runtime/sleep.hpp>

#include <deque>

namespace weft::storage {

class pg_listening::listener final : public notification_listener {
 public:
  listener(std::shared_ptr<pg_listening> hub, std::string channel)
      : hub_{std::move(hub)}, channel_{std::move(channel)}, arrived_{hub_->owner()} {
    at_ = hub_->listeners_.emplace(channel_, this);
  }
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;
  ~listener() override {
    hub_->listeners_.erase(at_);
    if (!hub_->listeners_.contains(channel_)) hub_->changed_.set();
  }

  task<result<notification>> next(context ctx) override {
    while (queue_.empty()) {
      if (hub_->stopped_) co_return fail(errc::failed_precondition, "the database is closed");
      arrived_.reset();
      WEFT_CO_TRY_VOID(co_await arrived_.wait(ctx));
    }
    auto first = std::move(queue_.front());
    queue_.pop_front();
    co_return first;
  }

  void push(notification n, std::size_t limit) {
    const bool overflow = queue_.size() >= limit;
    if (overflow || n.lost) queue_.clear();
    if (overflow && !n.lost) queue_.push_back({.lost = true});  // told once, in the place of what is dropped
    queue_.push_back(std::move(n));
    arrived_.set();
  }
  void wake() { arrived_.set(); }

 private:
  std::shared_ptr<pg_listening> hub_;
  std::string channel_;
  event arrived_;
  std::deque<notification> queue_;
  std::multimap<std::string, listener*, std::less<>>::iterator at_;
};

std::unique_ptr<notification_listener> pg_listening::add(std::string channel) {
  channels_.emplace(channel, false);
  auto made = std::make_unique<listener>(shared_from_this(), std::move(channel));
  changed_.set();
  if (!std::exchange(running_, true)) pool_.tasks().spawn(run(shared_from_this()));
  return made;
}

void pg_listening::stop() {
  stopped_ = true;
  for (auto& [channel, each] : listeners_) each->wake();
}

void pg_listening::heard(std::string_view channel, std::string_view payload) {
  const auto [first, last] = listeners_.equal_range(channel);
  for (auto i = first; i != last; ++i) i->second->push({std::string{payload}}, pool_.options().notifications);
}

void pg_listening::all_lost(std::string_view channel) {
  const auto [first, last] = listeners_.equal_range(channel);
  for (auto i = first; i != last; ++i) i->second->push({.lost = true}, pool_.options().notifications);
}

// Tells the server what is wanted and no longer wanted.
task<result<>> pg_listening::subscribe(pg_connection& c) {
  for (;;) {
    auto unit = std::make_shared<pg_unit>(pool_.owner());
    std::vector<std::string> fresh;
    for (auto i = channels_.begin(); i != channels_.end();) {
      const bool wanted = listeners_.contains(i->first);
      if (wanted && !i->second) {
        unit->batch.push_back({"LISTEN " + c.quoted(i->first)});
        fresh.push_back(i->first);
        i->second = true;
      } else if (!wanted && i->second) {
        unit->batch.push_back({"UNLISTEN " + c.quoted(i->first)});
      }
      i = wanted ? std::next(i) : channels_.erase(i);
    }
    if (unit->batch.empty()) co_return result<>{};
    c.send(unit);
    WEFT_CO_TRY_VOID(co_await c.finish(context{}, unit, pg_connection::ending::must_end));
    for (const auto& channel : fresh) all_lost(channel);
  }
}

task<void> pg_listening::run(std::shared_ptr<pg_listening> self) {
  auto& l = self->pool_.owner();
  backoff delays{self->pool_.delays()};
  while (!self->stopped_) {
    auto made = co_await self->pool_.connect(context{}, [hub = self.get()] { hub->changed_.set(); });
    if (!made) {
      static_cast<void>(co_await sleep(l, context{}, delays.next(l.now(), l.random())));
      continue;
    }
    auto& c = **made;
    c.on_notification = [hub = self.get()](std::string_view channel, std::string_view payload) {
      hub->heard(channel, payload);
    };
    for (auto& [channel, known] : self->channels_) known = false;
    while (!c.broken() && !self->stopped_) {
      self->changed_.reset();
      if (!co_await self->subscribe(c)) break;
      delays.succeeded(l.now());  // not before: a server may take connections and refuse LISTEN
      if (!c.broken()) static_cast<void>(co_await self->changed_.wait(context{}));
    }
    c.break_with(error{errc::cancelled, "no longer needed"});
    if (!self->stopped_) static_cast<void>(co_await sleep(l, context{}, delays.next(l.now(), l.random())));
  }
}

}  // namespace weft::storage
