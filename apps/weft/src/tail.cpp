#include "tail.hpp"

#include <weft/base/time.hpp>
#include <weft/messaging/topic_pattern.hpp>

#include "message_view.hpp"

namespace weft::cli {

namespace {

std::string or_dash(const std::string& text) { return text.empty() ? "-" : one_line(text, 255); }

void show(loop& l, const messaging::raw_delivery& d, const tailing& what, const terminal& to) {
  const message_view view{*d.what};
  const auto& e = view.envelope();
  if (to.how == format::json) {
    json::writer w;
    w.begin_object();
    w.member("received");
    w.string(format_rfc3339(l.wall_now()));
    view.write_members(w);
    w.end_object();
    to.out << std::move(w).take() << '\n';
    return;
  }
  const auto at = e && e->time ? *e->time : l.wall_now();
  to.out << format_rfc3339(std::chrono::floor<std::chrono::milliseconds>(at)) << "  " << one_line(d.what->topic, 255)
         << "  " << or_dash(d.what->key) << "  " << or_dash(d.what->id) << "  " << (e ? or_dash(e->type) : "-") << "  "
         << view.body_line(what.max_body_bytes) << '\n';
}

// Until the context ends, the count is reached, or what it shows gets lost, which the caller notices.
task<result<>> follow(loop& l, messaging::consumer& from, context ctx, tailing what, terminal to) {
  for (std::uint64_t seen = 0; what.count == 0 || seen < what.count;) {
    auto next = from.try_next();
    if (!next) {
      // Only when there is nothing to read: a flush for each message would be slow.
      if (!(to.out << std::flush)) co_return result<>{};
      auto got = co_await from.next(ctx);
      if (!got && got.error().code() == errc::aborted) {
        to.notes << "the connection was lost, and what was published meanwhile is not shown" << std::endl;
        continue;
      }
      if (!got) co_return fail(std::move(got).error());
      if (!*got) co_return fail(errc::unavailable, "the broker ended the subscription");
      next = **std::move(got);
    }
    ++seen;
    show(l, *next, what, to);
    const auto settled = co_await from.settle(ctx, next->tag, messaging::settlement::ack());
    // A delivery that was lost with its connection comes again; seen twice is all that happens.
    if (!settled && settled.error().code() != errc::aborted) co_return fail(settled.error());
  }
  co_return result<>{};
}

}  // namespace

task<result<>> tail(loop& l, messaging::broker& from, context ctx, tailing what, terminal to) {
  WEFT_CO_TRY(const auto pattern, messaging::topic_pattern::parse(what.pattern));
  messaging::feature_set needs{messaging::feature::ephemeral};
  if (!pattern.exact()) needs |= {messaging::feature::topic_patterns};
  WEFT_CO_TRY_VOID(messaging::require(from.features(), needs, "weft tail " + what.pattern));
  const auto soon = ctx.with_timeout(l, what.subscribe_timeout);
  WEFT_CO_TRY(auto messages, co_await from.subscribe(soon, {.group = {},
                                                            .patterns = {what.pattern},
                                                            .order = messaging::ordering::none,
                                                            .lives = messaging::lifetime::ephemeral}));
  to.notes << "following " << what.pattern << "; Ctrl-C ends it" << std::endl;
  auto followed = co_await follow(l, *messages, ctx, what, to);
  if (!followed && followed.error().code() == errc::cancelled) followed = {};
  static_cast<void>(co_await messages->stop(context{}.with_timeout(l, std::chrono::seconds{2})));
  co_return followed;
}

}  // namespace weft::cli
