#include "config_reference.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace weft::service::detail {

namespace {

constexpr std::size_t max_reference_bytes = 64 * 1024;
constexpr std::size_t max_resolved_bytes = 4 << 20;  // of all values with references together
constexpr std::string_view zero{"\0", 1};
constexpr std::string_view how_to_write = "a reference is ${env:NAME} or ${file:PATH}; write $${ for a plain ${";

std::expected<std::string, std::string> look_up(std::string_view reference, const config_sources& sources) {
  const auto colon = reference.find(':');
  const auto from = reference.substr(0, colon);
  const std::string name{colon == reference.npos ? "" : reference.substr(colon + 1)};
  if (name.empty()) return std::unexpected{std::string{how_to_write}};
  if (name.contains("${"))
    return std::unexpected{"a reference stands within a reference, which is not looked up; " +
                           std::string{how_to_write}};
  if (from == "env") {
    const auto found = std::ranges::find(sources.environment, name, [](const auto& pair) { return pair.first; });
    if (found == sources.environment.end())
      return std::unexpected{"refers to the environment variable " + name +
                             ", which is not set; set it, or write $${ for a plain ${"};
    return found->second;
  }
  if (from == "file") {
    auto text = read_text_file(name, max_reference_bytes);
    if (!text) return std::unexpected{"refers to a file that cannot be read: " + text.error()};
    while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
    return text;
  }
  return std::unexpected{std::string{how_to_write}};
}

// The next dollar signs that stand before a brace: their place and number; none: {npos, 0}.
struct dollars {
  std::size_t at = std::string_view::npos, count = 0;
};
dollars next_dollars(std::string_view text, std::size_t from) {
  for (auto at = text.find('$', from); at != text.npos;) {
    const auto end = text.find_first_not_of('$', at);
    if (end == text.npos) break;
    if (text[end] == '{') return {at, end - at};
    at = text.find('$', end);
  }
  return {};
}

class resolver {
 public:
  resolver(const config_node& root, const config_sources& sources, std::vector<config_problem>& problems)
      : root_{root}, sources_{sources}, problems_{problems} {}

  void resolve(config_node& node) {
    if (node.is == config_node::kind::scalar) return resolve_scalar(node);
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      if (node.is == config_node::kind::map && (node.keys[i].contains("${env:") || node.keys[i].contains("${file:")))
        problems_.push_back({node.items[i].place.to_string(), join_path(root_, steps_),
                             "the name \"" + node.keys[i] + "\" holds a reference; references are for values"});
      if (node.is == config_node::kind::map && node.keys[i].contains(zero))
        problems_.push_back({node.items[i].place.to_string(), join_path(root_, steps_), "a name holds a NUL"});
      steps_.push_back(node.is == config_node::kind::map ? node.keys[i] : std::to_string(i));
      resolve(node.items[i]);
      steps_.pop_back();
    }
  }

 private:
  void resolve_scalar(config_node& node) {
    expand_references(node);
    // Addresses, paths and URLs would end there for whoever uses them, without a word.
    if (node.text.contains(zero))
      problems_.push_back({node.place.to_string(), join_path(root_, steps_), "holds a NUL, which no setting may have"});
  }

  void expand_references(config_node& node) {
    if (next_dollars(node.text, 0).count == 0) return;
    bool refers = false;
    auto value = expand(node.text, refers);
    if (!value) {
      problems_.push_back({node.place.to_string(), join_path(root_, steps_), std::move(value).error()});
      return;
    }
    node.text = *std::move(value);
    if (refers) node.written = config_node::writing::reference;
  }

  std::expected<std::string, std::string> expand(std::string_view text, bool& refers) {
    std::string out;
    std::size_t from = 0;
    for (;;) {
      const auto next = next_dollars(text, from);
      if (next.count == 0) break;
      if (next.count > 1) {  // one dollar sign less
        const auto brace = next.at + next.count;
        out.append(text.substr(from, next.at - from)).append(text.substr(next.at + 1, next.count - 1)).append("{");
        from = brace + 1;
        continue;
      }
      const auto end = text.find('}', next.at);
      if (end == text.npos) return std::unexpected{std::string{how_to_write}};
      auto value = look_up(text.substr(next.at + 2, end - next.at - 2), sources_);
      if (!value) return value;
      refers = true;
      resolved_bytes_ += value->size();
      if (resolved_bytes_ > max_resolved_bytes)
        return std::unexpected{"references stand for more than " + std::to_string(max_resolved_bytes) + " bytes"};
      out.append(text.substr(from, next.at - from)).append(*value);
      from = end + 1;
    }
    return out.append(text.substr(from));
  }

  const config_node& root_;
  const config_sources& sources_;
  std::vector<config_problem>& problems_;
  std::vector<std::string> steps_;
  std::size_t resolved_bytes_ = 0;
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
  for (auto next = next_dollars(text, 0); next.count != 0; next = next_dollars(text, next.at + next.count + 1))
    text.insert(next.at, 1, '$');
  return text;
}

void resolve_references(config_node& root, const config_sources& sources, std::vector<config_problem>& problems) {
  resolver{root, sources, problems}.resolve(root);
}

}  // namespace weft::service::detail
