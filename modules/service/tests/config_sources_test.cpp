// Where configuration may come from, and what is refused of it: references, files beside the program, the text that
// --print-config writes, names of policies, and YAML that is large only once it is read.
#include <weft/service.hpp>

#include <gtest/gtest.h>

#include <unistd.h>
#include <array>
#include <boost/describe/class.hpp>
#include <filesystem>
#include <fstream>

namespace {

using namespace weft;
using service::config_sources;

struct database_settings {
  std::string url;
  service::secret password;
  service::secret_url replica;
  std::vector<std::string> tags;
};
BOOST_DESCRIBE_STRUCT(database_settings, (), (url, password, replica, tags))
struct settings {
  database_settings db;
  std::map<std::string, std::string> labels;
};
BOOST_DESCRIBE_STRUCT(settings, (), (db, labels))

template <class T = settings>
std::string problems(std::string yaml, config_sources sources = {}) {
  sources.texts = {{"x.yaml", std::move(yaml)}};
  const auto loaded = service::load<T>(sources);
  return loaded ? "" : std::string{loaded.error().message()};
}

std::string url_of(std::string value) {
  config_sources sources;
  sources.texts = {{"x.yaml", "db:\n  url: '" + value + "'\n"}};
  sources.environment = {{"USER_NAME", "market"}, {"PASSWORD", "a${env:b}$$c"}, {"EMPTY", ""}};
  const auto loaded = service::load<settings>(sources);
  return loaded ? (*loaded)->db.url : std::string{loaded.error().message()};
}

// C12
TEST(references, stand_anywhere_in_a_value) {
  EXPECT_EQ(url_of("postgres://${env:USER_NAME}:${env:PASSWORD}@db/x"), "postgres://market:a${env:b}$$c@db/x")
      << "what they stand for is taken as it is";
  EXPECT_EQ(url_of("${env:USER_NAME}${env:USER_NAME}"), "marketmarket");
  EXPECT_EQ(url_of("<${env:EMPTY}>"), "<>");
  EXPECT_EQ(url_of("costs $5, or $$7"), "costs $5, or $$7");
}

// C12
TEST(references, are_escaped_by_one_more_dollar_sign) {
  EXPECT_EQ(url_of("a$${env:USER_NAME}b"), "a${env:USER_NAME}b");
  EXPECT_EQ(url_of("a$$${env:USER_NAME}b"), "a$${env:USER_NAME}b");
  EXPECT_EQ(url_of("$${x} ${env:USER_NAME}"), "${x} market");
}

// C12
TEST(references, that_lead_nowhere_are_told_with_place_and_remedy) {
  EXPECT_EQ(
      problems("db:\n  url: 'a ${env:NOT_SET} b'"),
      "x.yaml:2:8: db.url: refers to the environment variable NOT_SET, which is not set; set it, or write $${ for "
      "a plain ${");
  EXPECT_EQ(problems("db: {url: 'a ${secret:x} b'}"),
            "x.yaml:1:11: db.url: a reference is ${env:NAME} or ${file:PATH}; write $${ for a plain ${");
  EXPECT_EQ(problems("db: {url: 'a ${env:x'}"),
            "x.yaml:1:11: db.url: a reference is ${env:NAME} or ${file:PATH}; write $${ for a plain ${");
  EXPECT_EQ(problems("db: {tags: ['${env:NOT_SET}']}").find("x.yaml:1:13: db.tags[0]: refers to"), 0u);
  EXPECT_NE(problems("labels: {'${env:HOME}': x}").find("holds a reference; references are for values"),
            std::string::npos);
}

// C12: what is printed can be read again.
TEST(references, are_escaped_where_the_configuration_is_printed) {
  config_sources sources;
  sources.texts = {{"x.yaml", "db: {url: 'a$${b} c$$${d}'}"}};
  const auto loaded = service::load<settings>(sources).value();
  config_sources again;
  again.texts = {{"printed.yaml", loaded.print()}};
  EXPECT_EQ((*service::load<settings>(again))->db.url, loaded->db.url);
}

// C12: what looks like a reference and names nothing says how to write one.
TEST(references, without_a_name_or_within_another_say_how_they_are_written) {
  const std::string how = "a reference is ${env:NAME} or ${file:PATH}; write $${ for a plain ${";
  for (const auto* text : {"${}", "${env}", "${env:}", "${file:}"})
    EXPECT_EQ(url_of(text), "x.yaml:2:8: db.url: " + how);
  EXPECT_EQ(url_of("${env:${env:USER_NAME}}"),
            "x.yaml:2:8: db.url: a reference stands within a reference, which is not looked up; " + how);
}

// G10, C12: an address, a path or a URL would end at it for whoever uses it.
TEST(texts, with_a_nul_are_refused_wherever_they_come_from) {
  const std::string what = "holds a NUL, which no setting may have";
  EXPECT_EQ(problems("db: {url: \"a\\0b\"}"), "x.yaml:1:11: db.url: " + what);
  EXPECT_EQ(problems("db: {tags: [a, \"\\x00\"]}"), "x.yaml:1:16: db.tags[1]: " + what);
  EXPECT_EQ(problems("labels: {\"a\\0\": b}"), "x.yaml:1:17: labels: a name holds a NUL");
  const auto path = testing::TempDir() + "weft_nul_secret";
  std::ofstream{path} << std::string("a\0b", 3);
  EXPECT_EQ(problems("db: {password: '${file:" + path + "}'}"), "x.yaml:1:16: db.password: " + what);
}

// C12: the parser takes a byte 4 for the end, and all that follows would count for nothing.
TEST(yaml, control_characters_are_refused_rather_than_ending_the_file) {
  EXPECT_EQ(problems("db: {url: x}\n\x04\nlabels: [nonsense"),
            "x.yaml:2:1: a control character, which YAML does not allow");
  EXPECT_EQ(problems(std::string("db: {url: x}\n\0", 14)),
            "x.yaml:2:1: a control character, which YAML does not allow");
  EXPECT_EQ(problems("db:\r\n  url: 'a\tb'\r\n"), "");
}

// A13: a short text that refers to a file again and again.
TEST(references, are_bounded_together) {
  const auto path = testing::TempDir() + "weft_large_secret";
  std::ofstream{path} << std::string(60'000, 'x');
  std::string all;
  for (int i = 0; i < 200; ++i) all += "${file:" + path + "}";
  EXPECT_NE(problems("db: {url: '" + all + "'}").find("references stand for more than"), std::string::npos);
}

// A13: 400 KB of text and 20,000 aliases of it would be 8 GB.
TEST(yaml, texts_behind_aliases_are_bounded) {
  std::string text = "a: &a " + std::string(400'000, 'x') + "\nb: [";
  for (int i = 0; i < 15'000; ++i) text += "*a, ";
  text += "]\n";
  EXPECT_NE(problems(text).find("bytes of text, counting what aliases stand for"), std::string::npos);
  // The same by keys, and by anchors within anchors.
  std::string keys = "a: &a {" + std::string(190, 'k') + ": " + std::string(300'000, 'x') + "}\nb: &b [";
  for (int i = 0; i < 100; ++i) keys += "*a, ";
  keys += "]\n";
  EXPECT_NE(problems(keys).find("bytes of text, counting what aliases stand for"), std::string::npos);
}

// G11
TEST(printed, configuration_is_refused_where_its_secrets_are_missing) {
  config_sources sources;
  sources.texts = {{"x.yaml", "db: {password: hunter2, replica: 'postgres://a:hunter2@b/c'}"}};
  const auto text = service::load<settings>(sources).value().print();
  EXPECT_EQ(text.find("hunter2"), std::string::npos);
  const auto refused = problems(text);
  EXPECT_NE(
      refused.find("db.password: holds [redacted], which stands where --print-config leaves a secret out; give the "
                   "secret itself, best by a reference: ${env:NAME} or ${file:PATH}"),
      std::string::npos)
      << refused;
  EXPECT_NE(refused.find("db.replica: holds [redacted]"), std::string::npos) << refused;

  // Another source may give them; and text that is no secret may be anything.
  sources.texts = {{"printed.yaml", text}, {"secrets.yaml", "db: {password: new, replica: 'postgres://d'}"}};
  EXPECT_EQ((*service::load<settings>(sources))->db.password.reveal(), "new");
  EXPECT_EQ(problems("db: {url: '[redacted]'}"), "");
}

// G11: what YAML may read as something else than text is quoted, in whichever case it is written.
TEST(printed, texts_that_look_like_other_things_are_read_as_they_were) {
  config_sources sources;
  sources.texts = {
      {"x.yaml",
       "labels: {a: \"NULL\", b: \"Null\", c: \"~\", d: \"True\", e: \"FALSE\", f: \"Yes\", g: \"0x10\", h: "
       "\"\", i: \" x\", j: \"a: b # c\", \"<<\": \"null\", \"NULL\": \"*a\", l: \"&a\", m: \"!b\", n: \"- c\"}"}};
  const auto loaded = service::load<settings>(sources).value();
  config_sources again;
  again.texts = {{"printed.yaml", loaded.print()}};
  const auto read = service::load<settings>(again);
  ASSERT_TRUE(read) << read.error().message() << "\n" << loaded.print();
  EXPECT_EQ((*read)->labels, loaded->labels);
}

// A18: a pipe is empty when SIGHUP reads it again, and all settings would silently be the defaults.
TEST(files, that_can_be_read_once_keep_what_they_said) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const std::string_view text = "db: {url: piped}\n";
  ASSERT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  const auto loaded = service::load<settings>({.files = {"/proc/self/fd/" + std::to_string(ends[0])}});
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ((*loaded)->db.url, "piped");
  const auto again = loaded->reread();
  ::close(ends[0]);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ((*again)->db.url, "piped");
}

class own_file : public testing::Test {
 protected:
  own_file() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ / "bin");
    std::filesystem::create_directories(folder_ / "elsewhere");
    sources_.own_files = {(folder_ / "compiled_in" / "x.yaml").string()};
    sources_.program_folder = (folder_ / "bin").string();
  }
  std::string write(const std::string& where, const std::string& url) {
    const auto path = folder_ / where;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream{path} << "db: {url: " << url << "}\n";
    return path.string();
  }
  std::string url() const {
    const auto loaded = service::load<settings>(sources_);
    return loaded ? (*loaded)->db.url : "refused: " + std::string{loaded.error().message()};
  }

  std::filesystem::path folder_ = testing::TempDir() + "weft_own_file";
  config_sources sources_;
};

// G14
TEST_F(own_file, is_looked_for_beside_the_program_and_then_at_its_path) {
  write("compiled_in/x.yaml", "compiled_in");
  EXPECT_EQ(url(), "compiled_in");
  write("bin/x.yaml", "beside");
  EXPECT_EQ(url(), "beside");
}

// G14
TEST_F(own_file, is_not_needed_where_another_file_is_named) {
  EXPECT_EQ(url(), "refused: there is neither " + (folder_ / "bin" / "x.yaml").string() + " nor " +
                       sources_.own_files.front() + "; name the configuration with --config FILE");
  const auto named = write("elsewhere/y.yaml", "named");
  sources_.arguments = {"--config", named};
  EXPECT_EQ(url(), "named");
  sources_.arguments.clear();
  sources_.environment = {{"WEFT_CONFIG", named}};
  EXPECT_EQ(url(), "named");
  write("bin/x.yaml", "beside");
  EXPECT_EQ(url(), "named") << "which is stronger than the program's own";
}

// G2: what the program asks for is compared with what is configured, also by --check-config and at SIGHUP.
TEST(policies, that_the_program_asks_for_are_there_and_no_others) {
  const config_sources asks{.policies = {"prices", "stock"}};
  const auto told = [&](std::string yaml) { return problems<service::host_settings>(std::move(yaml), asks); };
  EXPECT_EQ(told("policies: {prices: {timeout: {after: 1s}}, stock: {}}"), "");
  EXPECT_EQ(told("policies:\n  prises: {}\n  stock: {}\n"),
            "x.yaml:2:11: policies.prises: the program asks for no policy of this name; did you mean \"prices\"?");
  EXPECT_EQ(told("policies:\n  prices: {}\n  stock: {}\n  something_else: {}\n"),
            "x.yaml:4:19: policies.something_else: the program asks for no policy of this name; it asks for prices, "
            "stock");
  EXPECT_EQ(told("policies:\n  prices: {}\n"),
            "x.yaml:2:3: policies: the program asks for the policy \"stock\"; add it, or \"stock: {}\" to call without "
            "one");
  EXPECT_EQ(told("policies:\n  prices: {}\n  stock: {}\n  price: {}\n"),
            "x.yaml:4:10: policies.price: the program asks for no policy of this name; did you mean \"prices\"?")
      << "where the program's own file has all of them";
  EXPECT_NE(told("cores: 1").find("the program asks for the policy \"prices\""), std::string::npos);
}

// G2: a configuration that is read again is compared, too.
TEST(policies, a_name_that_is_gone_is_refused_when_the_configuration_is_read_again) {
  const auto path = testing::TempDir() + "weft_policies.yaml";
  std::ofstream{path} << "policies: {prices: {}}\n";
  const auto loaded = service::load<service::host_settings>({.files = {path}, .policies = {"prices"}});
  ASSERT_TRUE(loaded) << loaded.error().message();
  std::ofstream{path} << "policies: {price: {}}\n";
  const auto again = loaded->reread();
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message().find("did you mean \"prices\"?"), std::string_view::npos);
}

// Survivor: whoever asks for help gets it, in whichever order.
TEST(requests, help_wins_over_all_others) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help", "--check-config"}, {"--check-config", "--help"}, {"-h", "--print-config"}}) {
    const auto loaded = service::load<settings>({.arguments = arguments});
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->request(), service::config_request::help);
  }
}

}  // namespace
