#pragma once
// A cursor over JSON text (RFC 8259, strict) that hands out values in the order they stand there, without a tree.
//
//     static bool read(json::reader& r, point& out) {        // "[1, 2]", in a codec<point>
//       if (!r.begin_array()) return false;
//       for (std::size_t index = 0;; ++index) {
//         if (auto at = r.next_element(); at != json::step::item) return at == json::step::end && index == 2;
//         if (index == 2) return r.fail("expected two numbers");
//         if (!r.read_double(index == 0 ? out.x : out.y)) return r.in_element(index);
//       }
//     }
//
// Every function returns false (or step::failed) once and for all after the first failure; the caller adds its place
// with in_field() or in_element() and returns false too, so that a path costs nothing until something fails.
// The text outlives the reader. One thread at a time. Work and memory are bounded by decode_options.
// Invalid UTF-8, lone surrogates, control characters in strings, and numbers a double cannot hold are refused.
#include <weft/json/options.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace weft::json {

enum class kind : std::uint8_t { null, boolean, number, string, array, object };
// "a number", "null": as messages say it.
[[nodiscard]] std::string_view describe(kind k) noexcept;

enum class step : std::uint8_t { item, end, failed };

// A number as RFC 8259 leaves it open: whole and in range, or a double.
struct number {
  enum class form : std::uint8_t { int64, uint64, real };
  form is = form::int64;
  std::int64_t int64 = 0;    // when `is` is int64
  std::uint64_t uint64 = 0;  // when `is` is uint64: above the range of int64
  double real = 0;           // when `is` is real
};

class reader {
 public:
  reader(std::string_view text, const decode_options& options) noexcept;

  // Checks the size before the first value; checks that nothing follows the last.
  [[nodiscard]] bool start();
  [[nodiscard]] bool finish();

  // The kind of the value that comes next; false when there is none.
  [[nodiscard]] bool peek(kind& out);

  [[nodiscard]] bool read_null();
  [[nodiscard]] bool read_bool(bool& out);
  // Whole numbers within the bounds, which are named in the error. "3.0" and "3e2" are whole.
  [[nodiscard]] bool read_signed(std::int64_t& out, std::int64_t min, std::int64_t max);
  [[nodiscard]] bool read_unsigned(std::uint64_t& out, std::uint64_t max);
  [[nodiscard]] bool read_double(double& out);
  [[nodiscard]] bool read_number(number& out);
  [[nodiscard]] bool read_string(std::string& out);
  // The same without a copy where the text has no escapes: valid until the next call of the reader.
  [[nodiscard]] bool read_text(std::string_view& out);
  // Passes over the next value, checking that it is well-formed.
  [[nodiscard]] bool skip_value();

  // Objects: begin_object(); while next_member() is step::item: read_key(), then the value. step::end closes it.
  [[nodiscard]] bool begin_object() { return begin('{'); }
  [[nodiscard]] step next_member() { return next('}'); }
  [[nodiscard]] bool read_key(std::string_view& out);
  // Instead of read_key(): whether the key is exactly `quoted` ("\"name\":"), passed if so.
  [[nodiscard]] bool match_key(const char* quoted, std::size_t size) noexcept {
    if (static_cast<std::size_t>(end_ - at_) < size || std::memcmp(at_, quoted, size) != 0) return false;
    at_ += size;
    return true;
  }

  // After a member's value, instead of next_member() and read_key(): whether exactly `quoted` (",\"name\":") follows,
  // passed if so.
  [[nodiscard]] bool match_next_member(const char* quoted, std::size_t size) noexcept {
    if (elements_left_ == 0 || !match_key(quoted, size)) return false;
    --elements_left_;
    return true;
  }

  // Arrays: begin_array(); while next_element() is step::item: the value.
  [[nodiscard]] bool begin_array() {
    if (!begin('[')) return false;
    ++arrays_open_;
    return true;
  }
  [[nodiscard]] step next_element() {
    const step at = next(']');
    if (at == step::end) --arrays_open_;
    return at;
  }

  // For codecs of arrays that reserve memory: how many elements to make room for, when `size` of them have been read
  // since bytes_left() was `before`. Of the outermost array, as many as the rest of the text would hold if it went on
  // like this, between 2 and 8 times `size`; of an array within one, twice `size`.
  [[nodiscard]] std::size_t bytes_left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] std::size_t expected_size(std::size_t size, std::size_t before) const noexcept;
  // The size of the array before of the same kind (`slot`: any number that names the kind), as a guess at the next; 0
  // when there was none. Kinds may share a slot.
  [[nodiscard]] std::size_t remembered_size(std::size_t slot) const noexcept { return sizes_[slot % sizes_.size()]; }
  void remember_size(std::size_t slot, std::size_t size) noexcept {
    sizes_[slot % sizes_.size()] = static_cast<std::uint8_t>(size < 255 ? size : 255);
  }

  // To look ahead: remember where the cursor is, read, and go back.
  struct position {
    const char* at;
    std::size_t elements_left;
    unsigned depth_left;
    bool fresh;
  };
  [[nodiscard]] position save() const noexcept { return {at_, elements_left_, depth_left_, fresh_}; }
  void rewind(const position& p) noexcept {
    at_ = p.at;
    elements_left_ = p.elements_left;
    depth_left_ = p.depth_left;
    fresh_ = p.fresh;
  }

  // Failures; all return false. fail() is about the value's meaning, mismatch() about its kind.
  bool fail(std::string what);
  bool mismatch(std::string_view expected);
  bool missing(std::string_view field);
  bool unknown_field(std::string_view field, std::span<const std::string_view> known);
  // For enumerators and tags: `got` is none of `known`.
  bool unknown_name(std::string_view got, std::span<const std::string_view> known);
  bool repeated_field();
  bool in_field(std::string_view name);
  bool in_element(std::size_t index);
  [[nodiscard]] decode_failure take_failure();

  [[nodiscard]] const decode_options& options() const noexcept { return options_; }

 private:
  struct token;
  struct short_number;

  // The next character that is not white space, '\0' at the end.
  char look() noexcept {
    if (at_ != end_ && static_cast<unsigned char>(*at_) > ' ') [[likely]]
      return *at_;
    return look_past_space();
  }
  char look_past_space() noexcept;

  bool begin(char bracket) {
    if (look() != bracket) [[unlikely]]
      return mismatch(bracket == '{' ? "an object" : "an array");
    if (depth_left_ == 0) [[unlikely]]
      return too_deep();
    --depth_left_;
    ++at_;
    fresh_ = true;
    return true;
  }

  step next(char closing) {
    const char c = look();
    if (c == closing) {
      ++at_;
      ++depth_left_;
      fresh_ = false;
      return step::end;
    }
    if (fresh_) {
      fresh_ = false;
    } else {
      if (c != ',') [[unlikely]]
        return no_separator(closing);
      ++at_;
    }
    if (elements_left_ == 0) [[unlikely]]
      return too_many();
    --elements_left_;
    if (closing == '}' && look() != '"') [[unlikely]]
      return no_key();
    return step::item;
  }

  bool too_deep();
  step too_many();
  step no_separator(char closing);
  step no_key();
  bool syntax(std::string what, const char* at);
  bool read_literal(std::string_view word);
  const char* lex_short(short_number& out) const noexcept;
  bool read_long_string(const char* from, const char* checked, std::string& out);
  bool read_signed_slow(std::int64_t& out, std::int64_t min, std::int64_t max);
  bool read_unsigned_slow(std::uint64_t& out, std::uint64_t max);
  bool read_double_slow(double& out);
  bool lex_number(token& out, std::string_view expected);
  bool to_double(const token& t, double& out);
  // Passes the string whose first character (after the quote) is `from`. Plain: [from, result) is its content.
  const char* plain_string(const char* from);
  const char* plain_beyond_ascii(const char* at);
  bool unescape(const char* from, std::string& out);
  bool unescape_one(const char*& at, std::string& out);

  const char* at_;
  const char* end_;
  std::size_t elements_left_;
  unsigned depth_left_;
  unsigned arrays_open_ = 0;
  std::array<std::uint8_t, 32> sizes_{};
  bool fresh_ = false;  // the cursor stands right after an opening bracket
  bool failed_ = false;
  const char* begin_;
  decode_options options_;
  std::string scratch_;
  decode_failure failure_;
};

}  // namespace weft::json
