#include "packing.hpp"

namespace weft::messaging {

namespace {

constexpr char format = 1;

void put(std::string& out, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) out += static_cast<char>(number | 0x80);
  out += static_cast<char>(number);
}

void put(std::string& out, std::string_view text) {
  put(out, std::uint64_t{text.size()});
  out += text;
}

// Reads on after an error give nothing; whoever asks for good() at the end sees it.
class unpacker {
 public:
  explicit unpacker(std::string_view bytes) : left_{bytes} {}

  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !left_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(left_.front());
      left_.remove_prefix(1);
      if (shift == 63 && byte > 1) break;
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return value;
    }
    return fail();
  }
  std::string text() {
    const auto size = number();
    if (size > left_.size()) return fail(), std::string{};
    std::string value{left_.substr(0, size)};
    left_.remove_prefix(size);
    return value;
  }
  [[nodiscard]] std::size_t left() const noexcept { return left_.size(); }
  [[nodiscard]] bool good() const noexcept { return good_; }
  [[nodiscard]] bool finished() const noexcept { return good_ && left_.empty(); }

 private:
  std::uint64_t fail() {
    good_ = false;
    left_ = {};
    return 0;
  }
  std::string_view left_;
  bool good_ = true;
};

}  // namespace

std::string pack(const message& m) {
  std::string out;
  out.reserve(m.size());
  out += format;
  put(out, m.id);
  put(out, m.topic);
  put(out, m.key);
  put(out, m.content_type);
  put(out, std::uint64_t{m.priority});
  put(out, static_cast<std::uint64_t>(m.time_to_live.count()));
  put(out, std::uint64_t{m.fields.size()});
  for (const auto& h : m.fields) {
    put(out, h.name);
    put(out, h.value);
  }
  put(out, m.body);
  return out;
}

result<message> unpack(std::string_view bytes) {
  if (bytes.empty() || bytes.front() != format) return fail(errc::data_loss, "a message of an unknown format");
  unpacker in{bytes.substr(1)};
  message m;
  m.id = in.text();
  m.topic = in.text();
  m.key = in.text();
  m.content_type = in.text();
  const auto priority = in.number();
  m.time_to_live = duration{static_cast<duration::rep>(in.number())};
  const auto fields = in.number();
  if (!in.good() || priority > max_priority || m.time_to_live < duration::zero() || fields > in.left())
    return fail(errc::data_loss, "a damaged message");
  m.priority = static_cast<std::uint8_t>(priority);
  m.fields.reserve(fields);
  for (std::uint64_t i = 0; i < fields && in.good(); ++i) {
    const auto name = in.text();
    m.fields.append(name, in.text());
  }
  m.body = in.text();
  if (!in.finished()) return fail(errc::data_loss, "a damaged message");
  return m;
}

std::string pack(const std::vector<std::uint64_t>& numbers) {
  std::string out;
  for (const auto n : numbers) put(out, n);
  return out;
}

result<std::vector<std::uint64_t>> unpack_numbers(std::string_view bytes) {
  unpacker in{bytes};
  std::vector<std::uint64_t> numbers;
  while (in.good() && in.left() != 0) numbers.push_back(in.number());
  if (!in.good()) return fail(errc::data_loss, "a damaged list of groups");
  return numbers;
}

}  // namespace weft::messaging
