#include <weft/messaging/router.hpp>
#include <weft/messaging/topic_pattern.hpp>
#include <weft/runtime/guarded.hpp>
#include <weft/runtime/when.hpp>

#include <algorithm>
#include <stdexcept>

#include "router_subscription.hpp"
#include "standard_stages.hpp"

namespace weft::messaging {

router::router(loop& l, broker& from, router_options options) : loop_{l}, broker_{from}, options_{std::move(options)} {}

router::~router() { end_now(); }

void router::end_now() {
  if (running_) running_->tasks.reset();  // the frames refer to the subscriptions
  subscriptions_.clear();
}

void router::add_layer(layer_kind kind, feature_set needs, result<> valid, wrap_function wrap) {
  if (!valid) throw std::invalid_argument{options_.name + ": " + valid.error().describe()};
  WEFT_ASSERT(!running_, "a router was changed after its start");
  layers_.push_back({kind, needs, std::move(wrap)});
}

void router::add(std::string_view name, subscribe_options options, reading how, std::string_view type, terminal call) {
  WEFT_ASSERT(!running_, "a router was changed after its start");
  subscription s{.group = std::move(options.group),
                 .patterns = std::move(options.patterns),
                 .prefetch = options.prefetch != 0 ? options.prefetch : std::max(16U, 2 * options.concurrency),
                 .order = options.order,
                 .lives = options.lives};
  if (s.patterns.empty()) s.patterns.emplace_back(name);
  if (s.group.empty()) s.lives = lifetime::ephemeral;
  const auto wrong = [&](std::string_view why) {
    return std::invalid_argument{options_.name + ", subscription to " + std::string{name} + ": " + std::string{why}};
  };
  if (const auto valid = s.validate(); !valid) throw wrong(valid.error().message());
  if (options.concurrency == 0) throw wrong("concurrency: at least 1");
  route r{.label = std::string{name}, .patterns = {}, .type = {}, .others = options.others, .call = std::move(call)};
  for (const auto& text : s.patterns) r.patterns.push_back(*topic_pattern::parse(text));
  if (how == reading::event) r.type = std::string{type};
  const auto same_group = [&](const auto& each) { return !s.group.empty() && each->what().group == s.group; };
  auto at = std::ranges::find_if(subscriptions_, same_group);
  if (at == subscriptions_.end()) {
    subscriptions_.push_back(std::make_unique<router_subscription>(*this, s, options.concurrency));
    at = std::prev(subscriptions_.end());
  } else if ((*at)->what().order != s.order || (*at)->what().lives != s.lives) {
    throw wrong("another handler of group '" + s.group + "' asks for another order or lifetime");
  }
  (*at)->add(std::move(r), s, options.concurrency);
}

namespace {
task<result<>> call_raw(const raw_handler& call, const context& ctx, incoming& in) { return call(ctx, in.raw); }
}  // namespace

router& router::on_raw(std::string_view topic_or_pattern, subscribe_options options, raw_handler call) {
  add(topic_or_pattern, std::move(options), reading::raw, {},
      [call = std::move(call)](const context& ctx, incoming& in) { return call_raw(call, ctx, in); });
  return *this;
}

result<std::string_view> router::data_as_of(const upcasters* upcast, const std::string& type, std::uint32_t version,
                                            const event_view& envelope, std::string& room) {
  if (!envelope.data_is_json())
    return fail(errc::invalid_argument, "the data is " + std::string{envelope.data_content_type} + ", not JSON");
  if (upcast == nullptr || upcast->empty()) return envelope.data;
  WEFT_TRY(room, upcast->upcast(type, envelope.schema_version(), version, std::string{envelope.data}));
  return room;
}

result<> router::check_features() const {
  auto needs = options_.needs;
  bool puts_aside = false;
  for (const auto& each : layers_) {
    needs |= each.needs;
    puts_aside = puts_aside || each.kind == layer_kind::dead_letter;
  }
  if (!puts_aside) needs |= {feature::dead_letter};
  for (const auto& s : subscriptions_) {
    const auto& what = s->what();
    if (what.lives == lifetime::ephemeral) needs |= {feature::ephemeral};
    for (const auto& text : what.patterns)
      if (const auto p = topic_pattern::parse(text); p && !p->exact()) needs |= {feature::topic_patterns};
  }
  return require(broker_.features(), needs, options_.name);
}

// The order of middleware in which one of them would silently do nothing.
result<> router::check_layers() const {
  const auto place = [&](layer_kind kind) { return std::ranges::find(layers_, kind, &layer::kind); };
  const auto refused = [&](std::string_view why, std::string_view remedy) {
    return fail(error{errc::invalid_argument, options_.name + ": " + std::string{why}}.with_remedy(remedy));
  };
  for (const auto& [kind, name] : {std::pair{layer_kind::retry, "retry"}, {layer_kind::dead_letter, "dead_letter"}})
    if (std::ranges::count(layers_, kind, &layer::kind) > 1)
      return refused("there are two of " + std::string{name}, "one of them is enough");
  const auto retries = place(layer_kind::retry), puts_aside = place(layer_kind::dead_letter);
  if (retries < puts_aside && puts_aside != layers_.end())
    return refused("dead_letter stands inside retry, and leaves it nothing to try again",
                   "put dead_letter outside: .use(dead_letter{}).use(retry{})");
  return {};
}

namespace {

// The innermost stage: an event that cannot be read goes to the dead letters, whatever the others say.
class terminal_stage {
 public:
  explicit terminal_stage(std::function<task<result<>>(const context&, incoming&)> call) : call_{std::move(call)} {}

  task<outcome> operator()(const context& ctx, incoming& in) {
    outcome o;
    if (!in.unreadable) {
      try {
        o.handled = co_await call_(ctx, in);
      } catch (...) {
        o.handled = fail(errc::internal, "the handler threw: " + std::string{current_exception_error().message()});
      }
    }
    if (in.unreadable) {
      o.handled = fail(*in.unreadable);
      o.decided = settlement::dead_letter("unreadable: " + std::string{in.unreadable->message()}, *in.unreadable);
    }
    co_return o;
  }

 private:
  std::function<task<result<>>(const context&, incoming&)> call_;
};

}  // namespace

stage router::build(terminal call, const std::string& group) const {
  const middleware_wiring wiring{loop_, broker_, group};
  stage built = terminal_stage{std::move(call)};
  if (layers_.empty()) return standard_stages(std::move(built), wiring);
  const auto has = [&](layer_kind kind) { return std::ranges::find(layers_, kind, &layer::kind) != layers_.end(); };
  if (!has(layer_kind::retry)) built = retry{}.wrap(std::move(built), wiring);
  for (auto at = layers_.rbegin(); at != layers_.rend(); ++at) built = at->wrap(std::move(built), wiring);
  if (!has(layer_kind::dead_letter)) built = dead_letter{}.wrap(std::move(built), wiring);
  return built;
}

task<result<>> router::start(context ctx) {
  WEFT_ASSERT(!running_, "a router was started twice");
  WEFT_CO_TRY_VOID(check_layers());
  WEFT_CO_TRY_VOID(check_features());
  running_ = std::make_unique<running>(loop_);
  const auto handling = running_->tasks->derive(ctx);
  for (auto& s : subscriptions_) WEFT_CO_TRY_VOID(co_await s->open(ctx));
  for (auto& s : subscriptions_) s->run(*running_->tasks, handling);
  co_return result<>{};
}

namespace {

task<void> join_and_tell(task_group& tasks, weft::event& done) {
  co_await tasks.join();
  done.set();
}

}  // namespace

// How many messages were not handled in time.
task<std::size_t> router::finish(context ctx) {
  weft::event done{loop_};
  task_group joiner{loop_};
  joiner.spawn(join_and_tell(*running_->tasks, done));
  if (co_await done.wait(ctx)) co_return 0;
  std::size_t left = 0;
  for (const auto& s : subscriptions_) left += s->held();
  running_->tasks->cancel();
  static_cast<void>(co_await done.wait(context{}.with_timeout(loop_, options_.cancel_grace)));
  co_return std::max<std::size_t>(left, 1);
}

task<result<>> router::stop(context ctx) {
  if (!running_ || !running_->tasks) co_return result<>{};
  for (auto& s : subscriptions_) co_await s->stop(ctx);
  const auto left = co_await finish(ctx);
  end_now();
  if (left != 0)
    co_return fail(errc::deadline_exceeded,
                   std::to_string(left) + " messages were not finished in time, and given back");
  co_return result<>{};
}

std::size_t router::in_flight() const noexcept {
  std::size_t count = 0;
  for (const auto& s : subscriptions_) count += s->in_flight();
  return count;
}

}  // namespace weft::messaging
