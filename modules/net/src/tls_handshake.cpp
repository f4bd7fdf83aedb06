#include "tls_stream.hpp"

#include <weft/runtime/sleep.hpp>

namespace weft::net {

namespace {

// Until a stream may be read again, or the wait is cut short.
class readable_again final : public io_waiter {
 public:
  explicit readable_again(stream& s) noexcept : stream_{s} {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> frame) {
    frame_ = frame;
    stream_.wait(io_direction::read, *this);
  }
  result<> await_resume() const {
    if (interrupted()) return fail(reason(), "the TLS handshake did not finish before its context ended");
    return {};
  }
  void run() override { frame_.resume(); }

 private:
  stream& stream_;
  std::coroutine_handle<> frame_;
};

task<result<std::unique_ptr<stream>>> shake_hands(loop& l, context ctx, std::unique_ptr<tls_stream> made) {
  const interrupt_on_end guard{l, ctx, *made};
  const auto failed = [&made](const error& e) {
    return fail(e.with_operation("TLS handshake").with_peer(made->info().peer.to_string()).as_unprocessed());
  };
  for (;;) {
    if (const auto alive = ctx.check(l.now()); !alive) co_return failed(alive.error());
    const auto progress = made->handshake();
    if (progress == tls_stream::progress::done) co_return made;
    if (progress == tls_stream::progress::failed) {
      if (made->met_plain_http()) made->answer_plain_http();
      co_return failed(made->failure());
    }
    if (const auto waited = co_await readable_again(*made); !waited) co_return failed(waited.error());
  }
}

}  // namespace

task<result<std::unique_ptr<stream>>> tls_accept(loop& l, context ctx, std::unique_ptr<stream> under, tls_context tls) {
  WEFT_CO_TRY(auto made, tls_stream::make(l, std::move(under), tls.internals().now(), {}));
  co_return co_await shake_hands(l, std::move(ctx), std::move(made));
}

task<result<std::unique_ptr<stream>>> tls_connect(loop& l, context ctx, std::unique_ptr<stream> under, tls_context tls,
                                                  std::string server_name) {
  WEFT_CO_TRY(auto made, tls_stream::make(l, std::move(under), tls.internals().now(), std::move(server_name)));
  co_return co_await shake_hands(l, std::move(ctx), std::move(made));
}

}  // namespace weft::net
