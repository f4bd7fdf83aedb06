#include "connection_impl.hpp"

#include <weft/base/saturating.hpp>
#include <weft/net/dial.hpp>
#include <weft/runtime/guarded.hpp>
#include <weft/runtime/sleep.hpp>

#include <algorithm>
#include <cstring>

#include "channel_impl.hpp"

namespace weft::amqp {

namespace {

constexpr std::size_t first_buffer = 64UL * 1024;

error closed_here() { return error{errc::failed_precondition, "the AMQP connection was closed"}; }

}  // namespace

connection_impl::connection_impl(loop& l, connection_options options)
    : loop_{l},
      options_{std::move(options)},
      reconnecting_{delays()},
      administering_{l, 1},
      output_ready_{l},
      changed_{l},
      reading_wanted_{l},
      opened_{l},
      group_{std::in_place, l} {}

connection_impl::~connection_impl() = default;

void connection_impl::start() {
  administration_ = std::make_shared<channel_impl>(shared_from_this(), channel_options{}, channel_role::administration);
  group_->spawn(run(group_->derive({})));
}

void connection_impl::stop(const error& why) {
  closing_ = true;
  group_.reset();
  life_ = nullptr;
  stream_ = nullptr;
  ready_ = false;
  numbers_.clear();
  // They hold the connection as it holds them.
  for (const auto& each : std::exchange(channels_, {})) each->end(why);
  if (const auto own = std::exchange(administration_, nullptr)) own->end(why);
  enter(connection_state::closed);
}

void connection_impl::enter(connection_state state) {
  if (state_ == state) return;
  state_ = state;
  changed_.pulse();
}

void connection_impl::emit(connection_event::kind what, std::string_view subject, std::optional<error> why) {
  if (!options_.on_event) return;
  // What it throws has nobody to go to, and must not end what was being done here.
  static_cast<void>(guarded_call([&] { options_.on_event({what, std::string{subject}, std::move(why)}); }));
}

// ---- connecting

task<void> connection_impl::run(context ctx) {
  while (!closing_ && !group_->cancelled()) {
    if (co_await try_hosts(ctx)) {
      if (closing_) break;
    } else if (connects_ == 0 && options_.first == first_connection::fails_fast) {
      break;
    }
    enter(connection_state::connecting);
    if (!co_await sleep(loop_, ctx, reconnecting_.next(loop_.now(), loop_.random()))) break;
  }
  const auto why = connects_ == 0 && last_problem_ ? *last_problem_ : closed_here();
  for (const auto& each : std::vector{channels_}) each->end(why);
  enter(connection_state::closed);
}

// True when one of them was connected, for however long.
task<bool> connection_impl::try_hosts(context ctx) {
  auto hosts = options_.hosts;
  for (std::size_t i = hosts.size(); i > 1; --i) std::swap(hosts[i - 1], hosts[loop_.random().below(i)]);
  for (const auto& host : hosts) {
    if (closing_ || group_->cancelled()) co_return false;
    const auto until = later(loop_.now(), options_.connect_timeout);
    const auto before = connects_;
    std::optional<error> why;
    auto made = co_await net::dial(loop_, ctx.with_deadline(until), host,
                                   {.tls = options_.tls, .server_name = options_.server_name});
    if (made)
      why = co_await live(ctx, *std::move(made), host, until);
    else
      why = std::move(made).error();
    if (connects_ != before) co_return true;
    last_problem_ = why->with_operation("connecting").with_peer(options_.to_string());
    emit(connection_event::kind::connect_failed, host.authority(), last_problem_);
  }
  co_return false;
}

sansio::session_options connection_impl::session_options() const {
  sansio::session_options s{
      .mechanism = options_.mechanism == auth_mechanism::plain ? sansio::mechanism::plain : sansio::mechanism::external,
      .user = options_.user,
      .password = options_.password,
      .virtual_host = options_.virtual_host,
      .client_properties = {},
      .channel_max = options_.channel_max,
      .frame_max = options_.frame_max,
      .heartbeat = options_.heartbeat,
      .message_max = options_.message_max};
  if (!options_.connection_name.empty()) s.client_properties.set("connection_name", options_.connection_name);
  return s;
}

// From the first byte to the loss of the connection, whose reason comes back.
task<error> connection_impl::live(context ctx, std::unique_ptr<stream> s, const net::endpoint& at,
                                  steady_time open_until) {
  if (closing_) co_return closed_here();
  session_.emplace(session_options());
  broken_.reset();
  unread_ = 0;
  secrets_sent_ = secrets_updated_ = 0;
  ready_ = blocked_ = false;
  const auto before = connects_;
  task_group life{loop_};
  life_ = &life;
  stream_ = s.get();
  life_context_ = life.derive(ctx);
  session_->start(loop_.now());
  output_ready_.set();
  life.spawn(write(life_context_, *s));
  life.spawn(keep_alive(life_context_, *s, open_until));
  auto why = co_await read(*s);
  why = why.with_peer(at.authority());
  // A last word for the server, if it can be had at once.
  if (auto& rest = session_->output(); !rest.empty()) {
    const const_buffer last{rest};
    static_cast<void>(s->try_write({&last, 1}));
  }
  life_ = nullptr;
  stream_ = nullptr;
  ready_ = false;
  life.cancel();
  s->cancel(errc::cancelled);
  lost(why);
  if (connects_ != before) emit(connection_event::kind::disconnected, at.authority(), why);
  while (!life.empty()) {  // the writer may begin another write before it sees its end
    s->cancel(errc::cancelled);
    co_await yield(loop_);
  }
  co_return why;
}

void connection_impl::lost(const error& why) {
  last_problem_ = why;
  blocked_ = false;
  blocked_reason_.clear();
  numbers_.clear();
  if (administration_ != nullptr) administration_->connection_lost(why);
  for (const auto& each : std::vector{channels_}) each->connection_lost(why);
  if (!closing_) enter(connection_state::connecting);
  changed_.pulse();
}

task<error> connection_impl::read(stream& s) {
  std::vector<char> buffer(first_buffer);
  std::size_t filled = 0;
  for (;;) {
    while (unread_ > options_.unread_max && !answer_awaited()) {
      reading_paused_ = true;
      reading_wanted_.reset();
      const auto waited = co_await reading_wanted_.wait(life_context_);
      reading_paused_ = false;
      if (!waited) co_return waited.error();
      session_->excuse_silence(loop_.now());
    }
    const auto count = co_await s.read(std::span{buffer}.subspan(filled));
    if (broken_) co_return *broken_;
    if (!count) co_return count.error();
    if (*count == 0) co_return closing_ ? closed_here() : error{errc::unavailable, "the server closed the connection"};
    filled += *count;
    const auto used = session_->receive({buffer.data(), filled}, loop_.now(), *this);
    flush();
    if (broken_) co_return *broken_;
    if (!used) co_return used.error();
    if (session_->current() == sansio::session::state::closed) co_return closed_here();
    filled -= *used;
    std::memmove(buffer.data(), buffer.data() + *used, filled);
    // A frame is bounded by what was agreed on, so the buffer is, too.
    if (filled == buffer.size()) buffer.resize(buffer.size() * 2);
  }
}

// An answer stands behind the deliveries. Who is to take those may be waiting for it: a handler that publishes.
bool connection_impl::answer_awaited() const noexcept {
  return closing_ || secrets_updated_ < secrets_sent_ ||
         (administration_ != nullptr && administration_->answer_awaited()) ||
         std::ranges::any_of(channels_, [](const auto& each) { return each->answer_awaited(); });
}

task<void> connection_impl::write(context ctx, stream& s) {
  std::string writing;
  for (;;) {
    while (session_->output().empty()) {
      output_ready_.reset();
      if (!co_await output_ready_.wait(ctx)) co_return;
    }
    co_await yield(loop_);  // everything that this turn has to say goes in one write
    if (!ctx.check(loop_.now())) co_return;
    writing.clear();
    std::swap(writing, session_->output());
    const_buffer all{writing};
    const auto written = co_await s.write({&all, 1});
    if (!ctx.check(loop_.now())) co_return;
    if (!written) co_return break_off(written.error());
    session_->wrote(loop_.now());
    if (writing.capacity() > 4 * first_buffer) writing = {};
    // A copy: who hears of an outcome there may open and close channels.
    if (publishing_allowed())
      for (const auto& each : std::vector{channels_}) each->pump();
  }
}

task<void> connection_impl::keep_alive(context ctx, stream& s, steady_time open_until) {
  opened_.reset();
  for (;;) {
    const auto due = ready_ ? session_->deadline() : std::min(open_until, session_->deadline());
    // The heartbeat is agreed on while the connection opens: then it may be due earlier than what is waited for here.
    // Without heartbeats there is nothing to do but to see the opening through.
    static_cast<void>(
        co_await opened_.wait(ctx.with_deadline(std::min(due, later(loop_.now(), std::chrono::minutes{1})))));
    opened_.reset();
    if (!ctx.check(loop_.now())) co_return;
    if (!ready_ && loop_.now() >= open_until)
      co_return break_off(error{errc::deadline_exceeded, "the server did not open the connection in time"});
    if (reading_paused_) session_->excuse_silence(loop_.now());
    if (auto alive = session_->tick(loop_.now()); !alive) co_return s.reset(), break_off(alive.error());
    if (!session_->output().empty()) flush();
  }
}

void connection_impl::break_off(error why) {
  if (broken_) return;
  broken_ = std::move(why);
  if (life_ == nullptr) return;
  // The reader sees it: at once when it waits, else when it comes back to waiting.
  life_->spawn(interrupt_reading(life_context_));
}

task<void> connection_impl::interrupt_reading(context ctx) {
  while (ctx.check(loop_.now()) && stream_ != nullptr) {
    stream_->cancel(io_direction::read, errc::cancelled);
    unread_ = 0;
    reading_wanted_.set();
    co_await yield(loop_);
  }
}

bool connection_impl::spawn(task<void> work) {
  if (life_ == nullptr) return false;
  life_->spawn(std::move(work));
  return true;
}

context connection_impl::life_context() { return life_context_; }

void connection_impl::taken(std::size_t bytes) noexcept {
  unread_ -= std::min(unread_, bytes);
  if (unread_ <= options_.unread_max) reading_wanted_.set();
}

// ---- what the server says

void connection_impl::opened() {
  ready_ = true;
  opened_.set();
  ++connects_;
  enter(connection_state::recovering);
  emit(connection_event::kind::connected, options_.to_string());
  life_->spawn(recover(life_context_));
}

void connection_impl::arrived(std::uint16_t channel, method m) {
  const auto at = numbers_.find(channel);
  if (at == numbers_.end()) return;
  const auto keep = at->second;
  keep->arrived(std::move(m));
}

void connection_impl::arrived(std::uint16_t channel, sansio::content&& c) {
  const auto at = numbers_.find(channel);
  if (at == numbers_.end()) return;
  const auto keep = at->second;
  keep->arrived(std::move(c));
}

void connection_impl::blocked(std::string reason) {
  blocked_ = true;
  blocked_reason_ = std::move(reason);
  if (state_ == connection_state::open) enter(connection_state::blocked);
  emit(connection_event::kind::blocked, blocked_reason_);
}

void connection_impl::unblocked() {
  blocked_ = false;
  blocked_reason_.clear();
  if (state_ == connection_state::blocked) enter(connection_state::open);
  emit(connection_event::kind::unblocked);
  for (const auto& each : std::vector{channels_}) each->pump();
}

void connection_impl::secret_updated() {
  ++secrets_updated_;
  changed_.pulse();
}

// ---- channels

void connection_impl::add(std::shared_ptr<channel_impl> c) {
  channels_.push_back(c);
  // Otherwise recovery comes to it.
  if (state_ == connection_state::open || state_ == connection_state::blocked)
    spawn(channel_impl::revive(std::move(c), life_context_));
}

void connection_impl::remove(const channel_impl& c) noexcept {
  std::erase_if(channels_, [&](const auto& each) { return each.get() == &c; });
}

result<std::uint16_t> connection_impl::attach(std::shared_ptr<channel_impl> c) {
  WEFT_TRY(const auto number, session_->take_channel());
  numbers_[number] = std::move(c);
  return number;
}

void connection_impl::detach(std::uint16_t number) {
  if (numbers_.erase(number) > 0) session_->release_channel(number);
}

// ---- from outside

task<result<>> connection_impl::opened_or_failed(std::shared_ptr<connection_impl> self, context ctx) {
  while (self->state_ == connection_state::connecting || self->state_ == connection_state::recovering) {
    if (auto waited = co_await self->changed_.wait(ctx); !waited) {
      if (self->last_problem_)
        co_return fail(error{waited.error().code(), std::string{waited.error().message()} + "; the last problem: " +
                                                        std::string{self->last_problem_->message()}});
      co_return waited;
    }
  }
  if (self->state_ == connection_state::closed)
    co_return fail(self->last_problem_ ? *self->last_problem_ : closed_here());
  co_return result<>{};
}

task<result<>> connection_impl::wait_for(std::shared_ptr<connection_impl> self, context ctx, connection_state wanted) {
  while (self->state_ != wanted) {
    if (self->state_ == connection_state::closed) co_return fail(closed_here());
    WEFT_CO_TRY_VOID(co_await self->changed_.wait(ctx));
  }
  co_return result<>{};
}

task<result<>> connection_impl::close(std::shared_ptr<connection_impl> self, context ctx) {
  self->closing_ = true;
  if (self->connected()) {
    self->session_->close(reply_code::success, "done");
    self->flush();
    // A broker that is short of memory reads nothing more of a connection that publishes, not even this.
    ctx = ctx.with_timeout(self->loop_, self->options_.connect_timeout);
  } else {
    // It may be waiting for what the server says first.
    if (!self->broken_) self->broken_ = closed_here();
    self->group_->cancel();
    if (self->stream_ != nullptr) self->stream_->cancel(errc::cancelled);
  }
  while (self->state_ != connection_state::closed) {
    if (auto waited = co_await self->changed_.wait(ctx); !waited) {
      self->stop(closed_here());
      co_return waited;
    }
  }
  co_return result<>{};
}

task<result<>> connection_impl::update_secret(std::shared_ptr<connection_impl> self, context ctx, std::string secret,
                                              std::string reason) {
  self->options_.password = secret;
  if (!self->connected()) co_return result<>{};  // the next connection begins with it
  const auto connects = self->connects_;
  const auto mine = ++self->secrets_sent_;
  self->session_->update_secret(std::move(secret), std::move(reason));
  self->flush();
  while (self->secrets_updated_ < mine && self->connects_ == connects && self->connected())
    WEFT_CO_TRY_VOID(co_await self->changed_.wait(ctx));
  if (self->connects_ == connects && !self->connected() && self->last_problem_) co_return fail(*self->last_problem_);
  co_return result<>{};
}

}  // namespace weft::amqp
