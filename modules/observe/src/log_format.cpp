#include "text.hpp"

#include <weft/observe/log.hpp>
#include <weft/observe/trace_context.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace weft::observe {
namespace {

template <class Number>
void append_number(std::string& out, Number number) {
  char digits[40];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

void append_escape(std::string& out, char32_t c) {
  char escape[8];
  if (c == U'\n')
    out += "\\n";
  else if (c == U'\t')
    out += "\\t";
  else if (c == U'\r')
    out += "\\r";
  else
    out.append(escape,
               static_cast<std::size_t>(std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c))));
}

enum class quote_marks { kept, escaped };
void append_escaped(std::string& out, std::string_view raw, quote_marks marks) {
  while (!raw.empty()) {
    const auto c = text::take(raw);
    if (marks == quote_marks::escaped && (c == U'"' || c == U'\\'))
      out.append(1, '\\').append(1, static_cast<char>(c));
    else if (text::is_control(c))
      append_escape(out, c);
    else
      text::append_utf8(out, c);
  }
}

void append_quoted(std::string& out, std::string_view raw) {
  out += '"';
  append_escaped(out, raw, quote_marks::escaped);
  out += '"';
}

struct json_value {
  std::string& out;
  void operator()(bool value) const { out += value ? "true" : "false"; }
  void operator()(std::int64_t value) const { append_number(out, value); }
  void operator()(std::uint64_t value) const { append_number(out, value); }
  void operator()(double value) const {
    if (std::isfinite(value))
      append_number(out, value);
    else  // JSON has no number for it
      append_quoted(out, std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
  }
  void operator()(std::string_view value) const { append_quoted(out, value); }
};

const field_value::base& base_of(const field_value& value) { return value; }

constexpr std::array<std::string_view, 7> own_names{"time",     "level",   "service",       "message",
                                                    "trace_id", "span_id", "correlation_id"};

bool is_last_of_its_name(std::span<const field> fields, std::size_t at) {
  return std::ranges::none_of(fields.subspan(at + 1), [&](const field& f) { return f.name == fields[at].name; });
}

// Plain where it cannot be misread, else in quotes.
void append_pretty_value(std::string& out, const field_value& value) {
  const auto* text = std::get_if<std::string_view>(&value);
  if (text == nullptr) return std::visit(json_value{out}, base_of(value));
  const bool plain = !text->empty() && std::ranges::all_of(*text, [](unsigned char c) {
    return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '=';
  });
  if (plain)
    out += *text;
  else
    append_quoted(out, *text);
}

class pretty_line {
 public:
  pretty_line(std::string& out, colours use) : out_{out}, coloured_{use == colours::on} {}
  pretty_line& paint(std::string_view code) {
    if (coloured_) out_.append("\x1b[").append(code).append("m");
    return *this;
  }
  pretty_line& plain(std::string_view text) {
    out_ += text;
    return *this;
  }
  pretty_line& escaped(std::string_view text) {
    append_escaped(out_, text, quote_marks::kept);
    return *this;
  }
  pretty_line& pair(std::string_view name) { return plain(" ").paint("2").escaped(name).plain("=").paint("0"); }

 private:
  std::string& out_;
  bool coloured_;
};

struct level_style {
  std::string_view name, colour;
};
constexpr std::array<level_style, 7> level_styles{{{"TRACE", "2"},
                                                   {"DEBUG", "36"},
                                                   {"INFO ", "32"},
                                                   {"WARN ", "33"},
                                                   {"ERROR", "31"},
                                                   {"FATAL", "1;31"},
                                                   {"OFF  ", "0"}}};

std::string time_of_day(wall_time at) {
  using namespace std::chrono;
  const auto milliseconds_of_day = (floor<milliseconds>(at) - floor<days>(at)).count();
  const auto ms = static_cast<int>(milliseconds_of_day);
  char text[48];
  const int size = std::snprintf(text, sizeof text, "%02d:%02d:%02d.%03d", ms / 3'600'000, ms / 60'000 % 60,
                                 ms / 1'000 % 60, ms % 1'000);
  return {text, static_cast<std::size_t>(size)};
}

constexpr std::size_t message_column = 32;

}  // namespace

std::string format_json(const log_record& record) {
  std::string out;
  out.reserve(256);
  // Milliseconds are enough, and keep the lines the same width.
  auto at = std::chrono::floor<std::chrono::milliseconds>(record.at);
  out.append("{\"time\":\"").append(format_rfc3339(at));
  if (at == std::chrono::floor<std::chrono::seconds>(at)) out.replace(out.size() - 1, 1, ".000Z");
  out.append("\",\"level\":\"").append(to_string(record.level)).append("\",\"service\":");
  append_quoted(out, record.service);
  out += ",\"message\":";
  append_quoted(out, record.message);
  if (record.trace != nullptr && record.trace->valid()) {
    out.append(",\"trace_id\":\"").append(trace_id_text(*record.trace));
    out.append("\",\"span_id\":\"").append(span_id_text(*record.trace)).append("\"");
  }
  if (!record.correlation_id.empty()) {
    out += ",\"correlation_id\":";
    append_quoted(out, record.correlation_id);
  }
  for (std::size_t i = 0; i < record.fields.size(); ++i) {
    const auto& [name, value] = record.fields[i];
    if (!is_last_of_its_name(record.fields, i)) continue;
    out += ",\"";
    if (std::ranges::find(own_names, name) != own_names.end()) out += "field.";
    append_escaped(out, name, quote_marks::escaped);
    out += "\":";
    std::visit(json_value{out}, base_of(value));
  }
  out += '}';
  return out;
}

std::string format_pretty(const log_record& record, colours use) {
  std::string out;
  out.reserve(160);
  pretty_line line{out, use};
  const auto& level = level_styles[static_cast<std::size_t>(record.level)];
  line.paint("2").plain(time_of_day(record.at)).paint("0").plain(" ");
  line.paint(level.colour).plain(level.name).paint("0").plain(" ");
  line.paint("1").escaped(record.service).paint("0").plain("  ");
  const auto start = out.size();
  line.escaped(record.message);
  const bool more =
      !record.fields.empty() || !record.correlation_id.empty() || (record.trace != nullptr && record.trace->valid());
  if (const auto width = out.size() - start; more && width < message_column) out.append(message_column - width, ' ');
  for (std::size_t i = 0; i < record.fields.size(); ++i) {
    if (!is_last_of_its_name(record.fields, i)) continue;
    line.pair(record.fields[i].name);
    append_pretty_value(out, record.fields[i].value);
  }
  if (record.trace != nullptr && record.trace->valid())
    line.pair("trace").plain(trace_id_text(*record.trace).substr(0, 8));
  if (!record.correlation_id.empty()) {
    line.pair("correlation");
    append_pretty_value(out, record.correlation_id);
  }
  return out;
}

std::string_view memory_log::entry::field(std::string_view name) const noexcept {
  const auto found = std::find_if(fields.rbegin(), fields.rend(), [&](const auto& each) { return each.first == name; });
  return found == fields.rend() ? std::string_view{} : std::string_view{found->second};
}

void memory_log::write(const log_record& record) noexcept {
  entry e{record.at,
          record.level,
          std::string{record.service},
          std::string{record.message},
          std::string{record.correlation_id},
          *record.trace,
          {},
          format_json(record)};
  for (const auto& [name, value] : record.fields) {
    std::string text;
    if (const auto* raw = std::get_if<std::string_view>(&value))
      text = *raw;
    else
      std::visit(json_value{text}, base_of(value));
    e.fields.emplace_back(name, std::move(text));
  }
  if (capacity_ != 0 && entries_.size() >= capacity_) entries_.erase(entries_.begin());
  if (capacity_ != 0) entries_.push_back(std::move(e));
}

const memory_log::entry* memory_log::find(std::string_view message) const noexcept {
  const auto found =
      std::find_if(entries_.rbegin(), entries_.rend(), [&](const auto& each) { return each.message == message; });
  return found == entries_.rend() ? nullptr : &*found;
}

}  // namespace weft::observe
