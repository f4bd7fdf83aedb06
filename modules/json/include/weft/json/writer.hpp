#pragma once
// Writes JSON text straight into a string, compact, in the order it is told.
//
//     json::writer w;
//     w.begin_object();
//     w.member("id");    w.number(7);
//     w.member("tags");  w.begin_array();  w.element();  w.string("new");  w.end_array();
//     w.end_object();
//     std::string text = std::move(w).take();              // {"id":7,"tags":["new"]}
//
// Strings are written as UTF-8; bytes that are not UTF-8 become U+FFFD, so that the text is always valid. NaN and the
// infinities, which JSON lacks, become null. Doubles are the shortest text that reads back the same, with ".0" when
// whole. It never fails, short of memory.
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace weft::json {

class writer {
 public:
  writer();

  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }
  // Before each member's value, and before each element.
  void member(std::string_view key);
  // The same for a key that is already quoted, between its comma and its colon: ",\"id\":".
  void quoted_member(const char* quoted, std::size_t size) {
    reserve(size);
    const std::size_t from = comma_ ? 0 : 1;
    std::memcpy(at_, quoted + from, size - from);
    at_ += size - from;
    comma_ = true;
  }
  void element() {
    if (comma_) put(',');
    comma_ = true;
  }

  void null() { raw("null"); }
  void boolean(bool v) { raw(v ? "true" : "false"); }
  void number(std::int64_t v);
  void unsigned_number(std::uint64_t v);
  void real(double v);
  void real(float v);
  void string(std::string_view text);
  // Text that is JSON already.
  void raw(std::string_view json) {
    reserve(json.size());
    std::memcpy(at_, json.data(), json.size());
    at_ += json.size();
  }

  [[nodiscard]] std::string take() &&;

 private:
  void open(char bracket) {
    put(bracket);
    comma_ = false;
  }
  void close(char bracket) {
    put(bracket);
    comma_ = true;
  }
  void put(char c) {
    reserve(1);
    *at_++ = c;
  }
  void reserve(std::size_t n) {
    if (static_cast<std::size_t>(limit_ - at_) < n) [[unlikely]]
      grow(n);
  }
  void grow(std::size_t n);
  void escaped(unsigned char c);
  template <class Real>
  void shortest(Real v);

  std::string buffer_;  // as long as its capacity; what is written ends at at_
  char* at_;
  char* limit_;
  bool comma_ = false;
};

}  // namespace weft::json
