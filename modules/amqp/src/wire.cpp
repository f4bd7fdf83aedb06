#include "wire.hpp"

#include <bit>
#include <cstring>

namespace weft::amqp {

// ---- writing

void wire_writer::problem(std::string text) {
  if (problem_.empty()) problem_ = std::move(text);
}

result<> wire_writer::outcome() const {
  if (!problem_.empty()) return fail(errc::invalid_argument, problem_);
  return {};
}

void wire_writer::short_string(std::string_view v) {
  if (v.size() > 255) {
    problem("\"" + std::string{v.substr(0, 40)} + "...\" has " + std::to_string(v.size()) +
            " bytes; AMQP allows 255 there");
    v = {};
  }
  octet(static_cast<std::uint8_t>(v.size()));
  out_ += v;
}

void wire_writer::long_string(std::string_view v) {
  if (v.size() > std::numeric_limits<std::uint32_t>::max()) {
    problem("a string of " + std::to_string(v.size()) + " bytes; AMQP allows 4 GiB");
    v = {};
  }
  long_uint(static_cast<std::uint32_t>(v.size()));
  out_ += v;
}

void wire_writer::bit(bool v) {
  if (bits_ == 0 || bits_ == 8) {
    out_ += '\0';
    bits_ = 0;
  }
  if (v) out_.back() = static_cast<char>(static_cast<unsigned char>(out_.back()) | 1U << bits_);
  ++bits_;
}

void wire_writer::open_length(std::size_t& mark) {
  mark = out_.size();
  long_uint(0);
  if (++depth_ > 32) problem("tables are nested more than 32 deep");
}

void wire_writer::close_length(std::size_t mark) {
  --depth_;
  const auto size = out_.size() - mark - 4;
  if (size > std::numeric_limits<std::uint32_t>::max()) return problem("a table of more than 4 GiB");
  for (std::size_t i = 0; i < 4; ++i) out_[mark + i] = static_cast<char>(size >> (8 * (3 - i)) & 0xff);
}

void wire_writer::table(const amqp::table& v) {
  std::size_t mark = 0;
  open_length(mark);
  if (depth_ <= 32) {
    for (const auto& each : v) {
      short_string(each.name);
      content(each.content);
    }
  }
  close_length(mark);
}

namespace {

// One overload for each alternative of value: its letter.
constexpr char letter(std::monostate) { return 'V'; }
constexpr char letter(bool) { return 't'; }
constexpr char letter(std::int8_t) { return 'b'; }
constexpr char letter(std::uint8_t) { return 'B'; }
constexpr char letter(std::int16_t) { return 's'; }
constexpr char letter(std::uint16_t) { return 'u'; }
constexpr char letter(std::int32_t) { return 'I'; }
constexpr char letter(std::uint32_t) { return 'i'; }
constexpr char letter(std::int64_t) { return 'l'; }
constexpr char letter(float) { return 'f'; }
constexpr char letter(double) { return 'd'; }
constexpr char letter(const decimal&) { return 'D'; }
constexpr char letter(const std::string&) { return 'S'; }
constexpr char letter(const array&) { return 'A'; }
constexpr char letter(const timestamp&) { return 'T'; }
constexpr char letter(const table&) { return 'F'; }
constexpr char letter(const binary&) { return 'x'; }

}  // namespace

void wire_writer::content(const value& v) {
  std::visit(
      [this](const auto& held) {
        using held_type = std::decay_t<decltype(held)>;
        octet(static_cast<std::uint8_t>(letter(held)));
        if constexpr (std::is_same_v<held_type, bool>) {
          octet(held ? 1 : 0);
        } else if constexpr (std::integral<held_type>) {
          integer(held);
        } else if constexpr (std::is_same_v<held_type, float>) {
          long_uint(std::bit_cast<std::uint32_t>(held));
        } else if constexpr (std::is_same_v<held_type, double>) {
          long_long_uint(std::bit_cast<std::uint64_t>(held));
        } else if constexpr (std::is_same_v<held_type, decimal>) {
          octet(held.scale);
          long_uint(held.digits);
        } else if constexpr (std::is_same_v<held_type, timestamp>) {
          long_long_uint(held.seconds);
        } else if constexpr (std::is_same_v<held_type, std::string>) {
          long_string(held);
        } else if constexpr (std::is_same_v<held_type, binary>) {
          long_string(held.bytes);
        } else if constexpr (std::is_same_v<held_type, amqp::table>) {
          table(held);
        } else if constexpr (std::is_same_v<held_type, array>) {
          std::size_t mark = 0;
          open_length(mark);
          if (depth_ <= 32)
            for (const auto& each : held) content(each);
          close_length(mark);
        }
      },
      v.held());
}

// ---- reading

void wire_reader::problem(const char* text) {
  if (problem_ != nullptr) return;
  problem_ = text;
  problem_at_ = all_.size() - rest_.size();
  rest_ = {};
}

result<> wire_reader::outcome(std::string_view what) const {
  std::string text{what};
  if (problem_ != nullptr)
    text.append(": ").append(problem_).append(" at byte ").append(std::to_string(problem_at_));
  else if (!rest_.empty())
    text.append(": ").append(std::to_string(rest_.size())).append(" bytes too many");
  else
    return {};
  return fail(errc::data_loss, text);
}

std::string_view wire_reader::take(std::size_t size, const char* when_short) {
  if (size > rest_.size()) {
    problem(when_short);
    return {};
  }
  const auto taken = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return taken;
}

void wire_reader::bit(bool& v) {
  if (bits_ == 8) {
    take(1, "bits are cut short");
    bits_ = 0;
  }
  if (failed()) return;
  const auto octet = static_cast<unsigned char>(all_[all_.size() - rest_.size() - 1]);
  v = (octet >> bits_ & 1U) != 0;
  ++bits_;
}

void wire_reader::table(amqp::table& v) {
  const auto inside = take(integer<std::uint32_t>(), "a table is cut short");
  if (failed()) return;
  if (++depth_ > most_depth) return problem("tables are nested more than 32 deep");
  // What is inside must not reach beyond the table's end.
  const auto after = rest_;
  const auto whole = all_;
  all_ = all_.substr(0, all_.size() - after.size());
  rest_ = inside;
  while (!rest_.empty() && !failed()) {
    field f;
    short_string(f.name);
    f.content = content();
    if (!failed()) v.append(std::move(f));
  }
  all_ = whole;
  if (!failed()) rest_ = after;
  --depth_;
}

value wire_reader::content() {
  if (++values_ > most_values) return problem("a frame with more than 16384 table values"), value{};
  switch (static_cast<char>(integer<std::uint8_t>())) {
    case 'V':
      return {};
    case 't':
      return integer<std::uint8_t>() != 0;
    case 'b':
      return integer<std::int8_t>();
    case 'B':
      return integer<std::uint8_t>();
    case 's':
      return integer<std::int16_t>();
    case 'u':
      return integer<std::uint16_t>();
    case 'I':
      return integer<std::int32_t>();
    case 'i':
      return integer<std::uint32_t>();
    case 'l':
      return integer<std::int64_t>();
    case 'f':
      return std::bit_cast<float>(integer<std::uint32_t>());
    case 'd':
      return std::bit_cast<double>(integer<std::uint64_t>());
    case 'D': {
      const auto scale = integer<std::uint8_t>();
      return decimal{scale, integer<std::uint32_t>()};
    }
    case 'S':
      return take(integer<std::uint32_t>(), "a string is cut short");
    case 'x':
      return binary{std::string{take(integer<std::uint32_t>(), "a byte array is cut short")}};
    case 'T':
      return timestamp{integer<std::uint64_t>()};
    case 'F': {
      amqp::table nested;
      table(nested);
      return nested;
    }
    case 'A': {
      const auto inside = take(integer<std::uint32_t>(), "an array is cut short");
      if (failed()) return {};
      if (++depth_ > most_depth) return problem("arrays are nested more than 32 deep"), value{};
      const auto after = rest_;
      const auto whole = all_;
      all_ = all_.substr(0, all_.size() - after.size());
      rest_ = inside;
      array all;
      while (!rest_.empty() && !failed()) {
        auto each = content();
        if (!failed()) all.push_back(std::move(each));
      }
      all_ = whole;
      if (!failed()) rest_ = after;
      --depth_;
      return all;
    }
    default:
      problem("a table value of unknown type");
      return {};
  }
}

}  // namespace weft::amqp
