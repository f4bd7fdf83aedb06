#include "manual_loop.hpp"

#include <weft/observe/log.hpp>
#include <weft/observe/trace_context.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdio>

namespace weft::observe {
namespace {
using namespace std::chrono_literals;

class Log : public testing::Test {
 protected:
  context traced() const {
    return context{}
        .with_trace(parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").value())
        .with_correlation_id("c-7");
  }
  std::string last_json() const { return memory_->entries().back().json; }

  manual_loop loop_;
  std::shared_ptr<memory_log> memory_ = std::make_shared<memory_log>();
  logger log_{loop_, memory_, {.service = "users"}};
};

TEST_F(Log, CarriesTraceAndCorrelation) {
  const std::string id = "7";
  loop_.advance(250ms);
  log_.info(traced(), "user created", {{"user_id", id}, {"took_ms", 12}, {"new", true}, {"share", 0.5}});
  EXPECT_EQ(last_json(),
            R"({"time":"2026-02-01T09:30:00.250Z","level":"info","service":"users","message":"user created",)"
            R"("trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","correlation_id":"c-7",)"
            R"("user_id":"7","took_ms":12,"new":true,"share":0.5})");
  const auto* entry = memory_->find("user created");
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->field("took_ms"), "12");
  EXPECT_EQ(entry->correlation_id, "c-7");
  log_.info("started");
  EXPECT_EQ(last_json(), R"({"time":"2026-02-01T09:30:00.250Z","level":"info","service":"users","message":"started"})");
  loop_.advance(750ms);
  log_.info("second");
  EXPECT_TRUE(last_json().starts_with(R"({"time":"2026-02-01T09:30:01.000Z")")) << last_json();
}

TEST_F(Log, InputCannotForgeALineOrAField) {
  const std::vector<std::pair<std::string, std::string>> table{
      {"a\nINFO forged", R"(a\nINFO forged)"},
      {"a\r\n\tb", R"(a\r\n\tb)"},
      {"\x1b[2Jgone", R"(\u001b[2Jgone)"},
      {std::string{"nul\0byte", 8}, R"(nul\u0000byte)"},
      {R"(","level":"error)", R"(\",\"level\":\"error)"},
      {R"(back\slash)", R"(back\\slash)"},
      {"bad\xff\xc0\xaf utf8", "bad\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd utf8"},
      {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},  // a surrogate
      {"cut\xe2\x82", "cut\xef\xbf\xbd\xef\xbf\xbd"},
      {"next\xc2\x85line", R"(next\u0085line)"},
      {"sep\xe2\x80\xa8", R"(sep\u2028)"},
      {"rtl\xe2\x80\xae", R"(rtl\u202e)"},
      {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x99\x82", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x99\x82"},
  };
  for (const auto& [raw, written] : table) {
    log_.info(context{}, raw, {{"f", raw}, {raw, 1}});
    const auto prefix = R"({"time":"2026-02-01T09:30:00.000Z","level":"info","service":"users","message":")";
    EXPECT_EQ(last_json(), prefix + written + R"(","f":")" + written + R"(",")" + written + R"(":1})");
    const std::array fields{field{"f", raw}, field{raw, 1}};
    const trace_position none;
    const auto pretty =
        format_pretty({loop_.wall_now(), log_level::info, "users", raw, raw, &none, fields}, colours::off);
    for (const char bad : {'\n', '\r', '\t', '\x1b', '\0', '\xff'}) EXPECT_EQ(pretty.find(bad), std::string::npos);
  }
}

TEST_F(Log, SecretsAreRedacted) {
  const auto db = log_.with({{"db_password", "hunter2"}});
  db.warning(traced(), "refused", {{"Authorization", "Bearer x"}, {"Set-Cookie", "a=b"}, {"user", "ann"}});
  EXPECT_EQ(last_json().find("hunter2"), std::string::npos);
  EXPECT_EQ(last_json().find("Bearer"), std::string::npos);
  const auto* entry = memory_->find("refused");
  EXPECT_EQ(entry->field("db_password"), "[redacted]");
  EXPECT_EQ(entry->field("Set-Cookie"), "[redacted]");
  EXPECT_EQ(entry->field("user"), "ann");
}

TEST_F(Log, LevelIsSharedByCopies) {
  const auto component = log_.with({{"component", "pool"}});
  component.debug("no");
  log_.set_level(log_level::debug);
  component.debug("yes");
  EXPECT_EQ(memory_->entries().size(), 1u);
  EXPECT_EQ(memory_->find("yes")->field("component"), "pool");
  log_.set_level(log_level::off);
  log_.critical(context{}, "no");
  EXPECT_EQ(memory_->entries().size(), 1u);
  EXPECT_EQ(parse_log_level("WARN").value(), log_level::warning);
  EXPECT_EQ(parse_log_level("Critical").value(), log_level::critical);
  EXPECT_FALSE(parse_log_level("loud").has_value());
}

TEST_F(Log, UsesTheTimeOfItsLoop) {
  manual_loop other;
  other.set_wall(wall_time{});
  log_.on(other).info("elsewhere");
  EXPECT_EQ(memory_->entries().back().at, wall_time{});
}

TEST_F(Log, ClashingNamesLoseNothing) {
  log_.info(traced(), "m", {{"level", "x"}, {"trace_id", "y"}, {"n", 1}, {"n", 2}});
  EXPECT_NE(last_json().find(R"("field.level":"x","field.trace_id":"y","n":2})"), std::string::npos) << last_json();
}

TEST_F(Log, NumbersThatJsonDoesNotHave) {
  log_.info(context{}, "m", {{"a", NAN}, {"b", INFINITY}, {"c", -INFINITY}, {"d", UINT64_MAX}, {"e", INT64_MIN}});
  EXPECT_NE(last_json().find(R"("a":"NaN","b":"Infinity","c":"-Infinity","d":18446744073709551615,)"
                             R"("e":-9223372036854775808})"),
            std::string::npos)
      << last_json();
}

TEST_F(Log, IsBounded) {
  logger small{loop_, memory_, {.max_fields = 2, .max_text_size = 4}};
  small.info(context{}, "123\xc3\xa9", {{"a", "123456"}, {"b", 2}, {"c", 3}});
  const auto& entry = memory_->entries().back();
  EXPECT_EQ(entry.message, "123");
  EXPECT_EQ(entry.fields.size(), 2u);
  EXPECT_EQ(entry.field("a"), "1234");
  memory_log two{2};
  const trace_position none;
  for (const char* text : {"a", "b", "c"}) two.write({.message = text, .trace = &none});
  EXPECT_EQ(two.entries().size(), 2u);
  EXPECT_EQ(two.find("a"), nullptr);
}

TEST_F(Log, AFloodIsCutAndReported) {
  registry metrics{{.shards = 1}};
  logger limited{loop_, memory_, {.max_per_second = 10, .burst = 3, .metrics = &metrics}};
  for (int i = 0; i < 8; ++i) limited.error("flood");
  EXPECT_EQ(memory_->entries().size(), 3u);
  loop_.advance(99ms);
  limited.error("flood");
  EXPECT_EQ(memory_->entries().size(), 3u);
  loop_.advance(1ms);
  limited.error("calm");
  ASSERT_EQ(memory_->entries().size(), 5u);
  EXPECT_EQ(memory_->find("log records dropped")->field("count"), "6");
  const auto text = metrics.expose();
  EXPECT_NE(text.find("weft_log_dropped_total{reason=\"rate\"} 6\n"), std::string::npos) << text;
  EXPECT_NE(text.find("weft_log_records_total{level=\"error\"} 4\n"), std::string::npos) << text;
  EXPECT_THROW((logger{loop_, memory_, {.burst = 0}}), std::invalid_argument);
  EXPECT_THROW((logger{loop_, nullptr}), std::invalid_argument);
}

TEST_F(Log, PrettyIsForPeople) {
  const auto ctx = traced();
  const std::array fields{field{"user_id", "7"}, field{"name", "Ann Lee"}, field{"took_ms", 12}};
  const log_record record{
      loop_.wall_now() + 250ms, log_level::warning, "users", "user created", "c-7", &ctx.trace(), fields};
  EXPECT_EQ(format_pretty(record),
            "09:30:00.250 WARN  users  user created                     user_id=7 name=\"Ann Lee\" took_ms=12 "
            "trace=4bf92f35 correlation=c-7");
  EXPECT_TRUE(format_pretty(record, colours::on).starts_with("\x1b[2m09:30:00.250\x1b[0m \x1b[33mWARN \x1b[0m "));
  const trace_position none;
  EXPECT_EQ(format_pretty({loop_.wall_now(), log_level::info, "users", "ready", {}, &none, {}}),
            "09:30:00.000 INFO  users  ready");
}

TEST_F(Log, GoesToADescriptorAsLines) {
  for (const auto format : {log_format::automatic, log_format::pretty}) {
    std::FILE* file = std::tmpfile();
    ASSERT_NE(file, nullptr);
    registry metrics;
    {
      const logger log{loop_,
                       make_log_output({.descriptor = ::fileno(file), .format = format, .metrics = &metrics}),
                       {.service = "users", .metrics = &metrics}};
      for (int i = 0; i < 3; ++i) log.info(traced(), "hello {} %s", {{"i", i}});
      EXPECT_NE(metrics.expose().find("weft_log_dropped_total{reason=\"queue\"} 0\n"), std::string::npos);
    }
    std::rewind(file);
    std::string text(4096, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file));
    std::fclose(file);
    EXPECT_EQ(std::ranges::count(text, '\n'), 3);
    // Not a terminal: JSON unless asked otherwise, and no colours.
    EXPECT_EQ(text.starts_with("{\"time\""), format == log_format::automatic) << text;
    EXPECT_NE(text.find("hello {} %s"), std::string::npos);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
  }
  EXPECT_THROW(static_cast<void>(make_log_output({.queue = 0})), std::invalid_argument);
}

TEST_F(Log, AReaderThatHangsCostsLinesButNeverHoldsUpTheLoop) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  registry metrics;
  auto output = make_log_output({.descriptor = ends[1], .queue = 8, .last_wait = 20ms, .metrics = &metrics});
  {
    const logger log{loop_, output};
    const std::string big(10'000, 'x');
    for (int i = 0; i < 100; ++i) log.info(context{}, big);  // a pipe holds 64 KiB
  }
  const auto text = metrics.expose();
  const auto at = text.find("weft_log_dropped_total{reason=\"queue\"} ");
  ASSERT_NE(at, std::string::npos) << text;
  EXPECT_GE(std::stoi(text.substr(text.find("} ", at) + 2)), 80);
  output.reset();  // ends although nobody reads
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(Log, AReaderThatHasGoneDoesNotEndTheProgram) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  {
    const logger log{loop_, make_log_output({.descriptor = ends[1]})};
    log.info("nobody reads");
  }
  ::close(ends[1]);
}

}  // namespace
}  // namespace weft::observe
