#include "config_overrides.hpp"

#include "config_yaml.hpp"

#include <algorithm>
#include <map>

namespace weft::service::detail {

namespace {

config_place place_of(std::string_view source) { return {.source = std::make_shared<const std::string>(source)}; }

// Sets one path. Text for a list or a map is YAML: [a, b], {a: 1}.
void set(config_node& root, std::span<const std::string> path, const setting_type& type, std::string_view text,
         std::string_view source, std::vector<config_problem>& problems) {
  const auto place = place_of(source);
  auto value = config_node::scalar(std::string{text}, place);
  const bool composite = type.is == setting_kind::list || type.is == setting_kind::map;
  if (composite || ((type.is == setting_kind::any || type.is == setting_kind::choice) && text.starts_with('{'))) {
    auto parsed = parse_yaml(text, source);
    if (!parsed) {
      problems.push_back(std::move(parsed).error());
      return;
    }
    value = *std::move(parsed);
    value.place = place;
  } else if (type.nullable && (text == "null" || text == "~")) {
    value = {.place = place};
  }
  config_node* at = &root;
  for (const auto& step : path) at = &at->member(step, place);
  *at = std::move(value);
}

std::vector<std::string> names_of(const config_schema& schema) {
  std::vector<std::string> names;
  for (const auto& s : schema.settings()) names.push_back(s.name());
  return names;
}

class command_line_reader {
 public:
  command_line_reader(const std::vector<std::string>& arguments, const config_schema& schema,
                      std::vector<config_problem>& problems)
      : arguments_{arguments}, schema_{schema}, problems_{problems} {}

  command_line read() && {
    while (next_ < arguments_.size()) read_one(arguments_[next_++]);
    return std::move(out_);
  }

 private:
  void wrong(std::string_view argument, std::string what) {
    problems_.push_back({std::string{argument}, "", std::move(what)});
  }

  std::optional<std::string> value_after(std::string_view flag) {
    if (next_ < arguments_.size()) return arguments_[next_++];
    wrong(flag, "expected a value after it");
    return std::nullopt;
  }

  bool read_request(std::string_view argument) {
    static constexpr std::pair<std::string_view, config_request> requests[] = {
        {"--help", config_request::help},
        {"-h", config_request::help},
        {"--version", config_request::version},
        {"--print-config", config_request::print_config},
        {"--print-config-schema", config_request::print_schema},
        {"--check-config", config_request::check}};
    const auto* found = std::ranges::find(requests, argument, [](const auto& pair) { return pair.first; });
    if (found == std::end(requests)) return false;
    // Help is given whatever else is asked.
    if (out_.request != config_request::help) out_.request = found->second;
    return true;
  }

  void read_one(std::string_view argument) {
    if (read_request(argument)) return;
    if (!argument.starts_with("--") || argument.size() == 2) {
      wrong(argument, "not a flag; settings are given as --name=value, and --help lists them");
      return;
    }
    const auto equals = argument.find('=');
    const auto flag = argument.substr(0, equals);
    std::optional<std::string> value;
    if (equals != argument.npos) value = argument.substr(equals + 1);
    if (flag == "--config") {
      if (!value) value = value_after(flag);
      if (value) out_.files.push_back(*std::move(value));
    } else if (flag == "--set") {
      if (!value) value = value_after(flag);
      if (value) read_assignment(*value);
    } else {
      read_setting(flag, flag.substr(2), std::move(value));
    }
  }

  void read_assignment(std::string_view assignment) {
    const auto equals = assignment.find('=');
    if (equals == assignment.npos) return wrong("--set " + std::string{assignment}, "expected name=value");
    const auto name = assignment.substr(0, equals);
    read_setting("--set " + std::string{name}, name, std::string{assignment.substr(equals + 1)});
  }

  void read_setting(std::string_view flag, std::string_view name, std::optional<std::string> value) {
    const auto path = split_path(name);
    const auto type = name.empty() ? std::nullopt : schema_.at(path);
    if (!type) {
      auto known = names_of(schema_);
      for (const auto* other :
           {"config", "set", "print-config", "print-config-schema", "check-config", "help", "version"})
        known.emplace_back(other);
      const auto near = closest(name, known);
      return wrong(flag,
                   near ? "no such setting; did you mean --" + *near + "?" : "no such setting; --help lists them");
    }
    if (!value && type->is == setting_kind::boolean) value = "true";
    if (!value) value = value_after(flag);
    if (value) set(out_.overrides, path, *type, *value, flag, problems_);
  }

  const std::vector<std::string>& arguments_;
  const config_schema& schema_;
  std::vector<config_problem>& problems_;
  std::size_t next_ = 0;
  command_line out_;
};

}  // namespace

command_line read_command_line(const std::vector<std::string>& arguments, const config_schema& schema,
                               std::vector<config_problem>& problems) {
  return command_line_reader{arguments, schema, problems}.read();
}

std::string variable_name(std::string_view prefix, const setting& s, std::string_view separator) {
  std::string name{prefix};
  for (std::size_t i = 0; i < s.path.size(); ++i) {
    if (i != 0) name += separator;
    for (const char c : s.path[i]) {
      const bool plain = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      name.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : plain ? c : '_');
    }
  }
  return name;
}

config_node read_environment(const config_sources& sources, const config_schema& schema,
                             std::vector<config_problem>& problems, std::vector<std::string>& warnings) {
  config_node root{.is = config_node::kind::map, .place = place_of("the environment")};
  const auto& prefix = sources.environment_prefix;
  if (prefix.empty()) return root;

  std::multimap<std::string, const setting*> short_names, exact_names;
  std::vector<std::string> known;
  for (const auto& s : schema.settings()) {
    known.push_back(variable_name(prefix, s));
    short_names.emplace(known.back(), &s);
    exact_names.emplace(variable_name(prefix, s, "__"), &s);
  }
  auto variables = sources.environment;
  std::ranges::sort(variables);
  for (const auto& [name, text] : variables) {
    if (!name.starts_with(prefix) || name == prefix + "CONFIG") continue;
    const auto &exact = exact_names, &shorter = short_names;
    const auto& names = exact.count(name) == 1 ? exact : shorter;
    const auto [first, last] = names.equal_range(name);
    if (first == last) {
      const auto near = closest(name, known);
      warnings.push_back(name + " names no setting" + (near ? "; did you mean " + *near + "?" : ""));
    } else if (std::next(first) != last) {
      problems.push_back({name, "",
                          "may be " + first->second->name() + " or " + std::next(first)->second->name() + "; write " +
                              variable_name(prefix, *first->second, "__") + " or " +
                              variable_name(prefix, *std::next(first)->second, "__")});
    } else {
      set(root, first->second->path, first->second->type, text, name, problems);
    }
  }
  return root;
}

}  // namespace weft::service::detail
