#include "dead_letter_view.hpp"

#include <weft/base/time.hpp>

#include "message_view.hpp"
#include "table.hpp"
#include "terminal.hpp"

namespace weft::cli {

namespace {

using messaging::dead_letter_entry;

constexpr std::size_t max_value = 4096;  // of a header, or of an error's text
constexpr std::size_t label_width = 12;

std::string_view to_string(messaging::dead_letter_scope scope) {
  return scope == messaging::dead_letter_scope::key ? "key" : "message";
}

void line(std::ostream& out, std::string_view label, std::string_view value) {
  if (value.empty()) return;
  out << label << std::string(label.size() < label_width ? label_width - label.size() : 1, ' ')
      << one_line(value, max_value) << '\n';
}

void write_description(json::writer& w, const dead_letter_entry& d) {
  w.member("number");
  w.unsigned_number(d.number);
  w.member("group");
  w.string(d.group);
  w.member("reason");
  w.string(d.reason);
  w.member("attempts");
  w.unsigned_number(d.attempts);
  w.member("at");
  w.string(format_rfc3339(d.at));
  w.member("holds_up");  // what is parked with it
  w.string(to_string(d.scope));
}

void print_envelope(std::ostream& out, const messaging::event& e) {
  out << "\nevent\n";
  line(out, "  type", e.type);
  line(out, "  source", e.source);
  line(out, "  id", e.id);
  if (e.time) line(out, "  time", format_rfc3339(*e.time));
  line(out, "  subject", e.subject);
  line(out, "  dataschema", e.data_schema);
  for (const auto& x : e.extensions) line(out, "  " + one_line(x.name, 64), x.value);
}

}  // namespace

void print_dead_letters(std::ostream& out, const std::vector<dead_letter_entry>& list) {
  table t{{"GROUP"}, {"NUMBER", column::right},   {"AT"},    {"TOPIC"}, {"KEY"},
          {"ID"},    {"ATTEMPTS", column::right}, {"REASON"}};
  for (const auto& d : list) {
    const auto dash = [](const std::string& text) { return text.empty() ? "-" : one_line(text, 60); };
    t.add({one_line(d.group, 60), std::to_string(d.number),
           format_rfc3339(std::chrono::floor<std::chrono::seconds>(d.at)), dash(d.what->topic), dash(d.what->key),
           dash(d.what->id), std::to_string(d.attempts), dash(d.reason)});
  }
  t.print(out);
}

void write_dead_letters(std::ostream& out, const std::vector<dead_letter_entry>& list) {
  json::writer w;
  w.begin_array();
  for (const auto& d : list) {
    w.element();
    w.begin_object();
    write_description(w, d);
    for (const auto& [name, text] : {std::pair<std::string_view, const std::string&>{"topic", d.what->topic},
                                     {"key", d.what->key},
                                     {"id", d.what->id}}) {
      w.member(name);
      w.string(text);
    }
    w.member("bytes");
    w.unsigned_number(d.what->body.size());
    w.end_object();
  }
  w.end_array();
  out << std::move(w).take() << '\n';
}

void print_dead_letter(std::ostream& out, const dead_letter_entry& d, std::size_t max_body_bytes) {
  const message_view view{*d.what};
  out << "dead letter " << d.number << " of " << one_line(d.group, 255) << '\n';
  line(out, "reason", d.reason);
  line(out, "parked", format_rfc3339(d.at));
  line(out, "attempts", std::to_string(d.attempts));
  if (d.scope == messaging::dead_letter_scope::key) line(out, "holds up", "whatever comes after it on its key");
  line(out, "topic", d.what->topic);
  line(out, "key", d.what->key);
  line(out, "id", d.what->id);
  line(out, "content",
       (d.what->content_type.empty() ? "unknown" : d.what->content_type) + ", " + counted(d.what->body.size(), "byte"));
  if (!d.failures.empty()) out << "\nfailures\n";
  for (const auto& f : d.failures)
    out << "  attempt " << f.attempt << "  " << format_rfc3339(f.at) << "  " << weft::to_string(f.code) << ": "
        << one_line(f.what, max_value) << '\n';
  if (view.envelope()) print_envelope(out, *view.envelope());
  if (!d.what->fields.empty()) out << "\nheaders\n";
  for (const auto& h : d.what->fields)
    out << "  " << one_line(h.name, 255) << ": " << one_line(h.value, max_value) << '\n';
  out << "\nbody\n" << view.body_lines(max_body_bytes) << '\n';
}

void write_dead_letter(std::ostream& out, const dead_letter_entry& d) {
  json::writer w;
  w.begin_object();
  write_description(w, d);
  w.member("failures");
  w.begin_array();
  for (const auto& f : d.failures) {
    w.element();
    w.begin_object();
    w.member("attempt");
    w.unsigned_number(f.attempt);
    w.member("at");
    w.string(format_rfc3339(f.at));
    w.member("code");
    w.string(weft::to_string(f.code));
    w.member("what");
    w.string(f.what);
    w.end_object();
  }
  w.end_array();
  message_view{*d.what}.write_members(w);
  w.end_object();
  out << std::move(w).take() << '\n';
}

}  // namespace weft::cli
