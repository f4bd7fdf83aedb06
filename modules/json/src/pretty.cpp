#include <weft/json/pretty.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstddef>
#include <utility>

namespace weft::json {

namespace {

void print(std::string& out, const value& v, std::size_t depth) {
  const auto line = [&](std::size_t deep) { out.append("\n").append(2 * deep, ' '); };
  if (v.is_object() && !v.get_object().empty()) {
    out += '{';
    bool first = true;
    for (const auto& member : v.get_object()) {
      if (!std::exchange(first, false)) out += ',';
      line(depth + 1);
      out += serialize(value(member.key())) + ": ";
      print(out, member.value(), depth + 1);
    }
    line(depth);
    out += '}';
  } else if (v.is_array() && !v.get_array().empty()) {
    out += '[';
    bool first = true;
    for (const auto& each : v.get_array()) {
      if (!std::exchange(first, false)) out += ',';
      line(depth + 1);
      print(out, each, depth + 1);
    }
    line(depth);
    out += ']';
  } else {
    out += serialize(v);
  }
}

}  // namespace

std::string pretty(const value& v) {
  std::string out;
  print(out, v, 0);
  return out;
}

}  // namespace weft::json
