#include "exposition.hpp"

#include "metric_store.hpp"
#include "text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace weft::observe::detail {
namespace {

void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    char digits[32];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
}
void append_number(std::string& out, std::uint64_t value) { out += std::to_string(value); }

enum class quotes { plain, escaped };
// The format escapes backslash, line feed and, in label values, the quote; it has to be UTF-8.
void append_escaped(std::string& out, std::string_view raw, quotes q) {
  while (!raw.empty()) {
    const auto c = text::take(raw);
    if (c == U'\\')
      out += "\\\\";
    else if (c == U'\n')
      out += "\\n";
    else if (c == U'"' && q == quotes::escaped)
      out += "\\\"";
    else
      text::append_utf8(out, c);
  }
}

void append_labels(std::string& out, const family& f, const std::vector<std::string>& values, std::string_view le) {
  if (values.empty() && le.empty()) return;
  out += '{';
  const char* separator = "";
  for (std::size_t i = 0; i < values.size(); ++i) {
    out.append(separator).append(f.labels[i]).append("=\"");
    append_escaped(out, values[i], quotes::escaped);
    out += '"';
    separator = ",";
  }
  if (!le.empty()) out.append(separator).append("le=\"").append(le).append("\"");
  out += '}';
}

template <class Number>
void append_sample(std::string& out, const family& f, std::string_view suffix, const std::vector<std::string>& values,
                   std::string_view le, Number value) {
  out.append(f.name).append(suffix);
  append_labels(out, f, values, le);
  out += ' ';
  append_number(out, value);
  out += '\n';
}

void append_histogram(std::string& out, const family& f, series& s) {
  std::uint64_t below = 0;  // buckets are cumulative, and _count is the last of them, so the two never disagree
  for (std::size_t i = 0; i < f.buckets.size(); ++i) {
    below += s.total(1 + i);
    std::string le;
    append_number(le, f.buckets[i]);
    append_sample(out, f, "_bucket", s.values, le, below);
  }
  below += s.total(1 + f.buckets.size());
  append_sample(out, f, "_bucket", s.values, "+Inf", below);
  append_sample(out, f, "_sum", s.values, "", s.sum_of_doubles(0));
  append_sample(out, f, "_count", s.values, "", below);
}

void append_series(std::string& out, const family& f, series& s) {
  switch (f.kind) {
    case metric_kind::counter:
      return append_sample(out, f, "", s.values, "", s.total(0));
    case metric_kind::gauge:
      return append_sample(
          out, f, "", s.values, "",
          s.base.load(std::memory_order_relaxed) + static_cast<double>(static_cast<std::int64_t>(s.total(0))));
    case metric_kind::histogram:
      return append_histogram(out, f, s);
  }
}

std::vector<std::pair<std::vector<std::string>, double>> ask_callbacks(const family& f) {
  std::vector<std::pair<std::vector<std::string>, double>> read;
  {
    // weft-style: allow thread: the owner of a callback must not go while it is asked
    const std::lock_guard held{f.callbacks_lock};
    for (const auto& each : f.callbacks) read.emplace_back(each->values, each->read());
  }
  std::ranges::sort(read, {}, [](const auto& each) -> const auto& { return each.first; });
  return read;
}

}  // namespace

void expose(const family& f, std::string& out) {
  const auto all = f.sorted();
  const auto asked = ask_callbacks(f);
  if (all.empty() && asked.empty()) return;
  constexpr const char* kinds[] = {"counter", "gauge", "histogram"};
  out.append("# HELP ").append(f.name).append(" ");
  append_escaped(out, f.help, quotes::plain);
  out.append("\n# TYPE ").append(f.name).append(" ").append(kinds[static_cast<int>(f.kind)]).append("\n");
  for (auto* s : all) append_series(out, f, *s);
  for (const auto& [values, value] : asked) append_sample(out, f, "", values, "", value);
}

}  // namespace weft::observe::detail
