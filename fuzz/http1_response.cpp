// Response heads, to the method that the first byte names. Properties: pieces do not matter, and no answer has two ways
// to tell where it ends.
#include <weft/http/http1.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

using namespace weft::http;
using namespace weft::http::http1;

void require(bool holds) {
  if (!holds) std::abort();
}

struct reading {
  response_parser parser;
  headers fields;
  response_head head;
  progress state = progress::more;
  reading(std::string_view text, method asked, std::size_t step) {
    head.fields = &fields;
    for (std::size_t end = 0; end < text.size() && state == progress::more; end += step)
      state = parser.parse(text.substr(0, end), asked, head);
    if (state == progress::more) state = parser.parse(text, asked, head);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto asked = static_cast<method>(data[0] % 10);
  const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  const reading whole{text, asked, ~std::size_t{0} / 2};
  for (const std::size_t step : {std::size_t{1}, std::size_t{5}}) {
    const reading pieces{text, asked, step};
    require(pieces.state == whole.state);
    if (whole.state != progress::done) continue;
    require(pieces.head.code == whole.head.code && pieces.head.content == whole.head.content);
    require(pieces.head.content_length == whole.head.content_length && pieces.head.keep_alive == whole.head.keep_alive);
    require(pieces.head.reason == whole.head.reason && pieces.fields.size() == whole.fields.size());
  }
  if (whole.state != progress::done) return 0;
  require(to_int(whole.head.code) >= 100 && to_int(whole.head.code) <= 999);
  require(whole.parser.head_size() <= text.size());
  require(!whole.fields.contains("content-length") || !whole.fields.contains("transfer-encoding"));
  require(whole.head.content != framing::until_close || !whole.head.keep_alive);
  if (asked == method::head || forbids_content(whole.head.code)) require(whole.head.content == framing::none);
  for (const auto& f : whole.fields) require(valid_field(f.name, f.value));
  return 0;
}
