#include <weft/observe/correlation.hpp>
#include <weft/observe/sampler.hpp>
#include <weft/observe/trace_context.hpp>

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>

namespace weft::observe {
namespace {

constexpr std::string_view good = "00-12345678901234567890123456789012-1234567890123456-01";
using fields = std::vector<std::string_view>;

// The clause of Trace Context Level 2 that each row is about stands before the rows.
struct parent_case {
  std::string value;
  bool accepted;
  int flags = 0;
};

TEST(Traceparent, FollowsTheSpecification) {
  const std::string ids = "12345678901234567890123456789012-1234567890123456";
  const std::vector<parent_case> table{
      // version 00: exactly 55 characters
      {std::string{good}, true, 1},
      {"00-" + ids + "-00", true, 0},
      {"00-" + ids + "-01-", false},
      {"00-" + ids + "-01-extra", false},
      {"00-" + ids + "-0", false},
      {"00-" + ids, false},
      {"", false},
      {" 00-" + ids + "-01", false},
      // trace-flags: bit 0 sampled, bit 1 random, others are reserved and not sent on
      {"00-" + ids + "-02", true, 2},
      {"00-" + ids + "-03", true, 3},
      {"00-" + ids + "-ff", true, 3},
      {"00-" + ids + "-fc", true, 0},
      {"00-" + ids + "-0A", false},
      {"00-" + ids + "-.0", false},
      {"00-" + ids + "-0g", false},
      // version: two lower-case hexadecimal digits; ff is forbidden
      {"ff-" + ids + "-01", false},
      {"FF-" + ids + "-01", false},
      {"CC-" + ids + "-01", false},
      {"0-" + ids + "-01-", false},
      {".0-" + ids + "-01", false},
      {"0.-" + ids + "-01", false},
      // higher versions: the known fields, and then nothing or a dash
      {"cc-" + ids + "-01", true, 1},
      {"cc-" + ids + "-01-what-the-future-will-be-like", true, 1},
      {"01-" + ids + "-01-", true, 1},
      {"fe-" + ids + "-03", true, 1},
      {"cc-" + ids + "-01.what-the-future-will-be-like", false},
      {"cc-" + ids + "-0", false},
      {"cc-" + ids, false},
      // trace-id: lower-case hexadecimal, not all zero
      {"00-00000000000000000000000000000000-1234567890123456-01", false},
      {"00-.2345678901234567890123456789012-1234567890123456-01", false},
      {"00-1234567890123456789012345678901.-1234567890123456-01", false},
      {"00-ABCDEF78901234567890123456789012-1234567890123456-01", false},
      {"00-123456789012345678901234567890123-1234567890123456-01", false},
      {"00-1234567890123456789012345678901-1234567890123456-01", false},
      {"00-abcdefabcdefabcdefabcdefabcdefab-1234567890123456-01", true, 1},
      // parent-id: the same
      {"00-12345678901234567890123456789012-0000000000000000-01", false},
      {"00-12345678901234567890123456789012-.234567890123456-01", false},
      {"00-12345678901234567890123456789012-ABCDEF7890123456-01", false},
      {"00-12345678901234567890123456789012-12345678901234567-01", false},
      {"00-12345678901234567890123456789012-123456789012345-01", false},
      // delimiters
      {"00_" + ids + "-01", false},
      {"00-" + ids + "_01", false},
      {"00-12345678901234567890123456789012.1234567890123456-01", false},
  };
  for (const auto& row : table) {
    const auto read = parse_traceparent(row.value);
    EXPECT_EQ(read.has_value(), row.accepted) << row.value;
    if (!read || !row.accepted) continue;
    EXPECT_TRUE(read->valid() && read->remote) << row.value;
    EXPECT_EQ(read->flags, row.flags) << row.value;
    // Sent on as version 00, which this program knows.
    EXPECT_TRUE(format_traceparent(*read).starts_with("00-" + row.value.substr(3, 49))) << row.value;
    EXPECT_EQ(format_traceparent(*read).size(), 55u);
  }
}

TEST(Traceparent, RefusalSaysWhatIsWrong) {
  const auto read = parse_traceparent("00-00000000000000000000000000000000-1234567890123456-01");
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code(), errc::invalid_argument);
  EXPECT_NE(read.error().describe().find("trace id"), std::string::npos);
}

struct state_case {
  fields sent;
  std::optional<std::string> kept;  // nullopt: the whole list is dropped
};

TEST(Tracestate, FollowsTheSpecification) {
  const std::string key256(256, 'z'), key257(257, 'z'), value256(256, 'v'), value257(257, 'v');
  std::string members32 = "k0=1", members33;
  for (int i = 1; i < 32; ++i) members32 += ",k" + std::to_string(i) + "=1";
  members33 = members32 + ",k32=1";
  const std::string long_key = key256 + "=1", too_long_key = key257 + "=1";
  const std::string long_tenant = std::string(241, 't') + "@" + std::string(14, 'v') + "=1";
  const std::string too_long_tenant = std::string(242, 't') + "@v=1",
                    too_long_vendor = "t@" + std::string(15, 'v') + "=1";
  const std::string long_value = "a=" + value256, too_long_value = "a=" + value257;
  const std::string all_keys = "0123456789abcdefghijklmnopqrstuvwxyz_-*/@a-z0-9_-*/=1";
  std::string all_values = "a=";
  for (char c = ' '; c <= '~'; ++c)
    if (c != ',' && c != '=') all_values += c;
  const std::vector<state_case> table{
      {{"foo=1,bar=2"}, "foo=1,bar=2"},
      // several fields are combined in their order
      {{"foo=1", "bar=2"}, "foo=1,bar=2"},
      {{"foo=1,", "bar=2,rojo=1", "", "baz=3"}, "foo=1,bar=2,rojo=1,baz=3"},
      // empty members and surrounding white space
      {{""}, ""},
      {{" \t "}, ""},
      {{"foo=1,,,bar=2,"}, "foo=1,bar=2"},
      {{" foo=1 \t,\t bar=2 "}, "foo=1,bar=2"},
      // spaces within a value stay, at its end they are not part of it
      {{"foo=  1 2 ,bar=3"}, "foo=  1 2,bar=3"},
      // keys
      {{all_keys}, all_keys},
      {{"0a=1"}, "0a=1"},
      {{"fw529a3039@dt=1"}, "fw529a3039@dt=1"},
      {{"@foo=1"}, std::nullopt},
      {{"foo@=1"}, std::nullopt},
      {{"foo@@bar=1"}, std::nullopt},
      {{"foo@bar@baz=1"}, std::nullopt},
      {{"t@0v=1"}, std::nullopt},
      {{long_tenant}, long_tenant},
      {{too_long_tenant}, std::nullopt},
      {{too_long_vendor}, std::nullopt},
      {{"_a=1"}, std::nullopt},
      {{"FOO=1"}, std::nullopt},
      {{"foo =1"}, std::nullopt},
      {{"foo.bar=1"}, std::nullopt},
      {{"foo\x80=1"}, std::nullopt},
      {{"=1"}, std::nullopt},
      {{"foo"}, std::nullopt},
      {{long_key}, long_key},
      {{too_long_key}, std::nullopt},
      // values
      {{all_values}, all_values},
      {{"foo="}, std::nullopt},
      {{"foo=1=2"}, std::nullopt},
      {{"foo=a\tb"}, std::nullopt},
      {{"foo=a\x7f"}, std::nullopt},
      {{"foo=\xc3\xa9"}, std::nullopt},
      {{long_value}, long_value},
      {{too_long_value}, std::nullopt},
      // C7: one entry per key, the newest; the others stay
      {{"foo=1,foo=1"}, "foo=1"},
      {{"foo=1,bar=2,foo=3"}, "foo=1,bar=2"},
      {{"foo=1", "bar=2", "foo=2"}, "foo=1,bar=2"},
      {{"foo=1,bar=2,FOO=3"}, std::nullopt},
      // at most 32 members
      {{members32}, members32},
      {{members33}, std::nullopt},
  };
  for (const auto& row : table) {
    const auto read = tracestate::parse(row.sent);
    ASSERT_EQ(read.has_value(), row.kept.has_value()) << row.sent[0];
    if (read) EXPECT_EQ(read->to_string(), *row.kept);
    // A bad tracestate never costs the traceparent.
    const auto position = extract(fields{good}, row.sent);
    EXPECT_TRUE(position.valid());
    EXPECT_EQ(position.state, row.kept.value_or(""));
  }
}

TEST(Tracestate, ChangedEntriesMoveToTheFront) {
  auto list = tracestate::parse("rojo=1,congo=2,third=3").value();
  ASSERT_TRUE(list.set("congo", "9").has_value());
  EXPECT_EQ(list.to_string(), "congo=9,rojo=1,third=3");
  ASSERT_TRUE(list.set("weft", "a b").has_value());
  EXPECT_EQ(list.to_string(), "weft=a b,congo=9,rojo=1,third=3");
  EXPECT_TRUE(list.erase("rojo"));
  EXPECT_FALSE(list.erase("rojo"));
  EXPECT_EQ(list.find("third"), "3");
  EXPECT_EQ(list.to_string(), "weft=a b,congo=9,third=3");
  for (const auto& [key, value] :
       std::vector<tracestate::member>{{"Weft", "1"}, {"weft", ""}, {"weft", "a,b"}, {"weft", "a "}})
    EXPECT_FALSE(list.set(key, value).has_value());
}

TEST(Tracestate, SurvivesAnUpdateFromItsOwnEntry) {
  auto list = tracestate::parse("rojo=1,congo=2").value();
  ASSERT_TRUE(list.set(list.members()[1].key, list.members()[1].value).has_value());
  EXPECT_EQ(list.to_string(), "congo=2,rojo=1");
}

TEST(Tracestate, A33rdMemberPushesTheLastOut) {
  tracestate list;
  for (int i = 0; i < 33; ++i) ASSERT_TRUE(list.set("k" + std::to_string(i), "v").has_value());
  EXPECT_EQ(list.members().size(), 32u);
  EXPECT_EQ(list.members().front().key, "k32");
  EXPECT_FALSE(list.find("k0").has_value());
}

TEST(Tracestate, TruncationDropsLongEntriesFirstThenFromTheEnd) {
  const std::string big(130, 'x');
  auto list = tracestate::parse("a=1,b=" + big + ",c=3,d=4").value();
  list.truncate(20);
  EXPECT_EQ(list.to_string(), "a=1,c=3,d=4");
  list.truncate(7);
  EXPECT_EQ(list.to_string(), "a=1,c=3");
  list.truncate(6);
  EXPECT_EQ(list.to_string(), "a=1");
  list.truncate(0);
  EXPECT_TRUE(list.empty());
}

TEST(Tracestate, WhatIsSentOnIsBounded) {
  std::string sent;
  for (int i = 0; i < 32; ++i) sent += "key" + std::to_string(i) + "=" + std::string(100, 'v') + ",";
  const auto state = extract(fields{good}, fields{sent}).state;
  EXPECT_LE(state.size(), tracestate::max_sent_size);
  EXPECT_GE(state.size(), 512u);
}

TEST(TraceContext, RestartsWhereTheTraceparentIsMissingRepeatedOrBad) {
  EXPECT_FALSE(extract({}, fields{"foo=1"}).valid());
  EXPECT_FALSE(extract(fields{good, good}, fields{"foo=1"}).valid());
  const auto bad = extract(fields{"00-xyz"}, fields{"foo=1"});
  EXPECT_FALSE(bad.valid());
  EXPECT_TRUE(bad.state.empty());  // tracestate is not looked at
  EXPECT_TRUE(extract(fields{" \t00-12345678901234567890123456789012-1234567890123456-01 "}, {}).valid());
}

TEST(TraceContext, StartsWithRandomIdsAndSaysSo) {
  rng random{7};
  const auto first = start_trace(random, sampling::record), second = start_trace(random, sampling::drop);
  EXPECT_EQ(first.flags, flag_sampled | flag_random);
  EXPECT_EQ(second.flags, flag_random);
  EXPECT_NE(first.trace_id, second.trace_id);
  rng same{7};
  EXPECT_EQ(start_trace(same, sampling::record), first);
  EXPECT_EQ(parse_traceparent(inject(first).traceparent).value().trace_id, first.trace_id);
}

TEST(TraceContext, AChildKeepsTheTraceAndItsState) {
  rng random{1};
  const auto parent = extract(fields{"00-12345678901234567890123456789012-1234567890123456-03"}, fields{"foo=1"});
  const auto child = child_of(parent, random);
  EXPECT_EQ(child.trace_id, parent.trace_id);
  EXPECT_NE(child.span_id, parent.span_id);
  EXPECT_EQ(child.flags, 3);
  EXPECT_EQ(child.state, "foo=1");
  EXPECT_FALSE(child.remote);
  EXPECT_EQ(child_of(parent, random, sampling::drop).flags, flag_random);
  EXPECT_EQ(inject(child).tracestate, "foo=1");
  EXPECT_EQ(inject({}).traceparent, "");
  // The random flag is the trace's, and is not invented for ids that others made.
  const auto old = child_of(parse_traceparent(good).value(), random, sampling::record);
  EXPECT_EQ(old.flags, flag_sampled);
}

TEST(Sampler, DecidesByParentTraceIdOrAlways) {
  rng random{3};
  const trace_position none;
  const auto root = start_trace(random, sampling::record), dropped = start_trace(random, sampling::drop);
  const auto decide = [](const auto& s, const trace_position& parent, const trace_position& self) {
    return s->decide({parent, self.trace_id, "name"}) == sampling::record;
  };
  EXPECT_TRUE(decide(always_sampler(), none, root));
  EXPECT_FALSE(decide(never_sampler(), root, root));
  EXPECT_TRUE(decide(parent_based(never_sampler()), root, root));
  EXPECT_FALSE(decide(parent_based(always_sampler()), dropped, dropped));
  EXPECT_FALSE(decide(parent_based(never_sampler()), none, root));
  EXPECT_THROW(static_cast<void>(ratio_sampler(1.5)), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(ratio_sampler(-0.1)), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(parent_based(nullptr)), std::invalid_argument);
}

TEST(Sampler, RatioKeepsItsShareAndNests) {
  rng random{11};
  const auto tenth = ratio_sampler(0.1), half = ratio_sampler(0.5), all = ratio_sampler(1), none = ratio_sampler(0);
  int in_tenth = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto trace = start_trace(random, sampling::drop);
    const sampling_request request{trace, trace.trace_id, "x"};
    EXPECT_EQ(all->decide(request), sampling::record);
    EXPECT_EQ(none->decide(request), sampling::drop);
    if (tenth->decide(request) == sampling::drop) continue;
    ++in_tenth;
    EXPECT_EQ(half->decide(request), sampling::record);
  }
  EXPECT_NEAR(in_tenth, 1000, 120);
}

// C7: T = (1 - ratio) * 2^56, and R >= T is recorded, as OpenTelemetry's samplers have it.
TEST(Sampler, RatioKeepsTheUpperEndOfOpenTelemetrysRange) {
  const auto quarter = ratio_sampler(0.25), all = ratio_sampler(1), none = ratio_sampler(0);
  const auto decides = [](const auto& s, std::string_view random, std::string state = {}) {
    const std::string text{"00-000000000000000011" + std::string{random} + "-1234567890123456-00"};
    auto parent = parse_traceparent(text).value();
    parent.state = std::move(state);
    return s->decide({parent, parent.trace_id, "x"}) == sampling::record;
  };
  EXPECT_TRUE(decides(quarter, "ffffffffffffff"));
  EXPECT_TRUE(decides(quarter, "c0000000000000"));
  EXPECT_FALSE(decides(quarter, "bfffffffffffff"));
  EXPECT_FALSE(decides(quarter, "00000000000000"));
  EXPECT_TRUE(decides(all, "00000000000000"));
  EXPECT_FALSE(decides(none, "ffffffffffffff"));
  // Randomness that the caller gives counts instead of the trace id's.
  EXPECT_TRUE(decides(quarter, "00000000000000", "a=1,ot=th:8;rv:c0000000000000"));
  EXPECT_FALSE(decides(quarter, "ffffffffffffff", "ot=rv:bfffffffffffff"));
  EXPECT_TRUE(decides(quarter, "ffffffffffffff", "ot=rv:0"));
  EXPECT_TRUE(decides(quarter, "ffffffffffffff", "ot=rv:0000000000000g,b=rv:00000000000000"));
}

TEST(Correlation, KeepsWhatIsShortAndPlain) {
  rng random{5};
  const auto from = [&](std::string_view received) {
    return std::string{correlation::ensure(context{}, received, random).correlation_id()};
  };
  EXPECT_EQ(from("order-7:a/b=="), "order-7:a/b==");
  EXPECT_EQ(from(std::string(128, 'x')), std::string(128, 'x'));
  for (std::string bad : {std::string{}, std::string(129, 'x'), std::string{"a b"}, std::string{"a\nb"},
                          std::string{"\x1b[31m"}, std::string{"<script>"}, std::string{"caf\xc3\xa9"}}) {
    EXPECT_NE(from(bad), bad);
    EXPECT_EQ(from(bad).size(), 36u);
  }
  const auto inner = context{}.with_correlation_id("mine");
  EXPECT_EQ(correlation::ensure(inner, "a b", random).correlation_id(), "mine");
  EXPECT_EQ(correlation::ensure(inner, "theirs", random).correlation_id(), "theirs");
}

}  // namespace
}  // namespace weft::observe
