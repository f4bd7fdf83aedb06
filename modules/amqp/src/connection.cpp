#include <weft/amqp/connection.hpp>

#include "channel_impl.hpp"
#include "connection_impl.hpp"

namespace weft::amqp {

namespace {

error destroyed() { return error{errc::failed_precondition, "the AMQP connection was closed"}; }

// A topology request on the connection's own channel, once the user's is usable.
task<result<method>> administer(std::shared_ptr<channel_impl> c, context ctx, method request) {
  WEFT_CO_TRY_VOID(co_await channel_impl::wait_ready(c, ctx));
  co_return co_await c->connection().administer(ctx, std::move(request));
}

template <class Request>
task<result<>> administer_and_record(std::shared_ptr<channel_impl> c, context ctx, Request what, restored again) {
  what.no_wait = false;
  WEFT_CO_TRY_VOID(co_await administer(c, ctx, what));
  if (again == restored::yes) c->connection().topology().record(what);
  co_return result<>{};
}

template <class Request>
task<result<method>> administer_and_forget(std::shared_ptr<channel_impl> c, context ctx, Request what) {
  if constexpr (requires { what.no_wait; }) what.no_wait = false;
  auto answer = co_await administer(c, ctx, what);
  if (answer) c->connection().topology().forget(what);
  co_return answer;
}

task<result<>> without_answer(task<result<method>> work) {
  WEFT_CO_TRY_VOID(co_await std::move(work));
  co_return result<>{};
}

task<result<queue_status>> declare_queue(std::shared_ptr<channel_impl> c, context ctx, queue_declare what,
                                         restored again) {
  what.no_wait = false;
  // Named here, so that it has the same name after a reconnect.
  if (what.queue.empty()) what.queue = "weft.gen-" + c->connection().on().random().make_uuid_v4().to_string();
  WEFT_CO_TRY(auto answer, co_await administer(c, ctx, what));
  if (again == restored::yes) c->connection().topology().record(what);
  const auto& ok = std::get<queue_declare_ok>(answer);
  co_return queue_status{what.queue, ok.message_count, ok.consumer_count};
}

task<result<std::uint32_t>> remove_queue(std::shared_ptr<channel_impl> c, context ctx, queue_delete what) {
  WEFT_CO_TRY(auto answer, co_await administer_and_forget(std::move(c), std::move(ctx), std::move(what)));
  co_return std::get<queue_delete_ok>(answer).message_count;
}

task<result<std::uint32_t>> purge_queue(std::shared_ptr<channel_impl> c, context ctx, std::string queue) {
  WEFT_CO_TRY(auto answer, co_await administer(std::move(c), std::move(ctx), queue_purge{.queue = std::move(queue)}));
  co_return std::get<queue_purge_ok>(answer).message_count;
}

}  // namespace

std::string_view to_string(connection_state state) noexcept {
  switch (state) {
    case connection_state::connecting:
      return "connecting";
    case connection_state::recovering:
      return "recovering";
    case connection_state::open:
      return "open";
    case connection_state::blocked:
      return "blocked";
    case connection_state::closed:
      break;
  }
  return "closed";
}

std::optional<std::int64_t> delivery::delivery_count() const noexcept {
  const auto* count = message.properties.headers.find("x-delivery-count");
  return count == nullptr ? std::nullopt : count->integer();
}

// ---- connection

connection::connection(std::shared_ptr<connection_impl> impl) noexcept : impl_{std::move(impl)} {}
connection::connection(connection&&) noexcept = default;
connection& connection::operator=(connection&& other) noexcept {
  if (impl_ != nullptr && impl_ != other.impl_) impl_->stop(destroyed());
  impl_ = std::move(other.impl_);
  return *this;
}
connection::~connection() {
  if (impl_ != nullptr) impl_->stop(destroyed());
}

task<result<connection>> connection::open(loop& l, context ctx, connection_options options) {
  WEFT_CO_TRY_VOID(options.validate());
  connection made{std::make_shared<connection_impl>(l, std::move(options))};
  made.impl_->start();
  WEFT_CO_TRY_VOID(co_await connection_impl::opened_or_failed(made.impl_, std::move(ctx)));
  co_return made;
}

namespace {

task<result<std::shared_ptr<channel_impl>>> make_channel(std::shared_ptr<connection_impl> c, context ctx,
                                                         channel_options options) {
  if (c->state() == connection_state::closed) co_return fail(destroyed());
  if (options.confirm_window == 0) co_return fail(errc::invalid_argument, "amqp::channel_options: confirm_window is 0");
  auto made = std::make_shared<channel_impl>(c, options, channel_role::user);
  c->add(made);
  if (auto ready = co_await channel_impl::wait_ready(made, ctx); !ready) {
    made->abandon();
    co_return fail(ready.error().with_operation("opening a channel"));
  }
  co_return made;
}

}  // namespace

task<result<channel>> connection::open_channel(context ctx, channel_options options) {
  WEFT_CO_TRY(auto made, co_await make_channel(impl_, std::move(ctx), options));
  co_return channel{std::move(made)};
}

task<result<>> connection::close(context ctx) { return connection_impl::close(impl_, std::move(ctx)); }
task<result<>> connection::update_secret(context ctx, std::string secret, std::string reason) {
  return connection_impl::update_secret(impl_, std::move(ctx), std::move(secret), std::move(reason));
}
connection_state connection::state() const noexcept { return impl_->state(); }
task<result<>> connection::wait_for(context ctx, connection_state wanted) {
  return connection_impl::wait_for(impl_, std::move(ctx), wanted);
}
const std::string& connection::blocked_reason() const noexcept { return impl_->blocked_reason(); }
std::optional<error> connection::last_problem() const { return impl_->last_problem(); }
std::uint32_t connection::frame_max() const noexcept { return impl_->frame_max(); }
std::uint64_t connection::connects() const noexcept { return impl_->connects(); }

// ---- channel

channel::channel(std::shared_ptr<channel_impl> impl) noexcept : impl_{std::move(impl)} {}
channel::channel(channel&&) noexcept = default;
channel& channel::operator=(channel&& other) noexcept {
  if (impl_ != nullptr && impl_ != other.impl_) impl_->abandon();
  impl_ = std::move(other.impl_);
  return *this;
}
channel::~channel() {
  if (impl_ != nullptr) impl_->abandon();
}

task<result<>> channel::declare(context ctx, exchange_declare what, restored again) {
  return administer_and_record(impl_, std::move(ctx), std::move(what), again);
}
task<result<queue_status>> channel::declare(context ctx, queue_declare what, restored again) {
  return declare_queue(impl_, std::move(ctx), std::move(what), again);
}
task<result<>> channel::bind(context ctx, queue_bind what, restored again) {
  return administer_and_record(impl_, std::move(ctx), std::move(what), again);
}
task<result<>> channel::bind(context ctx, exchange_bind what, restored again) {
  return administer_and_record(impl_, std::move(ctx), std::move(what), again);
}
task<result<>> channel::unbind(context ctx, queue_unbind what) {
  return without_answer(administer_and_forget(impl_, std::move(ctx), std::move(what)));
}
task<result<>> channel::unbind(context ctx, exchange_unbind what) {
  return without_answer(administer_and_forget(impl_, std::move(ctx), std::move(what)));
}
task<result<>> channel::remove(context ctx, exchange_delete what) {
  return without_answer(administer_and_forget(impl_, std::move(ctx), std::move(what)));
}
task<result<std::uint32_t>> channel::remove(context ctx, queue_delete what) {
  what.no_wait = false;
  return remove_queue(impl_, std::move(ctx), std::move(what));
}
task<result<std::uint32_t>> channel::purge(context ctx, std::string queue) {
  return purge_queue(impl_, std::move(ctx), std::move(queue));
}

task<result<>> channel::publish(context ctx, message m) {
  return channel_impl::publish(impl_, std::move(ctx), std::move(m), {});
}
task<result<>> channel::publish(context ctx, message m, settled_callback late) {
  return channel_impl::publish(impl_, std::move(ctx), std::move(m), std::move(late));
}
task<result<>> channel::publish_nowait(context ctx, message m, settled_callback settled) {
  return channel_impl::publish_nowait(impl_, std::move(ctx), std::move(m), std::move(settled));
}
result<> channel::try_publish(message m, settled_callback settled) {
  return impl_->try_publish(std::move(m), std::move(settled));
}
task<result<>> channel::flush(context ctx) { return channel_impl::flush(impl_, std::move(ctx)); }
std::size_t channel::unconfirmed() const noexcept { return impl_->unconfirmed(); }

namespace {
task<result<std::shared_ptr<consumer_impl>>> begin_consuming(std::shared_ptr<channel_impl> c, context ctx,
                                                             consume_options options) {
  return channel_impl::consume(std::move(c), std::move(ctx), std::move(options));
}
}  // namespace

task<result<consumer>> channel::consume(context ctx, consume_options options) {
  WEFT_CO_TRY(auto made, co_await begin_consuming(impl_, std::move(ctx), std::move(options)));
  co_return consumer{std::move(made)};
}
task<result<std::optional<delivery>>> channel::get(context ctx, std::string queue, acknowledgement acknowledge) {
  return channel_impl::get(impl_, std::move(ctx), std::move(queue), acknowledge);
}
task<result<>> channel::qos(context ctx, std::uint16_t prefetch) {
  return channel_impl::qos(impl_, std::move(ctx), prefetch);
}
acknowledged channel::ack(const delivery& d, cumulative all) {
  return impl_->settle(d, basic_ack{.delivery_tag = d.tag, .multiple = all == cumulative::yes});
}
acknowledged channel::nack(const delivery& d, rejected how, cumulative all) {
  return impl_->settle(
      d, basic_nack{.delivery_tag = d.tag, .multiple = all == cumulative::yes, .requeue = how == rejected::requeue});
}
task<result<>> channel::close(context ctx) { return channel_impl::close(impl_, std::move(ctx)); }
std::uint64_t channel::generation() const noexcept { return impl_->generation(); }
bool channel::ready() const noexcept { return impl_->current() == channel_impl::state::ready; }

// ---- consumer

consumer::consumer(std::shared_ptr<consumer_impl> impl) noexcept : impl_{std::move(impl)} {}
consumer::consumer(consumer&&) noexcept = default;
consumer& consumer::operator=(consumer&& other) noexcept {
  if (impl_ != nullptr && impl_ != other.impl_) impl_->owner->drop(*impl_);
  impl_ = std::move(other.impl_);
  return *this;
}
consumer::~consumer() {
  if (impl_ != nullptr) impl_->owner->drop(*impl_);
}
task<result<delivery>> consumer::next(context ctx) { return channel_impl::next(impl_->owner, std::move(ctx), impl_); }
std::optional<delivery> consumer::try_next() { return impl_->owner->try_next(*impl_); }
std::size_t consumer::waiting() const noexcept { return impl_->waiting.size(); }
bool consumer::attached() const noexcept { return impl_->attached; }
task<result<>> consumer::wait_attached(context ctx) {
  return channel_impl::wait_attached(impl_->owner, std::move(ctx), impl_);
}
task<result<>> consumer::cancel(context ctx) { return channel_impl::cancel(impl_->owner, std::move(ctx), impl_); }

}  // namespace weft::amqp
