#include <weft/http/client.hpp>
#include <weft/http/url.hpp>
#include <weft/messaging_http/remote_broker.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include "wire.hpp"

namespace weft::messaging {

namespace {

constexpr std::size_t max_answer_bytes = 256 * 1024 * 1024;
constexpr std::string_view default_path = "/admin/messaging";

// Where the routes are, and what they ask for.
struct remote_place {
  std::string base;  // "http://localhost:8080/admin/messaging"
  std::string token;
};

// The token stands where a password would: "http://:TOKEN@host".
result<remote_place> read_place(std::string text) {
  remote_place place;
  const auto begin = text.find("://");
  const auto end = text.find('/', begin == text.npos ? 0 : begin + 3);
  const auto at = text.rfind('@', end);
  if (begin != text.npos && at != text.npos && at > begin) {
    const auto user = text.substr(begin + 3, at - begin - 3);
    WEFT_TRY(place.token, http::percent_decode(user.substr(user.find(':') + 1)));
    text.erase(begin + 3, at - begin - 2);
  }
  WEFT_TRY(auto where, http::url::parse(text));
  if (!where.query().empty()) return fail(errc::invalid_argument, "http: has no parameters");
  if (where.target == "/") where.target = default_path;
  while (where.target.ends_with('/')) where.target.pop_back();
  place.base = where.to_string();
  return place;
}

// What both the broker and its consumers ask through.
class remote_link {
 public:
  remote_link(loop& l, remote_place where)
      : where_{std::move(where)}, client_{l, {.body_timeout = std::chrono::minutes{1}, .min_body_bytes_per_second = 0}} {}

  task<result<http::response>> send(context ctx, http::method how, std::string path, std::string content) {
    http::request r{how, where_.base + path, std::move(content)};
    if (how == http::method::post) r.headers.set("Content-Type", "application/json");
    if (!where_.token.empty()) r.headers.set("Authorization", "Bearer " + where_.token);
    auto got = co_await client_.send(std::move(ctx), std::move(r));
    if (!got) co_return fail(got.error());
    if (got->ok()) co_return got;
    co_return fail(co_await problem_of(*got));
  }
  template <class T>
  task<result<T>> ask(context ctx, http::method how, std::string path, std::string content = {}) {
    WEFT_CO_TRY(auto got, co_await send(std::move(ctx), how, std::move(path), std::move(content)));
    WEFT_CO_TRY(const auto text, co_await got.content.text(max_answer_bytes));
    co_return json::decode<T>(text, {.max_bytes = max_answer_bytes});
  }

 private:
  // What the routes said, or that it was somebody else who answered.
  task<error> problem_of(http::response& r) {
    const auto text = co_await r.content.text();
    if (text)
      if (const auto told = json::decode<wire::problem_answer>(*text))
        if (auto problem = wire::from_wire(told->error)) co_return *std::move(problem);
    const auto e = http::error_of(r.status, where_.base + " answers " + std::to_string(to_int(r.status)));
    co_return e.with_remedy("is the broker's administration there? a service mounts it with admin_routes()");
  }

  remote_place where_;
  http::client client_;
};

// A subscription that a task of its own reads, so that whoever waits for the next message may leave at any time.
class remote_consumer final : public consumer {
 public:
  remote_consumer(loop& l, std::shared_ptr<remote_link> link)
      : link_{std::move(link)}, begun_{l}, lines_{l, max_lines}, reading_{l} {}

  task<result<>> begin(context ctx, std::string pattern) {
    reading_.spawn(read(reading_.derive({}), "/tail?pattern=" + http::percent_encode(pattern)));
    WEFT_CO_TRY_VOID(co_await begun_.wait(ctx));
    co_return lines_.closed() ? ended_ : result<>{};
  }
  task<result<std::optional<raw_delivery>>> next(context ctx) override {
    WEFT_CO_TRY(const auto line, co_await lines_.pop(std::move(ctx)));
    if (line) co_return delivery_of(*line);
    if (!ended_) co_return fail(ended_.error());
    co_return std::nullopt;
  }
  std::optional<raw_delivery> try_next() override {
    const auto line = lines_.try_pop();
    auto d = line ? delivery_of(*line) : fail(errc::not_found);
    return d ? *std::move(d) : std::nullopt;
  }
  task<result<>> settle(context, delivery_tag, settlement) override { co_return result<>{}; }
  task<result<>> stop(context) override {
    stopped_ = true;
    co_await reading_.stop();
    co_return result<>{};
  }

 private:
  static constexpr std::size_t max_lines = 1000;

  task<void> read(context ctx, std::string path) {
    auto ended = co_await read_lines(ctx, std::move(path));
    if (!stopped_) ended_ = std::move(ended);
    lines_.close();
    begun_.set();
  }
  task<result<>> read_lines(context ctx, std::string path) {
    WEFT_CO_TRY(auto from, co_await link_->send(ctx, http::method::get, std::move(path), {}));
    std::string text;
    for (;;) {
      WEFT_CO_TRY(const auto piece, co_await from.content.next());
      if (piece.empty()) co_return fail(errc::unavailable, "the service ended the subscription");
      begun_.set();  // the first piece says that the subscription is there
      text += piece;
      std::size_t at = 0;
      for (auto end = text.find('\n'); end != text.npos; end = text.find('\n', at)) {
        if (end > at) WEFT_CO_TRY_VOID(co_await lines_.push(ctx, text.substr(at, end - at)));
        at = end + 1;
      }
      text.erase(0, at);
      if (text.size() > max_answer_bytes) co_return fail(errc::resource_exhausted, "a message is too long");
    }
  }
  result<std::optional<raw_delivery>> delivery_of(const std::string& line) {
    WEFT_TRY(auto carried, json::decode<wire::carried>(std::string_view{line}, {.max_bytes = max_answer_bytes}));
    WEFT_TRY(auto what, wire::from_wire(std::move(carried)));
    return raw_delivery{.what = std::make_shared<const message>(std::move(what)), .tag = {.number = ++count_}};
  }

  std::shared_ptr<remote_link> link_;
  weft::event begun_;
  channel<std::string> lines_;
  result<> ended_;
  std::uint64_t count_ = 0;
  bool stopped_ = false;
  task_group reading_;  // the last: its tasks use the others
};

class remote_broker final : public broker, public broker_admin {
 public:
  remote_broker(loop& l, std::shared_ptr<remote_link> link, broker_features features)
      : loop_{l}, link_{std::move(link)}, features_{std::move(features)} {}

  [[nodiscard]] const broker_features& features() const noexcept override { return features_; }
  [[nodiscard]] broker_admin* admin() noexcept override {
    return features_.set.has(feature::dead_letter_admin) ? this : nullptr;
  }
  task<result<>> check(context ctx) override {
    const auto able = co_await link_->ask<wire::abilities>(std::move(ctx), http::method::get, "/features");
    co_return able ? result<>{} : fail(able.error());
  }
  task<void> close(context) override { co_return; }

  task<std::vector<result<>>> publish(context ctx, std::vector<outgoing> batch) override {
    std::vector<wire::publication> asked;
    for (const auto& each : batch)
      asked.push_back({wire::to_wire(each.what), each.delay, each.if_unroutable == unroutable::refuse});
    auto told = co_await link_->ask<std::vector<wire::outcome>>(std::move(ctx), http::method::post, "/publish",
                                                                json::encode(asked));
    if (told && told->size() != batch.size())
      told = fail(errc::internal, "the service answered for another number of messages");
    if (!told) co_return std::vector<result<>>(batch.size(), fail(told.error()));
    std::vector<result<>> results;
    for (const auto& each : *told)
      results.push_back(each.error ? result<>{fail(wire::from_wire(*each.error).value_or(error{errc::unknown}))}
                                   : result<>{});
    co_return results;
  }

  task<result<std::unique_ptr<consumer>>> subscribe(context ctx, subscription what) override {
    WEFT_CO_TRY_VOID(what.validate());
    if (!what.group.empty() || what.patterns.size() != 1) {
      const error e{errc::unimplemented, "over HTTP one follows one pattern, without a group"};
      co_return fail(e.with_remedy("messages are handled in the process that has the broker"));
    }
    auto made = std::make_unique<remote_consumer>(loop_, link_);
    WEFT_CO_TRY_VOID(co_await made->begin(std::move(ctx), what.patterns.front()));
    co_return made;
  }

  task<result<std::vector<group_depth>>> depths(context ctx) override {
    WEFT_CO_TRY(auto list, co_await link_->ask<std::vector<wire::depth>>(std::move(ctx), http::method::get, "/groups"));
    std::vector<group_depth> depths;
    for (auto& d : list) depths.push_back(wire::from_wire(std::move(d)));
    co_return depths;
  }
  task<result<std::vector<dead_letter_entry>>> dead_letters(context ctx, dead_letter_query query) override {
    std::vector<dead_letter_entry> all;
    while (all.size() < query.limit) {  // the service gives as many at a time as it likes
      const auto path = "/dead_letters?group=" + http::percent_encode(query.group) +
                        "&after=" + std::to_string(query.after) + "&limit=" + std::to_string(query.limit - all.size());
      WEFT_CO_TRY(auto list, co_await link_->ask<std::vector<wire::dead>>(ctx, http::method::get, path));
      if (list.empty()) break;
      for (auto& d : list) {
        WEFT_CO_TRY(auto entry, wire::from_wire(std::move(d)));
        query.after = entry.number;
        all.push_back(std::move(entry));
      }
    }
    co_return all;
  }
  task<result<std::size_t>> replay(context ctx, std::string group, std::vector<std::uint64_t> numbers) override {
    return change(std::move(ctx), "/replay", {std::move(group), std::move(numbers)});
  }
  task<result<std::size_t>> purge(context ctx, std::string group, std::vector<std::uint64_t> numbers) override {
    return change(std::move(ctx), "/purge", {std::move(group), std::move(numbers)});
  }
  task<result<std::size_t>> clear(context ctx, std::string group) override {
    return change(std::move(ctx), "/clear", {std::move(group), {}});
  }
  task<result<>> remove_group(context ctx, std::string group) override {
    WEFT_CO_TRY_VOID(co_await change(std::move(ctx), "/remove_group", {std::move(group), {}}));
    co_return result<>{};
  }

 private:
  task<result<std::size_t>> change(context ctx, std::string path, wire::selection what) {
    WEFT_CO_TRY(const auto done, co_await link_->ask<wire::count>(std::move(ctx), http::method::post, std::move(path),
                                                                  json::encode(what)));
    co_return static_cast<std::size_t>(done.number);
  }

  loop& loop_;
  std::shared_ptr<remote_link> link_;
  broker_features features_;
};

task<result<std::unique_ptr<broker>>> open_remote(loop& l, context ctx, std::string url) {
  WEFT_CO_TRY(auto place, read_place(std::move(url)));
  const auto link = std::make_shared<remote_link>(l, std::move(place));
  WEFT_CO_TRY(const auto able, co_await link->ask<wire::abilities>(std::move(ctx), http::method::get, "/features"));
  co_return std::make_unique<remote_broker>(l, link, wire::from_wire(able));
}

}  // namespace

broker_opener remote_brokers() {
  return [](loop& l, context ctx, std::string url) { return open_remote(l, std::move(ctx), std::move(url)); };
}

}  // namespace weft::messaging
