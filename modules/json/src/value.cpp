#include <weft/json/value.hpp>

#include <weft/base/assert.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <limits>

namespace weft::json {

namespace {

bool read_array(reader& r, boost::json::array& out) {
  if (!r.begin_array()) return false;
  while (true) {
    const step at = r.next_element();
    if (at != step::item) return at == step::end;
    if (!codec<value>::read(r, out.emplace_back(nullptr))) return r.in_element(out.size() - 1);
  }
}

bool read_object(reader& r, boost::json::object& out) {
  if (!r.begin_object()) return false;
  while (true) {
    const step at = r.next_member();
    if (at != step::item) return at == step::end;
    std::string_view key;
    if (!r.read_key(key)) return false;
    const auto [place, added] = out.emplace(boost::json::string_view{key.data(), key.size()}, nullptr);
    if (added ? codec<value>::read(r, place->value()) : r.repeated_field()) continue;
    const auto name = place->key();
    return r.in_field({name.data(), name.size()});
  }
}

bool read_number(reader& r, value& out) {
  number n;
  if (!r.read_number(n)) return false;
  switch (n.is) {
    case number::form::int64:
      out = n.int64;
      break;
    case number::form::uint64:
      out = n.uint64;
      break;
    case number::form::real:
      out = n.real;
      break;
  }
  return true;
}

}  // namespace

bool codec<value>::read(reader& r, value& out) {
  kind next;
  if (!r.peek(next)) return false;
  switch (next) {
    case kind::null:
      out = nullptr;
      return r.read_null();
    case kind::boolean:
      return r.read_bool(out.emplace_bool());
    case kind::number:
      return read_number(r, out);
    case kind::string: {
      std::string_view text;
      if (!r.read_text(text)) return false;
      out.emplace_string().assign(text.data(), text.size());
      return true;
    }
    case kind::array:
      return read_array(r, out.emplace_array());
    case kind::object:
      return read_object(r, out.emplace_object());
  }
  return false;
}

void codec<value>::write(writer& w, const value& v) {
  switch (v.kind()) {
    case boost::json::kind::null:
      return w.null();
    case boost::json::kind::bool_:
      return w.boolean(v.get_bool());
    case boost::json::kind::int64:
      return w.number(v.get_int64());
    case boost::json::kind::uint64:
      return w.unsigned_number(v.get_uint64());
    case boost::json::kind::double_:
      return w.real(v.get_double());
    case boost::json::kind::string:
      return w.string({v.get_string().data(), v.get_string().size()});
    case boost::json::kind::array:
      w.begin_array();
      for (const value& one : v.get_array()) {
        w.element();
        write(w, one);
      }
      return w.end_array();
    case boost::json::kind::object:
      w.begin_object();
      for (const auto& member : v.get_object()) {
        w.member({member.key().data(), member.key().size()});
        write(w, member.value());
      }
      return w.end_object();
  }
}

// Any JSON: the empty schema.
void codec<value>::schema(schema_writer&) {}

result<value> parse(std::string_view text, const parse_options& options) {
  return decode<value>(
      text, {.max_depth = options.max_depth, .max_bytes = options.max_bytes, .max_elements = options.max_elements});
}

std::string serialize(const value& v) { return encode(v); }

value detail::parse_own(std::string_view text) {
  constexpr auto any = std::numeric_limits<std::size_t>::max();
  auto parsed = parse(text, {.max_depth = depth_ceiling, .max_bytes = any, .max_elements = any});
  WEFT_ASSERT(parsed, "a codec wrote what is not JSON");
  return *std::move(parsed);
}

}  // namespace weft::json
