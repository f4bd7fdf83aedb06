#include <weft/service/config.hpp>

#include "config_overrides.hpp"
#include "config_reference.hpp"
#include "config_schema.hpp"
#include "config_state.hpp"
#include "config_typing.hpp"
#include "config_yaml.hpp"

#include <weft/base/assert.hpp>
#include <weft/resilience/policy_names.hpp>

#include <unistd.h>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace weft::service {

config_sources config_sources::process(int argc, const char* const* argv) {
  config_sources sources;
  for (int i = 1; i < argc; ++i) sources.arguments.emplace_back(argv[i]);
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text{*variable};
    const auto equals = text.find('=');
    if (equals != text.npos) sources.environment.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  std::error_code unknown;  // then nothing is looked for there
  sources.program_folder = std::filesystem::read_symlink("/proc/self/exe", unknown).parent_path().string();
  return sources;
}

namespace detail {

namespace {

constexpr std::size_t max_problems = 20;

// Removes what stands at a path, so that the rest can be decoded: of a list, all, since the places in it count.
void erase(json::value& root, const std::vector<std::string>& steps) {
  json::value* at = &root;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    auto* object = at->if_object();
    auto* next = object == nullptr ? nullptr : object->if_contains(steps[i]);
    if (next == nullptr) return;
    if (i + 1 == steps.size() || next->is_array()) {
      object->erase(steps[i]);
      return;
    }
    at = next;
  }
}

class loader {
 public:
  loader(const config_type& type, const config_sources& sources)
      : type_{type}, schema_{type.schema()}, state_{std::make_shared<config_state>()} {
    state_->sources = sources;
    state_->raw =
        config_node{.is = config_node::kind::map, .place = {std::make_shared<const std::string>("the defaults")}};
  }

  result<config_state_ptr> load(void* into) {
    auto line = read_command_line(state_->sources.arguments, schema_, problems_);
    state_->request = line.request;
    // Who asks for help gets it, however wrong the rest is.
    if (line.request == config_request::help || line.request == config_request::version ||
        line.request == config_request::print_schema)
      return state_;
    read_files(line.files);
    lay_over(state_->raw, read_environment(state_->sources, schema_, problems_, state_->warnings));
    lay_over(state_->raw, std::move(line.overrides));
    resolve_references(state_->raw, state_->sources, problems_);
    check_policy_names();
    state_->given = to_typed(state_->raw, schema_, problems_);
    decode(into);
    check(into);
    if (!problems_.empty()) return fail(errc::invalid_argument, text_of_problems());
    auto effective = json::parse(type_.encode(into));
    WEFT_ASSERT(effective.has_value(), "what was encoded is JSON");
    state_->effective = *std::move(effective);
    return state_;
  }

  [[nodiscard]] const config_schema& schema() const noexcept { return schema_; }

 private:
  void read_files(const std::vector<std::string>& named) {
    auto others = state_->sources.files;
    const auto variable = state_->sources.environment_prefix + "CONFIG";
    for (const auto& [name, value] : state_->sources.environment)
      if (name == variable && !value.empty()) others.push_back(value);
    others.insert(others.end(), named.begin(), named.end());
    auto files = own_files(others.empty());
    files.insert(files.end(), others.begin(), others.end());
    for (const auto& file : files) {
      const auto text = read_config_file(file);
      if (!text) {
        problems_.push_back({"", "", text.error()});
        continue;
      }
      read_yaml(file == "-" ? "standard input" : file, *text);
    }
    for (const auto& [name, text] : state_->sources.texts)
      if (std::ranges::find(files, name) == files.end()) read_yaml(name, text);
  }

  // What can be read but once (standard input, a pipe) becomes a text of the same name, so that reading the
  // configuration again does not find it empty.
  std::expected<std::string, std::string> read_config_file(const std::string& file) {
    auto& texts = state_->sources.texts;
    const auto named = [&](const auto& text) { return text.first == file; };
    if (const auto known = std::ranges::find_if(texts, named); known != texts.end()) return known->second;
    const std::string path = file == "-" ? "/dev/stdin" : file;
    auto text = read_text_file(path, yaml_limits{}.max_bytes);
    std::error_code unknown;
    if (text && !std::filesystem::is_regular_file(path, unknown)) texts.emplace_back(file, *text);
    return text;
  }

  // Those that are there. A file that cannot be looked at counts as being there, so that reading it says why.
  std::vector<std::string> own_files(bool needed) {
    const auto is_there = [](const std::filesystem::path& path) {
      std::error_code problem;
      return std::filesystem::exists(path, problem) || problem;
    };
    std::vector<std::string> found;
    for (const auto& file : state_->sources.own_files) {
      const auto& folder = state_->sources.program_folder;
      const auto beside = std::filesystem::path{folder} / std::filesystem::path{file}.filename();
      if (!folder.empty() && is_there(beside))
        found.push_back(beside.string());
      else if (is_there(file))
        found.push_back(file);
      else if (needed)
        problems_.push_back({"", "",
                             "there is neither " + (folder.empty() ? "" : beside.string() + " nor ") + file +
                                 "; name the configuration with --config FILE"});
    }
    return found;
  }

  // A misspelt name would leave calls without their policy, and nobody would notice.
  void check_policy_names() {
    const auto& wanted = state_->sources.policies;
    if (wanted.empty()) return;
    const auto* section = state_->raw.find("policies");
    const std::vector<std::string> given = section == nullptr ? std::vector<std::string>{} : section->keys;
    const auto found = resilience::compare_names(wanted, given);
    const auto nobody_asks = [&](const std::string& name, const std::string& but) {
      add({"policies", name}, "the program asks for no policy of this name; " + but);
    };
    for (const auto& [asked, configured] : found.misspelt) nobody_asks(configured, "did you mean \"" + asked + "\"?");
    // All that is asked for may be there, by the program's own file, and this one be misspelt in another.
    for (const auto& name : found.unused) {
      const auto near = closest(name, wanted);
      nobody_asks(name, near ? "did you mean \"" + *near + "\"?" : "it asks for " + listed(wanted));
    }
    for (const auto& name : found.missing)
      add({"policies"},
          "the program asks for the policy \"" + name + "\"; add it, or \"" + name + ": {}\" to call without one");
  }

  [[nodiscard]] static std::string listed(const std::vector<std::string>& names) {
    std::string text;
    for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
  }

  void read_yaml(const std::string& name, std::string_view text) {
    auto tree = parse_yaml(text, name);
    if (!tree)
      problems_.push_back(std::move(tree).error());
    else if (tree->is == config_node::kind::map || tree->is == config_node::kind::null)
      lay_over(state_->raw, *std::move(tree));
    else
      problems_.push_back({tree->place.to_string(), "", "expected settings, as in \"http:\", at the top"});
  }

  // The decoder stops at the first failure. It is noted, what caused it is taken out, and the rest decoded again.
  void decode(void* into) {
    json::value value = state_->given;
    while (problems_.size() < max_problems) {
      const auto failure = type_.decode(json::serialize(value), into);
      if (!failure) return;
      add(failure->steps, failure->what);
      if (failure->steps.empty()) return;
      const auto before = json::serialize(value);
      erase(value, failure->steps);
      if (json::serialize(value) == before) return;
    }
  }

  void check(const void* value) {
    if (!problems_.empty()) return;
    config_check found;
    type_.check(value, found);
    for (const auto& [path, what] : found.problems()) add(split_path(path), what);
  }

  void add(const std::vector<std::string>& steps, std::string what) {
    problems_.push_back(
        {nearest(state_->raw, steps).place.to_string(), join_path(state_->raw, steps), std::move(what)});
  }

  [[nodiscard]] std::string text_of_problems() const {
    std::string text;
    for (const auto& problem : problems_) text += (text.empty() ? "" : "\n") + problem.to_string();
    return text;
  }

  const config_type& type_;
  config_schema schema_;
  std::shared_ptr<config_state> state_;
  std::vector<config_problem> problems_;
};

[[noreturn]] void leave(int code) {
  std::fflush(nullptr);
  std::exit(code);
}

}  // namespace

result<config_state_ptr> load(const config_type& type, const config_sources& sources, void* into) {
  return loader{type, sources}.load(into);
}

config_state_ptr load_or_exit(const config_type& type, const program_words& program, const config_sources& sources,
                              void* into) {
  loader l{type, sources};
  const auto defaults = json::parse(type.encode(into)).value_or(json::value(nullptr));
  auto state = l.load(into);
  if (!state) {
    std::fprintf(stderr, "%s: the configuration is wrong\n%s\n", program.name.c_str(),
                 std::string{state.error().message()}.c_str());
    leave(2);
  }
  const auto say = [](const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); };
  switch ((*state)->request) {
    case config_request::run:
      return *std::move(state);
    case config_request::help:
      say(help_text(program, l.schema(), defaults, sources.environment_prefix));
      break;
    case config_request::version:
      say(program.name + " " + (program.version.empty() ? "(no version)" : program.version) + "\n");
      break;
    case config_request::print_config:
      say(print(**state));
      break;
    case config_request::print_schema:
      say(type.schema() + "\n");
      break;
    case config_request::check:
      say("the configuration is fine\n");
      break;
  }
  leave(0);
}

config_request request_of(const config_state& state) noexcept { return state.request; }
const std::vector<std::string>& warnings_of(const config_state& state) noexcept { return state.warnings; }
const config_sources& sources_of(const config_state& state) noexcept { return state.sources; }

}  // namespace detail
}  // namespace weft::service
