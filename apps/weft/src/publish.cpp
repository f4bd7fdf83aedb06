#include "publish.hpp"

#include <weft/json/value.hpp>
#include <weft/json/writer.hpp>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <utility>

namespace weft::cli {

namespace {

using messaging::outgoing;
using messaging::publisher;

result<messaging::headers> read_headers(const std::vector<std::string>& pairs) {
  messaging::headers list;
  for (const auto& pair : pairs) {
    const auto equals = pair.find('=');
    if (equals == pair.npos || equals == 0) {
      const error e{errc::invalid_argument, "--header '" + pair + "' has no name"};
      return fail(e.with_remedy("write --header name=value"));
    }
    list.set(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return list;
}

// Makes messages as the command line has them.
class message_maker {
 public:
  message_maker(loop& l, const publisher& events, const publishing& what, messaging::headers fields)
      : loop_{l}, events_{events}, what_{what}, fields_{std::move(fields)} {}

  result<outgoing> make(const context& ctx, std::string data) const {
    auto made = what_.raw ? raw(std::move(data)) : event(ctx, std::move(data));
    if (!made) return fail(made.error());
    WEFT_TRY_VOID(messaging::validate(made->what));
    return made;
  }

 private:
  result<outgoing> event(const context& ctx, std::string data) const {
    if (const auto valid = json::parse(data, {.max_bytes = what_.max_bytes}); !valid) {
      const error e{errc::invalid_argument, "the data is not JSON: " + std::string{valid.error().message()}};
      return fail(e.with_remedy("--raw publishes it as it is"));
    }
    return events_.prepare_json(ctx, what_.topic, what_.type.empty() ? what_.topic : what_.type, what_.schema_version,
                                std::move(data), what_.key,
                                {.id = what_.id,
                                 .subject = what_.subject,
                                 .delay = what_.delay,
                                 .if_unroutable = unroutable(),
                                 .priority = what_.priority,
                                 .time_to_live = what_.time_to_live,
                                 .aggregate_type = {},
                                 .extensions = fields_});
  }

  result<outgoing> raw(std::string data) const {
    messaging::feature_set needs;
    if (what_.delay > duration::zero()) needs |= {messaging::feature::delay};
    if (what_.mandatory) needs |= {messaging::feature::mandatory};
    if (what_.priority != messaging::default_priority) needs |= {messaging::feature::priorities};
    if (what_.time_to_live > duration::zero()) needs |= {messaging::feature::expiry};
    WEFT_TRY_VOID(messaging::require(events_.target().features(), needs, "publishing to " + what_.topic));
    outgoing out{.what = {}, .delay = what_.delay, .if_unroutable = unroutable()};
    out.what.id = what_.id.empty() ? loop_.random().make_uuid_v7(loop_.wall_now()).to_string() : what_.id;
    out.what.topic = what_.topic;
    out.what.key = what_.key;
    out.what.fields = fields_;
    out.what.body = std::move(data);
    out.what.content_type = what_.content_type;
    out.what.priority = what_.priority;
    out.what.time_to_live = what_.time_to_live;
    return out;
  }

  [[nodiscard]] messaging::unroutable unroutable() const {
    return what_.mandatory ? messaging::unroutable::refuse : messaging::unroutable::drop;
  }

  loop& loop_;
  const publisher& events_;
  const publishing& what_;
  messaging::headers fields_;
};

task<result<std::string>> read_data(const publishing& what, byte_source& input, context ctx) {
  if (what.data == "-") co_return co_await read_all(input, std::move(ctx), what.max_bytes);
  if (!what.data.starts_with('@')) co_return what.data;
  const auto name = what.data.substr(1);
  std::ifstream file{name, std::ios::binary};
  std::string text;
  if (file) {
    text.resize(what.max_bytes + 1);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
  }
  if (!file.eof() && text.size() <= what.max_bytes) {
    const error e{errc::invalid_argument, name + ": " + std::strerror(errno)};
    co_return fail(e.with_remedy("@ names a file; data that begins with @ can come from standard input, as -"));
  }
  if (text.size() > what.max_bytes)
    co_return fail(errc::invalid_argument, name + " is longer than " + std::to_string(what.max_bytes) + " bytes");
  co_return text;
}

task<result<>> publish_single(loop& l, publisher& events, const message_maker& maker, context ctx,
                              const publishing& what, byte_source& input, terminal to) {
  WEFT_CO_TRY(auto data, co_await read_data(what, input, ctx));
  const auto soon = ctx.with_timeout(l, what.timeout);
  WEFT_CO_TRY(auto out, maker.make(soon, std::move(data)));
  const auto id = out.what.id;
  publisher::batch one;
  one.push_back(std::move(out));
  const auto results = co_await events.publish(soon, std::move(one));
  if (const auto& sent = results.at(0); !sent) {
    const auto& e = sent.error();
    const bool perhaps = e.transient() || e.code() == errc::cancelled;
    co_return fail(perhaps ? e.with_remedy("the broker may have taken it: repeat it with --id " + id) : e);
  }
  if (to.how == format::json) {
    json::writer w;
    w.begin_object();
    w.member("id");
    w.string(id);
    w.member("topic");
    w.string(what.topic);
    w.end_object();
    to.out << std::move(w).take() << '\n';
  } else {
    to.out << "published " << one_line(id, 255) << " to " << what.topic << '\n';
  }
  co_return result<>{};
}

// Of lines that go out together; a longer line goes alone.
constexpr std::size_t max_batch_bytes = 256 * 1024;

// A line that did not make it.
struct failed_line {
  std::uint64_t number = 0;
  error why;
};

class line_publisher {
 public:
  line_publisher(loop& l, publisher& events, const message_maker& maker, const publishing& what, terminal to)
      : loop_{l}, events_{events}, maker_{maker}, what_{what}, to_{to}, lines_{what.max_bytes} {}

  task<result<>> run(context ctx, byte_source& input) {
    auto ended = co_await read_and_publish(ctx, input);
    if (to_.how == format::json)
      write_summary();
    else
      to_.out << "published " << counted(published_, "message") << " to " << what_.topic << '\n';
    if (to_.how == format::text)
      for (const auto& f : failed_) to_.notes << "line " << f.number << ": " << f.why.describe() << '\n';
    if (!ended) co_return fail(ended.error().with_operation("after " + counted(published_, "message")));
    if (failed_.empty()) co_return result<>{};
    const error e{
        failed_.front().why.code() == errc::invalid_argument ? errc::failed_precondition : failed_.front().why.code(),
        counted(failed_.size(), "line") + " could not be published, the first of them line " +
            std::to_string(failed_.front().number)};
    co_return fail(e.with_remedy("nothing beyond line " + std::to_string(last_) + " was published"));
  }

 private:
  task<result<>> read_and_publish(context ctx, byte_source& input) {
    for (bool more = true; more && failed_.empty();) {
      WEFT_CO_TRY(const auto piece, co_await input.read(ctx));
      more = !piece.empty();
      if (!more) lines_.end();
      WEFT_CO_TRY_VOID(lines_.feed(piece));
      while (failed_.empty() && prepare(ctx)) co_await send(ctx);
    }
    co_return result<>{};
  }

  // The next lines that are there; false when there are none.
  bool prepare(const context& ctx) {
    batch_.clear();
    numbers_.clear();
    std::size_t bytes = 0;
    while (batch_.size() < what_.batch && bytes < max_batch_bytes) {
      auto line = lines_.next();
      if (!line) break;
      if (line->empty()) continue;
      bytes += line->size();
      auto made = maker_.make(ctx, *std::move(line));
      last_ = lines_.number();
      if (!made) {
        // What stands before it still goes out.
        invalid_ = failed_line{last_, made.error()};
        break;
      }
      batch_.push_back(*std::move(made));
      numbers_.push_back(last_);
    }
    return !batch_.empty() || invalid_;
  }

  task<void> send(context ctx) {
    if (!batch_.empty()) {
      const auto results = co_await events_.publish(ctx.with_timeout(loop_, what_.timeout), std::exchange(batch_, {}));
      for (std::size_t i = 0; i < results.size(); ++i) {
        if (results[i])
          ++published_;
        else
          failed_.push_back({numbers_[i], results[i].error()});
      }
    }
    if (invalid_) failed_.push_back(*std::exchange(invalid_, std::nullopt));
  }

  void write_summary() {
    json::writer w;
    w.begin_object();
    w.member("topic");
    w.string(what_.topic);
    w.member("published");
    w.unsigned_number(published_);
    w.member("failed_lines");
    w.begin_array();
    for (const auto& f : failed_) {
      w.element();
      w.unsigned_number(f.number);
    }
    w.end_array();
    w.member("reasons");
    w.begin_array();
    for (const auto& f : failed_) {
      w.element();
      w.string(without_passwords(f.why.describe()));
    }
    w.end_array();
    w.end_object();
    to_.out << std::move(w).take() << '\n';
  }

  loop& loop_;
  publisher& events_;
  const message_maker& maker_;
  const publishing& what_;
  terminal to_;
  line_splitter lines_;
  publisher::batch batch_;
  std::vector<std::uint64_t> numbers_;  // of the lines in the batch
  std::optional<failed_line> invalid_;
  std::vector<failed_line> failed_;  // of one batch, at most
  std::uint64_t published_ = 0, last_ = 0;
};

result<> check(const publishing& what) {
  WEFT_TRY_VOID(messaging::validate_topic(what.topic));
  if (what.lines && what.data != "-") {
    const error e{errc::invalid_argument, "--lines reads standard input"};
    return fail(e.with_remedy("give - as the data: ... | weft publish " + what.topic + " --lines -"));
  }
  if (what.lines && !what.id.empty())
    return fail(errc::invalid_argument, "--id names one message, and --lines publishes several");
  if (what.batch == 0) return fail(errc::invalid_argument, "--batch: at least 1");
  return {};
}

// Its constructor throws, since in a service its options are configuration; here they are input.
result<std::unique_ptr<publisher>> make_publisher(loop& l, messaging::broker& on, const publishing& what) {
  try {
    return std::make_unique<publisher>(l, on, messaging::publisher_options{.source = what.source, .needs = {}});
  } catch (const std::invalid_argument& e) {
    return fail(errc::invalid_argument, "--source: " + std::string{e.what()});
  }
}

}  // namespace

task<result<>> publish(loop& l, messaging::broker& on, context ctx, publishing what, byte_source& input, terminal to) {
  WEFT_CO_TRY_VOID(check(what));
  WEFT_CO_TRY(auto fields, read_headers(what.headers));
  WEFT_CO_TRY(const auto events, make_publisher(l, on, what));
  const message_maker maker{l, *events, what, std::move(fields)};
  if (!what.lines) co_return co_await publish_single(l, *events, maker, std::move(ctx), what, input, to);
  line_publisher all{l, *events, maker, what, to};
  co_return co_await all.run(std::move(ctx), input);
}

}  // namespace weft::cli
