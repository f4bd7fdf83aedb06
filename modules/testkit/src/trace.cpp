#include <weft/testkit/trace.hpp>

#include <algorithm>

namespace weft::testkit {

void trace_log::add(std::int64_t nanoseconds, std::string_view host, std::initializer_list<std::string_view> parts) {
  if (level_ == trace_level::off) return;
  std::string line;
  if (last_.size() >= kept_ && !last_.empty()) {
    line = std::move(last_.front());
    last_.pop_front();
    line.clear();
  }
  line = std::to_string(nanoseconds / 1'000'000'000) + '.';
  const auto fraction = std::to_string(nanoseconds % 1'000'000'000);
  line.append(9 - fraction.size(), '0').append(fraction).append(" ").append(host);
  if (host.size() < 8) line.append(8 - host.size(), ' ');
  line += ' ';
  for (const auto part : parts) line += part;
  line += '\n';
  for (const char c : line) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  ++count_;
  if (file_ != nullptr) std::fwrite(line.data(), 1, line.size(), file_);
  last_.push_back(std::move(line));
}

std::string trace_log::tail(std::size_t lines) const {
  std::string text;
  for (auto i = last_.size() - std::min(lines, last_.size()); i < last_.size(); ++i) text += last_[i];
  return text;
}

}  // namespace weft::testkit
