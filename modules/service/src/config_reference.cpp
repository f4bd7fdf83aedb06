#include "config_reference.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace weft::service::detail {

namespace {

constexpr std::size_t max_reference_bytes = 64 * 1024;

std::expected<std::string, std::string> look_up(std::string_view reference, const config_sources& sources) {
  const auto colon = reference.find(':');
  const auto from = reference.substr(0, colon);
  const std::string name{colon == reference.npos ? "" : reference.substr(colon + 1)};
  if (from == "env") {
    const auto found = std::ranges::find(sources.environment, name, [](const auto& pair) { return pair.first; });
    if (found == sources.environment.end())
      return std::unexpected{"refers to the environment variable " + name + ", which is not set"};
    return found->second;
  }
  if (from == "file") {
    auto text = read_text_file(name, max_reference_bytes);
    if (!text) return std::unexpected{"refers to a file that cannot be read: " + text.error()};
    while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
    return text;
  }
  return std::unexpected{"a reference is ${env:NAME} or ${file:PATH}; write $${...} for a plain ${...}"};
}

// How many dollar signs begin "${...}", "$${...}"; 0 for any other text.
std::size_t dollars_of(std::string_view text) {
  const auto dollars = text.find_first_not_of('$');
  return dollars != text.npos && text[dollars] == '{' && text.ends_with('}') ? dollars : 0;
}

class resolver {
 public:
  resolver(const config_node& root, const config_sources& sources, std::vector<config_problem>& problems)
      : root_{root}, sources_{sources}, problems_{problems} {}

  void resolve(config_node& node) {
    if (node.is == config_node::kind::scalar) return resolve_scalar(node);
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      steps_.push_back(node.is == config_node::kind::map ? node.keys[i] : std::to_string(i));
      resolve(node.items[i]);
      steps_.pop_back();
    }
  }

 private:
  void resolve_scalar(config_node& node) {
    const auto dollars = dollars_of(node.text);
    if (dollars == 0) return;
    if (dollars > 1) {
      node.text.erase(0, 1);
      return;
    }
    auto value = look_up(std::string_view{node.text}.substr(2, node.text.size() - 3), sources_);
    if (!value) {
      problems_.push_back({node.place.to_string(), join_path(root_, steps_), std::move(value).error()});
      return;
    }
    node.text = *std::move(value);
    node.written = config_node::writing::reference;
  }

  const config_node& root_;
  const config_sources& sources_;
  std::vector<config_problem>& problems_;
  std::vector<std::string> steps_;
};

}  // namespace

std::expected<std::string, std::string> read_text_file(const std::string& path, std::size_t max_bytes) {
  struct closer {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  const auto problem = [&] { return std::unexpected{path + ": " + std::generic_category().message(errno)}; };
  const std::unique_ptr<std::FILE, closer> file{std::fopen(path.c_str(), "rbe")};
  if (!file) return problem();
  std::string text;
  char buffer[16 * 1024];
  while (const auto got = std::fread(buffer, 1, sizeof buffer, file.get())) {
    text.append(buffer, got);
    if (text.size() > max_bytes) return std::unexpected{path + ": larger than " + std::to_string(max_bytes) + " bytes"};
  }
  if (std::ferror(file.get()) != 0) return problem();
  return text;
}

std::string escape_reference(std::string text) {
  if (dollars_of(text) > 0) text.insert(0, 1, '$');
  return text;
}

void resolve_references(config_node& root, const config_sources& sources, std::vector<config_problem>& problems) {
  resolver{root, sources, problems}.resolve(root);
}

}  // namespace weft::service::detail
