// Request heads. Properties: it does not matter in which pieces a head arrives; what was accepted stays within the
// limits, holds nothing that another parser could read otherwise, and is read the same once it is written again.
#include <weft/http/http1.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace weft::http;
using namespace weft::http::http1;

void require(bool holds) {
  if (!holds) std::abort();
}

struct reading {
  request_parser parser;
  headers fields;
  request_head head;
  progress state = progress::more;
  reading(std::string_view text, const limits& l, std::size_t step) : parser{l} {
    head.fields = &fields;
    for (std::size_t end = 0; end < text.size() && state == progress::more; end += step)
      state = parser.parse(text.substr(0, end), head);
    if (state == progress::more) state = parser.parse(text, head);
  }
};

bool same(const reading& a, const reading& b) {
  return a.head.target == b.head.target && a.head.host == b.head.host && a.head.method_name == b.head.method_name &&
         a.head.content == b.head.content && a.head.content_length == b.head.content_length &&
         a.head.keep_alive == b.head.keep_alive && a.fields.size() == b.fields.size();
}

void check(std::string_view text, const limits& l) {
  const reading whole{text, l, ~std::size_t{0} / 2};
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}}) {
    const reading pieces{text, l, step};
    require(pieces.state == whole.state);
    if (whole.state == progress::done) require(same(whole, pieces));
  }
  if (whole.state != progress::done) return;
  const auto& head = whole.head;
  require(whole.parser.head_size() <= text.size() && whole.parser.head_size() <= l.head_bytes + 2);
  require(head.target.size() <= l.target_bytes && !head.target.empty() && whole.fields.size() <= l.fields + 1);
  require(valid_token(head.method_name));
  require(whole.fields.count("host") <= 1 && whole.fields.count("content-length") <= 1);
  require(!whole.fields.contains("content-length") || !whole.fields.contains("transfer-encoding"));

  std::string written;
  append_request_line(written, head.method_name, head.target);
  for (const auto& f : whole.fields) {
    require(valid_field(f.name, f.value));
    append_field(written, f.name, f.value);
  }
  if (head.minor_version == 0) return;  // the defaults of 1.1 are others
  written += "\r\n";
  const reading again{written, {}, ~std::size_t{0} / 2};
  require(again.state == progress::done && same(whole, again));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  check(text, {});
  check(text, {.head_bytes = 100, .target_bytes = 12, .fields = 3});
  return 0;
}
