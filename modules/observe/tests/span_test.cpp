#include "manual_loop.hpp"

#include <weft/observe/span.hpp>
#include <weft/observe/span_batcher.hpp>
#include <weft/runtime/sleep.hpp>

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace weft::observe {
namespace {
using namespace std::chrono_literals;

class Spans : public testing::Test {
 protected:
  manual_loop loop_;
  memory_spans ended_;
};

TEST_F(Spans, TellWhatHappenedWhenAndWhy) {
  tracer t{loop_, ended_, {.service = "users"}};
  const auto ctx = context{}.with_correlation_id("c-1");
  auto server =
      t.start(ctx, "GET /users/{id}", {.kind = span_kind::server, .attributes = {{"http.route", "/users/{id}"}}});
  loop_.advance(10ms);
  {
    auto client = t.start(server.ctx(), "query");
    client.set("db.rows", 3u);
    client.set("db.cached", false);
    client.set("db.rows", 4);
    client.add_event("retry", {{"try", 2}});
    client.fail(error{errc::unavailable, "no route"});
    loop_.advance(5ms);
  }
  server.set_status(span_status::ok);
  server.set_status(span_status::error, "too late");
  server.end();
  server.end();
  server.set("after", 1);

  ASSERT_EQ(ended_.spans().size(), 2u);
  const auto *query = ended_.find("query"), *get = ended_.find("GET /users/{id}");
  ASSERT_TRUE(query != nullptr && get != nullptr);
  EXPECT_EQ(query->position.trace_id, get->position.trace_id);
  EXPECT_EQ(query->parent_id, get->position.span_id);
  EXPECT_EQ(get->parent_id, (std::array<std::uint8_t, 8>{}));
  EXPECT_EQ(query->elapsed, 5ms);
  EXPECT_EQ(get->elapsed, 15ms);
  EXPECT_EQ(query->start - get->start, 10ms);
  EXPECT_EQ(query->correlation_id, "c-1");
  EXPECT_EQ(*query->find("db.rows"), attribute_value{4});
  EXPECT_EQ(*query->find("db.cached"), attribute_value{false});
  EXPECT_EQ(*query->find("error.type"), attribute_value{"unavailable"});
  EXPECT_EQ(query->status, span_status::error);
  EXPECT_EQ(query->status_message, "unavailable: no route");
  ASSERT_EQ(query->events.size(), 1u);
  EXPECT_EQ(query->events[0].attributes[0].value, attribute_value{2});
  EXPECT_EQ(get->status, span_status::ok);
  EXPECT_EQ(get->kind, span_kind::server);
  EXPECT_EQ(get->service, "users");
  EXPECT_EQ(server.ctx().trace().trace_id, get->position.trace_id);
}

TEST_F(Spans, FollowTheCaller) {
  tracer t{loop_, ended_};
  auto sampled = parse_traceparent("00-12345678901234567890123456789012-1234567890123456-01").value();
  sampled.state = "congo=1";
  auto recorded = t.start(context{}.with_trace(sampled), "a");
  EXPECT_TRUE(recorded.recording());
  EXPECT_EQ(recorded.ctx().trace().state, "congo=1");
  recorded.end();
  EXPECT_TRUE(ended_.find("a")->parent_remote);

  auto unsampled = sampled;
  unsampled.flags = 0;
  const auto dropped = t.start(context{}.with_trace(unsampled), "b");
  EXPECT_FALSE(dropped.recording());
  EXPECT_EQ(dropped.ctx().trace().trace_id, unsampled.trace_id);
  EXPECT_EQ(dropped.ctx().trace().state, "congo=1");
  EXPECT_EQ(dropped.ctx().trace().flags, 0);
  EXPECT_FALSE(dropped.ctx().trace().remote);
}

// C7: an id that is not recorded is an id all the same.
TEST_F(Spans, HaveIdsOfTheirOwnAlsoWhenTheyAreNotRecorded) {
  const tracer t{loop_, ended_};
  const auto unsampled = parse_traceparent("00-12345678901234567890123456789012-1234567890123456-00").value();
  const auto server = t.start(context{}.with_trace(unsampled), "server");
  const auto one = t.start(server.ctx(), "one"), two = t.start(server.ctx(), "two");
  std::set<std::array<std::uint8_t, 8>> ids{unsampled.span_id};
  for (const auto* each : {&server, &one, &two}) {
    EXPECT_FALSE(each->recording());
    EXPECT_EQ(each->ctx().trace().trace_id, unsampled.trace_id);
    EXPECT_TRUE(ids.insert(each->ctx().trace().span_id).second);
  }
}

TEST_F(Spans, ThatAreNotSampledStillGiveATraceToLogsAndCalls) {
  tracer t{loop_, ended_, {.policy = never_sampler()}};
  auto root = t.start(context{}, "a");
  EXPECT_FALSE(root.recording());
  EXPECT_TRUE(root.ctx().trace().valid());
  EXPECT_FALSE(root.ctx().trace().sampled());
  const auto child = t.start(root.ctx(), "b");
  EXPECT_EQ(child.ctx().trace().trace_id, root.ctx().trace().trace_id);
  EXPECT_FALSE(child.ctx().trace().sampled());
  // Whoever turns sampling off says so under a span id of its own.
  const auto sampled = start_trace(loop_.random(), sampling::record);
  const auto off = t.start(context{}.with_trace(sampled), "c");
  EXPECT_EQ(off.ctx().trace().trace_id, sampled.trace_id);
  EXPECT_NE(off.ctx().trace().span_id, sampled.span_id);
  EXPECT_FALSE(off.ctx().trace().sampled());
  root.set("x", 1);
  root.end();
  EXPECT_TRUE(ended_.spans().empty());
}

TEST_F(Spans, AreBounded) {
  tracer t{loop_, ended_, {.max_attributes = 2, .max_events = 1, .max_links = 1, .max_text_size = 5}};
  const auto other = start_trace(loop_.random(), sampling::record);
  auto s = t.start(context{}, "name that is long", {.links = {{other, {}}, {other, {}}, {}}});
  for (const char* key : {"a", "b", "c", "d"}) s.set(key, "1234\xc3\xa9");
  s.add_event("one");
  s.add_event("two");
  s.end();
  const auto& data = ended_.spans().back();
  EXPECT_EQ(data.name, "name ");
  EXPECT_EQ(data.attributes.size(), 2u);
  EXPECT_EQ(*data.find("a"), attribute_value{"1234"});  // no half character
  EXPECT_EQ(data.dropped_attributes, 2u);
  EXPECT_EQ(data.dropped_events, 1u);
  EXPECT_EQ(data.links.size(), 1u);
  EXPECT_EQ(data.dropped_links, 2u);
}

TEST_F(Spans, DoNotKeepSecrets) {
  tracer t{loop_, ended_};
  auto s = t.start(context{}, "a", {.attributes = {{"http.request.header.authorization", "Bearer x"}}});
  s.set("session_token", "abc");
  s.add_event("login", {{"Password", "hunter2"}});
  s.end();
  const auto& data = ended_.spans().back();
  EXPECT_EQ(*data.find("http.request.header.authorization"), attribute_value{redacted});
  EXPECT_EQ(*data.find("session_token"), attribute_value{redacted});
  EXPECT_EQ(data.events[0].attributes[0].value, attribute_value{redacted});
}

TEST_F(Spans, InMemoryKeepTheLast) {
  memory_spans two{2};
  tracer t{loop_, two};
  for (const char* name : {"a", "b", "c"}) t.start(context{}, name).end();
  EXPECT_EQ(two.spans().size(), 2u);
  EXPECT_EQ(two.spans().front().name, "b");
  EXPECT_EQ(two.dropped(), 1u);
}

TEST_F(Spans, MoveEndsTheOneThatIsReplaced) {
  tracer t{loop_, ended_};
  auto s = t.start(context{}, "a");
  s = t.start(context{}, "b");
  EXPECT_NE(ended_.find("a"), nullptr);
  EXPECT_EQ(ended_.find("b"), nullptr);
  EXPECT_THROW((tracer{loop_, ended_, {.policy = nullptr}}), std::invalid_argument);
}

class slow_exporter final : public span_exporter {
 public:
  explicit slow_exporter(loop& l) : loop_{l} {}
  task<result<>> export_spans(context ctx, std::vector<span_data> batch) override {
    sizes.push_back(batch.size());
    if (throws) throw 7;  // any type
    WEFT_CO_TRY_VOID(co_await sleep(loop_, ctx, takes));
    if (broken) co_return fail(errc::unavailable, "no collector");
    co_return result<>{};
  }
  std::vector<std::size_t> sizes;
  duration takes = 100ms;
  bool broken = false, throws = false;

 private:
  loop& loop_;
};

class Batches : public testing::Test {
 protected:
  void spans(int n) {
    for (int i = 0; i < n; ++i) batches_.take({.name = "s"});
  }
  // The outcome of flush() or stop(), when it has one.
  task<void> keep(task<result<>> work) { outcome_ = co_await std::move(work); }

  manual_loop loop_;
  registry metrics_{{.shards = 1}};
  slow_exporter exporter_{loop_};
  span_batcher batches_{
      loop_, exporter_, {.max_queue = 10, .max_batch = 4, .every = 1s, .timeout = 500ms, .metrics = &metrics_}};
  std::optional<result<>> outcome_;
  task_group tasks_{loop_};
};

TEST_F(Batches, GoWhenFullOrWhenTheirTimeHasCome) {
  spans(3);
  loop_.advance(999ms);
  EXPECT_TRUE(exporter_.sizes.empty());
  loop_.advance(1ms);
  EXPECT_EQ(exporter_.sizes, (std::vector<std::size_t>{3}));
  loop_.advance(100ms);
  EXPECT_EQ(batches_.exported(), 3u);
  spans(4);
  loop_.run_ready();
  EXPECT_EQ(exporter_.sizes, (std::vector<std::size_t>{3, 4}));
}

TEST_F(Batches, AreSentOneAfterTheOtherAndTheQueueIsBounded) {
  spans(4);
  loop_.run_ready();
  spans(12);  // ten wait, two are lost
  EXPECT_EQ(batches_.queued(), 10u);
  EXPECT_EQ(batches_.dropped(), 2u);
  const auto text = metrics_.expose();
  EXPECT_NE(text.find("weft_spans_dropped_total{reason=\"queue\"} 2\n"), std::string::npos) << text;
  EXPECT_NE(text.find("weft_spans_queued 10\n"), std::string::npos) << text;
  loop_.advance(1s);
  EXPECT_EQ(exporter_.sizes, (std::vector<std::size_t>{4, 4, 4, 2}));
  EXPECT_EQ(batches_.exported(), 14u);
  EXPECT_NE(metrics_.expose().find("weft_spans_exported_total 14\n"), std::string::npos);
}

TEST_F(Batches, ThatCannotBeSentAreCounted) {
  exporter_.broken = true;
  spans(3);
  tasks_.spawn(keep(batches_.flush({})));
  loop_.advance(100ms);
  ASSERT_TRUE(outcome_.has_value());
  EXPECT_EQ(outcome_->error().code(), errc::unavailable);
  EXPECT_NE(metrics_.expose().find("weft_spans_dropped_total{reason=\"export\"} 3\n"), std::string::npos);
  exporter_.broken = false;
  exporter_.takes = 1h;  // a collector that hangs
  spans(4);
  loop_.advance(500ms);
  EXPECT_EQ(batches_.dropped(), 7u);
}

// A12: the exporter is the user's code, called in a task that the batcher spawns.
TEST_F(Batches, ThatMakeTheExporterThrowAreCountedAndOthersGoOn) {
  exporter_.throws = true;
  spans(4);
  loop_.run_ready();
  EXPECT_EQ(batches_.dropped(), 4u);
  exporter_.throws = false;
  spans(4);
  loop_.advance(100ms);
  EXPECT_EQ(batches_.exported(), 4u);
}

// A11: "never" is a time like others.
TEST_F(Spans, WaitForEverWhereTheyAreTold) {
  slow_exporter exporter{loop_};
  span_batcher batches{loop_, exporter, {.max_batch = 4, .every = duration::max()}};
  loop_.advance(1h);
  batches.take({.name = "s"});
  loop_.advance(1h);
  EXPECT_TRUE(exporter.sizes.empty());
  EXPECT_EQ(batches.queued(), 1u);
}

TEST_F(Batches, StopSendsWhatIsLeftAndRefusesTheRest) {
  spans(6);
  tasks_.spawn(keep(batches_.stop({})));
  loop_.advance(200ms);
  ASSERT_TRUE(outcome_ && outcome_->has_value());
  EXPECT_EQ(batches_.exported(), 6u);
  spans(1);
  EXPECT_EQ(batches_.dropped(), 1u);
}

TEST_F(Batches, StopEndsWithItsContext) {
  exporter_.takes = 1h;
  spans(6);
  tasks_.spawn(keep(batches_.stop(context{}.with_timeout(loop_, 50ms))));
  loop_.advance(60ms);
  ASSERT_TRUE(outcome_.has_value());
  EXPECT_EQ(outcome_->error().code(), errc::deadline_exceeded);
  EXPECT_EQ(batches_.dropped(), 6u);
  EXPECT_EQ(batches_.queued(), 0u);
}

TEST_F(Batches, FlushOfNothingIsDoneAtOnce) {
  tasks_.spawn(keep(batches_.flush({})));
  loop_.run_ready();
  ASSERT_TRUE(outcome_ && outcome_->has_value());
}

TEST(Redaction, KnowsNamesOfSecrets) {
  redaction secrets;
  for (const char* name : {"authorization", "Authorization", "Set-Cookie", "cookie", "password", "token", "secret",
                           "api_key", "api-key", "X-API-Key", "refresh_token", "db.client_secret", "CSRF-Token"})
    EXPECT_TRUE(secrets.covers(name)) << name;
  for (const char* name : {"user_id", "tokens", "token_count", "secretary", "", "path", "passwords_checked"})
    EXPECT_FALSE(secrets.covers(name)) << name;
  EXPECT_TRUE(secrets.add("national_id").covers("National-Id"));
  EXPECT_TRUE(secrets.add("*_pin").covers("card_pin"));
  EXPECT_FALSE(redaction::none().covers("password"));
}

}  // namespace
}  // namespace weft::observe
