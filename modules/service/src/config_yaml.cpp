#include "config_yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <map>
#include <optional>
#include <streambuf>

namespace weft::service::detail {

namespace {

// Reads the text where it is.
class text_stream final : public std::streambuf {
 public:
  explicit text_stream(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // only read
    setg(begin, begin, begin + text.size());
  }
};

class tree_builder final : public YAML::EventHandler {
 public:
  tree_builder(std::shared_ptr<const std::string> source, const yaml_limits& limits)
      : source_{std::move(source)}, limits_{limits} {}

  // Thrown through the parser, which has no other way to stop; never leaves parse_yaml.
  struct refused {
    config_problem problem;
  };

  config_node take() && { return std::move(root_).value_or(config_node{.place = place({})}); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (root_) refuse(mark, "a second document begins here; put each into a file of its own");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { leaf(mark, {.place = place(mark)}, anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) refuse(mark, "the alias stands within what it refers to");
    charge(mark, size_of(found->second));
    place_leaf(mark, config_node{found->second}, 0);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    config_node made = config_node::scalar(value, place(mark));
    if (tag == "!")
      made.written = config_node::writing::quoted;
    else
      check_tag(mark, tag);
    if (awaits_key() && made.written == config_node::writing::plain && value == "<<")
      refuse(mark, "merge keys are not read; repeat the fields, or lay a second file over this one with --config");
    leaf(mark, std::move(made), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, config_node::kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, config_node::kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  struct level {
    config_node node;
    YAML::anchor_t anchor;
    std::optional<std::string> key;  // of a map: the member that comes next
  };

  [[nodiscard]] config_place place(const YAML::Mark& mark) const {
    if (mark.is_null()) return {.source = source_};
    return {source_, static_cast<std::size_t>(mark.line) + 1, static_cast<std::size_t>(mark.column) + 1};
  }
  [[noreturn]] void refuse(const YAML::Mark& mark, std::string what) const {
    throw refused{{place(mark).to_string(), "", std::move(what)}};
  }
  void check_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (!tag.empty() && tag != "?") refuse(mark, "tags are not read; the setting's own type decides");
  }
  // What a tree takes in memory, as far as the limits know.
  struct tree_size {
    std::size_t nodes = 1, text_bytes = 0;
  };
  static void add_size(const config_node& node, tree_size& all) {
    all.text_bytes += node.text.size();
    for (const auto& key : node.keys) all.text_bytes += key.size();
    all.nodes += node.items.size();
    for (const auto& item : node.items) add_size(item, all);
  }
  [[nodiscard]] static tree_size size_of(const config_node& node) {
    tree_size all;
    add_size(node, all);
    return all;
  }
  void charge(const YAML::Mark& mark, tree_size more) {
    nodes_ += more.nodes;
    text_bytes_ += more.text_bytes;
    if (nodes_ > limits_.max_nodes)
      refuse(mark, "more than " + std::to_string(limits_.max_nodes) + " values, counting what aliases stand for");
    if (text_bytes_ > limits_.max_text_bytes)
      refuse(mark,
             "more than " + std::to_string(limits_.max_text_bytes) + " bytes of text, counting what aliases stand for");
  }
  [[nodiscard]] bool awaits_key() const {
    return !levels_.empty() && levels_.back().node.is == config_node::kind::map && !levels_.back().key;
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, config_node::kind kind) {
    check_tag(mark, tag);
    if (awaits_key()) refuse(mark, "a key must be text");
    if (levels_.size() >= limits_.max_depth)
      refuse(mark, "nested deeper than " + std::to_string(limits_.max_depth) + " levels");
    charge(mark, {});
    levels_.push_back({{.is = kind, .place = place(mark)}, anchor, std::nullopt});
  }
  void close() {
    level ended = std::move(levels_.back());
    levels_.pop_back();
    add(std::move(ended.node), ended.anchor);
  }
  void leaf(const YAML::Mark& mark, config_node node, YAML::anchor_t anchor) {
    charge(mark, {.text_bytes = node.text.size()});
    place_leaf(mark, std::move(node), anchor);
  }
  // Charged for already.
  void place_leaf(const YAML::Mark& mark, config_node node, YAML::anchor_t anchor) {
    if (!awaits_key()) return add(std::move(node), anchor);
    if (node.is != config_node::kind::scalar) refuse(mark, "a key must be text");
    if (node.text.size() > limits_.max_key_bytes)
      refuse(mark, "a key is longer than " + std::to_string(limits_.max_key_bytes) + " bytes");
    auto& in = levels_.back();
    if (in.node.find(node.text) != nullptr) refuse(mark, "the key \"" + node.text + "\" appears twice");
    in.key = node.text;
    if (anchor != 0) {
      charge(mark, size_of(node));
      anchors_[anchor] = std::move(node);
    }
  }
  void add(config_node node, YAML::anchor_t anchor) {
    if (anchor != 0) {
      charge({}, size_of(node));
      anchors_[anchor] = node;
    }
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    auto& in = levels_.back();
    if (in.key) {
      in.node.keys.push_back(*std::move(in.key));
      in.key.reset();
    }
    in.node.items.push_back(std::move(node));
  }

  std::shared_ptr<const std::string> source_;
  yaml_limits limits_;
  std::vector<level> levels_;
  std::map<YAML::anchor_t, config_node> anchors_;
  std::optional<config_node> root_;
  std::size_t nodes_ = 0, text_bytes_ = 0;
};

// The length of the character that begins here (RFC 3629), 0 if none does.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool beyond = (first == 0xED && byte(1) > 0x9F) || (first == 0xF4 && byte(1) > 0x8F);
  return overlong || beyond ? 0 : length;
}

// The parser would replace what is not UTF-8 silently, and take a byte 4 for the end of the file.
std::optional<config_problem> find_invalid(std::string_view text, const std::shared_ptr<const std::string>& name) {
  config_place at{name, 1, 1};
  while (!text.empty()) {
    const auto length = character_length(text);
    if (length == 0) return config_problem{at.to_string(), "", "not UTF-8"};
    const auto first = static_cast<unsigned char>(text[0]);
    if (first < ' ' && first != '\t' && first != '\n' && first != '\r')
      return config_problem{at.to_string(), "", "a control character, which YAML does not allow"};
    ++at.column;
    if (first == '\n') {
      ++at.line;
      at.column = 1;
    }
    text.remove_prefix(length);
  }
  return std::nullopt;
}

}  // namespace

std::expected<config_node, config_problem> parse_yaml(std::string_view text, std::string_view source,
                                                      const yaml_limits& limits) {
  const auto name = std::make_shared<const std::string>(source);
  if (text.size() > limits.max_bytes)
    return std::unexpected{config_problem{*name, "", "larger than " + std::to_string(limits.max_bytes) + " bytes"}};
  if (auto invalid = find_invalid(text, name)) return std::unexpected{*std::move(invalid)};
  tree_builder builder{name, limits};
  try {
    text_stream buffer{text};
    std::istream in{&buffer};
    YAML::Parser parser{in};
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (tree_builder::refused& e) {
    return std::unexpected{std::move(e.problem)};
  } catch (const YAML::Exception& e) {
    config_place at{name, 0, 0};
    if (!e.mark.is_null()) {
      at.line = static_cast<std::size_t>(e.mark.line) + 1;
      at.column = static_cast<std::size_t>(e.mark.column) + 1;
    }
    return std::unexpected{config_problem{at.to_string(), "", "not YAML: " + e.msg}};
  }
  return std::move(builder).take();
}

}  // namespace weft::service::detail
