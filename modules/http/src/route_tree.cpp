#include "route_tree.hpp"

#include <weft/http/url.hpp>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace weft::http::detail {

namespace {
using kind = pattern_segment::kind;

[[noreturn]] void malformed(std::string_view pattern, std::string_view why) {
  throw std::invalid_argument{"route pattern '" + std::string{pattern} + "': " + std::string{why}};
}

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

pattern_segment parse_parameter(std::string_view pattern, std::string_view inner) {
  pattern_segment s{kind::plain, {}};
  if (inner.ends_with('*')) {
    s.what = kind::wildcard;
    inner.remove_suffix(1);
  } else if (const auto colon = inner.find(':'); colon != std::string_view::npos) {
    const auto type = inner.substr(colon + 1);
    if (type != "int" && type != "uuid")
      malformed(pattern, "the type '" + std::string{type} + "' is unknown: int or uuid");
    s.what = type == "int" ? kind::integer : kind::uuid;
    inner = inner.substr(0, colon);
  }
  if (!is_name(inner)) malformed(pattern, "a parameter is {name}, {name:int}, {name:uuid} or {name*}");
  s.text = inner;
  return s;
}

bool is_integer(std::string_view text) {
  std::int64_t number = 0;
  const auto* end = text.data() + text.size();
  const auto [at, problem] = std::from_chars(text.data(), end, number);
  return !text.empty() && problem == std::errc{} && at == end;
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (dash ? c != '-' : !digit) return false;
  }
  return true;
}

constexpr std::uint16_t bit(method m) noexcept { return static_cast<std::uint16_t>(1U << static_cast<unsigned>(m)); }
constexpr std::uint16_t every_method = bit(method::other) - 1;
}  // namespace

std::vector<pattern_segment> parse_pattern(std::string_view pattern) {
  if (!pattern.starts_with('/')) malformed(pattern, "it begins with '/'");
  std::vector<pattern_segment> segments;
  std::vector<std::string_view> names;
  for (auto rest = pattern.substr(1);;) {
    const auto slash = rest.find('/');
    const auto text = rest.substr(0, slash);
    const bool last = slash == std::string_view::npos;
    if (text.starts_with('{') && text.ends_with('}')) {
      segments.push_back(parse_parameter(pattern, text.substr(1, text.size() - 2)));
      if (segments.back().what == kind::wildcard && !last) malformed(pattern, "{name*} can only be the last segment");
    } else {
      if (text.find_first_of("{}*?#") != std::string_view::npos)
        malformed(pattern, "'" + std::string{text} + "': a parameter is a whole segment, {name}");
      auto literal = percent_decode_path(text);
      if (!literal) malformed(pattern, literal.error().message());
      if (*literal == "." || *literal == "..") malformed(pattern, "no path with '.' or '..' segments is matched");
      segments.push_back({kind::literal, *std::move(literal)});
    }
    if (last) break;
    rest = rest.substr(slash + 1);
  }
  return segments;
}

std::string shape_of(const std::vector<pattern_segment>& segments) {
  static constexpr std::array<std::string_view, 5> shapes{"", "{int}", "{uuid}", "{}", "{*}"};
  std::string shape;
  for (const auto& s : segments)
    shape.append("/").append(s.what == kind::literal ? percent_encode(s.text)
                                                     : shapes[static_cast<std::size_t>(s.what)]);
  return shape;
}

route_tree::route_tree(std::vector<router::entry> entries) : entries_{std::move(entries)} {
  for (const auto& entry : entries_) insert(entry);
}

route_tree::node& route_tree::child(node& parent, const pattern_segment& segment) {
  if (segment.what != kind::literal) {
    auto& found = parent.parameters[static_cast<std::size_t>(segment.what) - 1];
    if (!found) found = std::make_unique<node>();
    return *found;
  }
  const auto place = std::ranges::lower_bound(parent.literals, segment.text, {},
                                              [](const auto& l) -> const std::string& { return l.first; });
  if (place != parent.literals.end() && place->first == segment.text) return *place->second;
  return *parent.literals.emplace(place, segment.text, std::make_unique<node>())->second;
}

void route_tree::insert(const router::entry& entry) {
  auto* at = &root_;
  ending* end = nullptr;
  for (const auto& segment : parse_pattern(entry.pattern)) {
    if (segment.what == kind::wildcard)
      end = &at->wildcard;
    else
      at = &child(*at, segment);
  }
  if (end == nullptr) end = &at->here;
  end->exists = true;
  if (entry.method == router::any_method) {
    end->any = &entry;
    all_methods_ |= every_method;
  } else {
    end->by_method[static_cast<std::size_t>(entry.method)] = &entry;
    all_methods_ |= bit(static_cast<method>(entry.method));
  }
}

// A walk down the tree with one path; it goes back when a branch has no route with the method.
struct route_tree::search {
  method wanted;
  match& found;

  bool accept(const ending& e) const {
    if (!e.exists) return false;
    found.path_known = true;
    found.route = e.by_method[static_cast<std::size_t>(wanted)];
    if (found.route == nullptr && wanted == method::head)
      found.route = e.by_method[static_cast<std::size_t>(method::get)];
    if (found.route == nullptr) found.route = e.any;
    if (found.route != nullptr) return true;
    for (std::size_t i = 0; i < e.by_method.size(); ++i)
      if (e.by_method[i] != nullptr) found.allowed |= bit(static_cast<method>(i));
    return false;
  }

  // `rest` is what follows a slash.
  bool walk(const node& n, std::string_view rest, std::size_t depth) const {
    const auto slash = rest.find('/');
    const auto raw = rest.substr(0, slash);
    const bool last = slash == std::string_view::npos;
    const auto after = last ? std::string_view{} : rest.substr(slash + 1);
    const auto go_on = [&](const node& next, std::size_t d) { return last ? accept(next.here) : walk(next, after, d); };

    std::string decoded;
    auto segment = raw;
    if (raw.find('%') != std::string_view::npos) {
      decoded = percent_decode(raw).value_or("");
      segment = decoded;
    }
    const auto literal =
        std::ranges::lower_bound(n.literals, segment, {}, [](const auto& l) { return std::string_view{l.first}; });
    if (literal != n.literals.end() && literal->first == segment && go_on(*literal->second, depth)) return true;
    if (depth < found.values.size()) {
      found.values[depth] = raw;
      const auto& [integer, uuid, plain] = n.parameters;
      if (integer && is_integer(segment) && go_on(*integer, depth + 1)) return true;
      if (uuid && is_uuid(segment) && go_on(*uuid, depth + 1)) return true;
      if (plain && !segment.empty() && go_on(*plain, depth + 1)) return true;
      // A branch that failed may have written over it.
      found.values[depth] = rest;
    }
    return accept(n.wildcard);
  }
};

route_tree::match route_tree::find(method m, std::string_view path) const {
  match found;
  search{m, found}.walk(root_, path.substr(1), 0);
  return found;
}

std::string allow_text(std::uint16_t methods) {
  if ((methods & bit(method::get)) != 0) methods |= bit(method::head);
  methods |= bit(method::options);
  std::string text;
  for (int i = 0; i < static_cast<int>(method::other); ++i)
    if (const auto m = static_cast<method>(i); (methods & bit(m)) != 0)
      text.append(text.empty() ? "" : ", ").append(to_string(m));
  return text;
}

}  // namespace weft::http::detail
