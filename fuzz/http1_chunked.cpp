// Chunked content, cut into pieces of the size that the first byte says. Properties: pieces do not matter, the content
// is never larger than what carried it, and content that is written again in chunks is read again as it was.
#include <weft/http/http1.hpp>

#include <algorithm>
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
  chunked_decoder decoder;
  std::string content;
  std::size_t used = 0;
  progress state = progress::more;
  reading(std::string_view text, std::size_t piece, const limits& l = {}) : decoder{l} {
    while (state == progress::more && used < text.size()) {
      const auto step = decoder.decode(text.substr(used, piece));
      state = step.state;
      if (state == progress::bad) return;
      require(step.consumed > 0 && step.consumed <= std::min(piece, text.size() - used));
      content.append(step.data);
      used += step.consumed;
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  const reading whole{text, ~std::size_t{0}};
  for (const std::size_t piece : {std::size_t{1}, std::size_t{data[0]} + 1}) {
    const reading pieces{text, piece};
    require(pieces.state == whole.state);
    if (whole.state == progress::bad) continue;
    require(pieces.content == whole.content && pieces.used == whole.used);
    require(pieces.decoder.trailers().size() == whole.decoder.trailers().size());
  }
  const reading small{text, 3, {.fields = 2, .chunk_line_bytes = 8, .extension_bytes = 16, .trailer_bytes = 20}};
  require(small.decoder.trailers().size() <= 2);
  require(whole.content.size() <= text.size());
  if (whole.state != progress::done) return 0;
  for (const auto& f : whole.decoder.trailers()) require(valid_field(f.name, f.value));
  std::string written;
  for (std::size_t at = 0; at < whole.content.size(); at += 5) {
    const auto chunk = std::string_view{whole.content}.substr(at, 5);
    append_chunk_size(written, chunk.size());
    written.append(chunk).append("\r\n");
  }
  written += "0\r\n\r\n";
  const reading again{written, 4};
  require(again.state == progress::done && again.content == whole.content && again.used == written.size());
  return 0;
}
