// weft schema: files and git commits in folders of the test's own.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <filesystem>
#include <fstream>

#include "bench.hpp"
#include "git.hpp"
#include "schema_shape.hpp"

namespace weft::cli {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

constexpr std::string_view order_1 = R"({"type":"object","properties":{"id":{"type":"string"},
  "items":{"type":"array","items":{"type":"object","properties":{"count":{"type":"integer"}},"required":["count"]}}},
  "required":["id","items"]})";

std::string with(std::string_view schema, std::string_view from, std::string_view to) {
  std::string text{schema};
  return text.replace(text.find(from), from.size(), to);
}

std::string registry(std::string_view type, std::string_view compatibility, const std::vector<std::string>& versions) {
  std::string list;
  for (std::size_t i = 0; i < versions.size(); ++i)
    list += (i == 0 ? "\"" : ",\"") + std::to_string(i + 1) + "\":" + versions[i];
  return R"({"types":{")" + std::string{type} + R"(":{"compatibility":")" + std::string{compatibility} +
         R"(","versions":{)" + list + "}}}}";
}

class Schemas : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path{testing::TempDir()} / (std::string{"weft_schemas_"} + test->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    before_ = fs::current_path();
    fs::current_path(folder_);
  }
  void TearDown() override {
    fs::current_path(before_);
    fs::remove_all(folder_);
  }

  static void write(const fs::path& file, std::string_view text) {
    if (file.has_parent_path()) fs::create_directories(file.parent_path());
    std::ofstream{file, std::ios::trunc} << text;
  }
  static std::string read(const fs::path& file) {
    std::ifstream in{file};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
  static answer say(std::vector<std::string> arguments, std::string input = {}) {
    answer said;
    scenario([&](loop& l) -> task<void> {  // weft-style: closure outlives the coroutine
      bench b{l};
      arguments.insert(arguments.begin(), "schema");
      said = co_await b.run(arguments, input);
    });
    return said;
  }
  static void commit() {
    ASSERT_TRUE(git({"init", "--quiet"}));
    ASSERT_TRUE(git({"add", "."}));
    const auto done =
        git({"-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message=state"});
    ASSERT_TRUE(done) << done.error().describe();
  }

  fs::path folder_, before_;
};

TEST_F(Schemas, BreakWhoReadsWhatWasPublished) {
  write("schemas.json", registry("orders.placed", "backward",
                                 {std::string{order_1}, with(with(order_1, R"("integer")", R"("string")"),
                                                             R"(["id","items"])", R"(["id","items","note"])")}));
  const auto said = say({"check"});
  EXPECT_EQ(said.status, exit_status::failed);
  EXPECT_THAT(said.out,
              HasSubstr("orders.placed: version 2 is not backward compatible with version 1 (schemas.json)\n"));
  EXPECT_THAT(said.out, HasSubstr("  $.items[].count\n    was       required integer\n    is        required string\n"
                                  "    consumer  one that knows version 2, of a message in version 1: the reader takes "
                                  "string, the writer may send integer\n"));
  EXPECT_THAT(said.out, HasSubstr("  $.note\n"));
  EXPECT_THAT(said.out, HasSubstr("note: orders.placed: consumers that still know version 1 cannot read version 2"));
  EXPECT_THAT(said.out, HasSubstr("1 type, 2 versions: 1 problem\n"));

  const auto parsed = say({"check", "--json"}).parsed();
  EXPECT_FALSE(parsed.at("ok").as_bool());
  const auto problem = parsed.at("problems").at(0);
  EXPECT_EQ(problem.at("older").as_int64(), 1);
  EXPECT_EQ(problem.at("newer").as_int64(), 2);
  EXPECT_EQ(problem.at("fields").at(0).at("path").as_string(), "$.note");
  EXPECT_EQ(parsed.at("notes").as_array().size(), 1u);
}

TEST_F(Schemas, MayGrow) {
  write("schemas.json",
        registry("orders.placed", "full",
                 {std::string{order_1}, with(order_1, R"("id":{)", R"("note":{"type":"string"},"id":{)")}));
  const auto said = say({"check"});
  EXPECT_EQ(said.status, exit_status::ok) << said.out;
  EXPECT_EQ(said.out, "1 type, 2 versions: compatible\n");
}

// C8: what cannot be judged is neither a yes nor a no.
TEST_F(Schemas, ThatCannotBeJudgedHaveAStatusOfTheirOwn) {
  const std::string lax{R"({"type":"string"})"}, strict{R"({"type":"string","not":{"const":""}})"};
  write("schemas.json", registry("notes", "backward", {lax, strict}));
  const auto said = say({"check"});
  EXPECT_EQ(said.status, exit_status::undecided);
  EXPECT_THAT(said.out, AllOf(HasSubstr("undecided: notes: whether version 2 is backward compatible with version 1 "
                                        "cannot be judged (schemas.json)\n"),
                              HasSubstr("cannot be judged: the reader's \"not\"\n"),
                              HasSubstr("1 type, 2 versions: 0 problems, 1 undecided\n")));
  const auto parsed = say({"check", "--json"}).parsed();
  EXPECT_FALSE(parsed.at("ok").as_bool());
  EXPECT_TRUE(parsed.at("problems").as_array().empty());
  EXPECT_EQ(parsed.at("undecided").at(0).at("fields").at(0).at("judgement").as_string(), "undecided");
  EXPECT_THAT(say({"diff", "notes"}).out, HasSubstr("backward compatible: undecided\n"));
  EXPECT_EQ(say({"add", "notes", "3", "-"}, lax).status, exit_status::ok);
  EXPECT_EQ(say({"add", "notes", "4", "-"}, strict).status, exit_status::failed);
}

// F17: data of version 1 is still stored when version 3 comes.
TEST_F(Schemas, AreComparedWithAllEarlierVersions) {
  const std::string with_number{R"({"type":"object","properties":{"a":{"type":"integer"}}})"};
  const std::string without{R"({"type":"object","properties":{}})"};
  const std::string with_text{R"({"type":"object","properties":{"a":{"type":"string"}}})"};
  write("schemas.json", registry("t", "backward", {with_number, without, with_text}));
  const auto said = say({"check"});
  EXPECT_EQ(said.status, exit_status::failed);
  EXPECT_THAT(said.out,
              AllOf(HasSubstr("version 3 is not backward compatible with version 1"), HasSubstr("1 problem\n")));
}

TEST_F(Schemas, ThatWerePublishedStayAsTheyWere) {
  write("before.json", registry("orders.placed", "backward", {std::string{order_1}, std::string{order_1}}));
  write("schemas.json", registry("orders.placed", "backward", {with(order_1, R"("integer")", R"("number")")}));
  const auto said = say({"check", "--against", "before.json"});
  EXPECT_EQ(said.status, exit_status::failed);
  EXPECT_THAT(said.out,
              HasSubstr("orders.placed: version 1 was published already, and has changed (schemas.json)\n"
                        "  $.items[].count\n    was       required integer\n    is        required number\n"));
  EXPECT_THAT(said.out, HasSubstr("orders.placed: version 2 is gone"));

  write("schemas.json", R"({"types":{}})");
  EXPECT_THAT(say({"check", "--against", "before.json"}).out, HasSubstr("orders.placed: it is gone"));
  write("before.json", registry("orders.placed", "none", {std::string{order_1}}));
  EXPECT_EQ(say({"check", "--against", "before.json"}).status, exit_status::ok) << "nothing was promised";

  write("before.json", registry("orders.placed", "backward", {std::string{order_1}}));
  write("schemas.json",
        registry("orders.placed", "backward", {with(order_1, R"("string")", R"("string","description":"new")")}));
  EXPECT_EQ(say({"check", "--against", "before.json"}).status, exit_status::ok) << "a remark is no change";
}

TEST_F(Schemas, KeepAPromiseUntilTheNextChange) {
  const auto other = with(order_1, R"("integer")", R"("string")");
  write("before.json", registry("orders.placed", "backward", {std::string{order_1}}));
  write("schemas.json", registry("orders.placed", "none", {std::string{order_1}, other}));
  const auto said = say({"check", "--against", "before.json"});
  EXPECT_EQ(said.status, exit_status::failed);
  EXPECT_THAT(said.out, AllOf(HasSubstr("its compatibility was backward and becomes none"),
                              HasSubstr("version 2 is not backward compatible with version 1")));
  write("before.json", registry("orders.placed", "none", {std::string{order_1}}));
  EXPECT_EQ(say({"check", "--against", "before.json"}).status, exit_status::ok);
}

TEST_F(Schemas, AreComparedWithACommit) {
  write("schemas/orders.placed.json", registry("orders.placed", "backward", {std::string{order_1}}));
  commit();
  EXPECT_EQ(say({"check", "--against", "HEAD"}).out, "1 type, 1 version: compatible\n");
  write("schemas/orders.placed.json",
        registry("orders.placed", "backward", {with(order_1, R"(["count"])", R"(["count","sku"])")}));
  write("schemas/orders.paid.json", registry("orders.paid", "backward", {std::string{order_1}}));
  const auto said = say({"check", "--against", "HEAD"});
  EXPECT_EQ(said.status, exit_status::failed);
  EXPECT_THAT(said.out, HasSubstr("version 1 was published already, and has changed (schemas/orders.placed.json)"));
  EXPECT_THAT(said.out, HasSubstr("  $.items[].sku\n"));

  for (const auto* commit : {"no-such-branch", "--output=x"}) {
    const auto wrong = say({"check", std::string{"--against="} + commit});
    EXPECT_EQ(wrong.status, exit_status::wrong_usage) << commit;
    EXPECT_THAT(wrong.notes, HasSubstr("--against takes a file, a folder, or a commit"));
  }
  EXPECT_EQ(say({"check", "--registry", "schemas/orders.paid.json", "--against", "HEAD"}).status, exit_status::ok)
      << "it is new";
}

TEST_F(Schemas, AreAddedWhenTheyAreCompatible) {
  write("one.json", order_1);
  const auto first = say({"add", "orders.placed", "1", "one.json"});
  EXPECT_EQ(first.status, exit_status::ok) << first.notes;
  EXPECT_EQ(first.out, "orders.placed version 1 is in schemas.json\n");
  const auto before = read("schemas.json");
  const auto refused = say({"add", "orders.placed", "2", "-"}, with(order_1, R"("integer")", R"("string")"));
  EXPECT_EQ(refused.status, exit_status::failed);
  EXPECT_THAT(refused.notes, HasSubstr("orders.placed version 2 is not backward compatible: $.items[].count"));
  EXPECT_EQ(read("schemas.json"), before);

  const auto bridged =
      say({"add", "orders.placed", "2", "-", "--upcast"}, with(order_1, R"("integer")", R"("string")"));
  EXPECT_EQ(bridged.status, exit_status::ok) << bridged.notes;
  EXPECT_EQ(say({"check"}).status, exit_status::ok);
  EXPECT_THAT(say({"check"}).out, HasSubstr("note: orders.placed: consumers that still know version 1"));

  fs::create_directory("schemas");
  const auto other = say({"add", "users/made", "1", "-", "--registry", "schemas", "--compatibility", "full", "--json"},
                         std::string{order_1});
  EXPECT_EQ(other.parsed().at("file").as_string(), "schemas/users_made.json");
  EXPECT_THAT(read("schemas/users_made.json"), HasSubstr("\"compatibility\": \"full\""));
  EXPECT_EQ(say({"add", "a", "1", "-"}, "[").status, exit_status::wrong_usage);
  EXPECT_EQ(say({"add", "a", "0", "-"}, "{}").status, exit_status::wrong_usage);
}

TEST_F(Schemas, AreShownAndCompared) {
  write("schemas.json",
        registry("orders.placed", "backward",
                 {std::string{order_1}, with(order_1, R"("id":{)", R"("note":{"type":["string","null"]},"id":{)")}));
  EXPECT_EQ(say({"show"}).out,
            "TYPE           COMPATIBILITY  VERSIONS  FILE\norders.placed  backward       1 2       schemas.json\n");
  EXPECT_EQ(say({"show", "--json"}).parsed().at(0).at("versions").at(1).as_int64(), 2);
  EXPECT_EQ(json::parse(say({"show", "orders.placed", "1"}).out).value(), json::parse(order_1).value());
  EXPECT_THAT(say({"show", "orders.placed", "3"}).notes, HasSubstr("orders.placed has no version 3"));
  EXPECT_THAT(say({"show", "orders"}).notes, HasSubstr("no type 'orders'"));

  EXPECT_EQ(say({"diff", "orders.placed"}).out,
            "orders.placed: version 1 and version 2\n"
            "FIELD   WAS     IS\n"
            "$.note  absent  optional string or null\n"
            "backward compatible: yes\n"
            "forward compatible: yes\n");
  const auto parsed = say({"diff", "orders.placed", "2", "1", "--json"}).parsed();
  EXPECT_EQ(parsed.at("changes").at(0).at("is").as_string(), "absent");
  EXPECT_TRUE(parsed.at("backward").as_bool());
  EXPECT_EQ(say({"diff", "orders.placed", "1", "7"}).status, exit_status::failed);
}

TEST(SchemaShapes, AreShort) {
  const auto shape = [](std::string_view schema, std::string_view path) {
    return shape_at(json::parse(schema).value(), path);
  };
  constexpr std::string_view nested = R"({"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{
      "x.y":{"type":"integer","minimum":0,"maximum":255},"x":{"enum":["u","v"]},
      "list":{"anyOf":[{"type":"array","items":{"$ref":"#/$defs/a"}},{"type":"null"}]}},"required":["x.y"]}}})";
  EXPECT_EQ(shape(nested, "$"), "object");
  EXPECT_EQ(shape(nested, "$.x.y"), "required integer (8 bits, unsigned)");
  EXPECT_EQ(shape(nested, "$.x"), "optional \"u\" or \"v\"");
  EXPECT_EQ(shape(nested, "$.list"), "optional array or null");
  EXPECT_EQ(shape(nested, "$.list[].x"), "optional \"u\" or \"v\"");
  EXPECT_EQ(shape(nested, "$.list[].z"), "absent");
  EXPECT_EQ(shape(R"({"type":"string","maxLength":3,"pattern":"^a"})", "$"), "string (maxLength 3, pattern \"^a\")");
  EXPECT_EQ(shape("true", "$"), "anything");
}

TEST_F(Schemas, SayWhereAFileIsWrong) {
  EXPECT_THAT(say({"check"}).notes, HasSubstr("neither schemas.json nor schemas/ is here"));
  EXPECT_THAT(say({"check", "--registry", "none.json"}).notes, HasSubstr("no schemas at none.json"));
  write("schemas.json", "{\n  \"types\": [\n}");
  const auto syntax = say({"check"});
  EXPECT_EQ(syntax.status, exit_status::failed);
  EXPECT_THAT(syntax.notes, AllOf(HasSubstr("schemas.json: "), HasSubstr("line 3")));
  write("schemas.json", R"({"types":{"a":{"versions":{"1":7}}}})");
  EXPECT_THAT(say({"check"}).notes, HasSubstr("schemas.json: $.types.a.versions.1: a schema is an object"));
  write("both/a.json", registry("a", "full", {"{}"}));
  write("both/b.json", registry("a", "full", {"{}"}));
  EXPECT_THAT(say({"check", "--registry", "both"}).notes, HasSubstr("a stands in both/a.json and in both/b.json"));
}

}  // namespace
}  // namespace weft::cli
